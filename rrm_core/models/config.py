"""The sizes of a model, checked; without torch, so that tables and recipes can speak of models."""

from __future__ import annotations

from dataclasses import dataclass, fields

SEGMENTS = 16  # segments of a rollout, in training and in every measurement
RANGES = {  # of a config from a file, so that none asks for more memory than there is
    "side": range(4, 10),
    "width": range(1, 8193),
    "L_layers": range(1, 65),
    "H_layers": range(65),
    "H_cycles": range(1, 1025),
    "L_cycles": range(1, 1025),
    "heads": range(1, 257),
    "prefix": range(1, 513),
}
MODELS = ("trm", "mlp"), ("trm", "attention"), ("hrm", "attention")


class ModelError(ValueError):
    """A config, weights file or state dict that cannot be used; says what and how to mend it."""


@dataclass(frozen=True)
class Config:
    """Sizes of one model. ``H_layers`` = 0 means one network for both states (TRM)."""

    model: str  # "trm" or "hrm"
    mixing: str  # "mlp" (TRM-MLP: a SwiGLU over positions) or "attention"
    side: int  # 4, 6 or 9
    width: int  # D
    L_layers: int
    H_layers: int
    H_cycles: int
    L_cycles: int
    heads: int
    prefix: int  # positions of the puzzle embedding before the cells
    expansion: float = 4.0

    def __post_init__(self) -> None:
        """Refuse sizes that no published layer could have."""
        if (self.model, self.mixing) not in MODELS:
            raise ModelError(
                f"model={self.model!r}, mixing={self.mixing!r}: "
                "expected trm with mlp or attention, or hrm with attention"
            )
        for name, sizes in RANGES.items():
            if (size := getattr(self, name)) not in sizes:
                least, most = sizes[0], sizes[-1]
                raise ModelError(f"{name}={size}: expected an integer in {least}..{most}")
        if (self.model == "hrm") != (self.H_layers > 0):
            raise ModelError(
                f"model={self.model!r}, H_layers={self.H_layers}: an HRM has one at least, "
                "a TRM, one network for both states, has 0"
            )
        if not 0 < self.expansion <= 64:
            raise ModelError(f"expansion={self.expansion}: expected a number above 0, at most 64")
        if self.mixing == "attention" and self.width % (2 * self.heads):
            raise ModelError(
                f"width={self.width}: expected a multiple of 2 x heads = {2 * self.heads}, "
                "which rotary attention needs"
            )

    @property
    def cells(self) -> int:
        """Number of cells of the board."""
        return self.side**2

    @property
    def positions(self) -> int:
        """P, the sequence length: prefix + cells."""
        return self.prefix + self.cells

    @property
    def vocabulary(self) -> int:
        """V = side + 2."""
        return self.side + 2

    @property
    def schedule(self) -> str:
        """The updates of one segment in order: "LLHLLH" where H_cycles = L_cycles = 2."""
        return ("L" * self.L_cycles + "H") * self.H_cycles

    @classmethod
    def from_dict(cls, values: dict) -> Config:
        """Build from a mapping; unknown or missing names raise :class:`ModelError`."""
        names = {f.name for f in fields(cls)}
        unknown, missing = set(values) - names, names - {"expansion"} - set(values)
        if unknown or missing:
            raise ModelError(
                f"model config: unknown {sorted(unknown)}, missing {sorted(missing)}; "
                f"expected {sorted(names)}"
            )
        kinds: dict = {"str": (str,), "int": (int,), "float": (float, int)}
        for f in fields(cls):
            value = values.get(f.name, f.default)
            if type(value) not in kinds[f.type]:
                raise ModelError(f"model config: {f.name} is {value!r:.40}, expected {f.type}")
        return cls(**values)


PUBLISHED = {  # Jolicoeur-Martineau 2025; Wang et al. 2025
    "trm": Config("trm", "mlp", 9, 512, 2, 0, H_cycles=3, L_cycles=6, heads=8, prefix=16),
    "hrm": Config("hrm", "attention", 9, 512, 4, 4, H_cycles=2, L_cycles=2, heads=8, prefix=1),
}
