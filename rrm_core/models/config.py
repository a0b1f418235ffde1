"""The sizes of a model, checked; without torch, so that tables and recipes can speak of models."""

from dataclasses import dataclass
from typing import get_type_hints

SEGMENTS = 16  # segments of a rollout, in training and in every measurement
RANGES = {  # of a config from a file, so that none asks for more memory than there is
    "side": range(4, 10),
    "width": range(1, 8193),
    "L_layers": range(1, 65),
    "H_layers": range(65),
    "H_cycles": range(1, 1025),
    "L_cycles": range(1, 1025),
    "heads": range(1, 257),
    "prefix": range(513),
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
            expected = "expected trm with mlp or attention, or hrm with attention"
            raise ModelError(f"model={self.model!r}, mixing={self.mixing!r}: {expected}")
        for name, sizes in RANGES.items():
            if (size := getattr(self, name)) not in sizes:
                bounds = f"{sizes[0]}..{sizes[-1]}"
                raise ModelError(f"{name}={size}: expected an integer in {bounds}")
        if (self.model == "hrm") != (self.H_layers > 0):
            rule = "an HRM has one at least, a TRM, one network for both states, has 0"
            raise ModelError(f"model={self.model!r}, H_layers={self.H_layers}: {rule}")
        if not 0 < self.expansion <= 64:
            raise ModelError(f"expansion={self.expansion}: expected a number above 0, at most 64")
        if self.mixing == "attention" and self.width % (2 * self.heads):
            need = f"a multiple of 2 x heads = {2 * self.heads}, which rotary attention needs"
            raise ModelError(f"width={self.width}: expected {need}")

    @property
    def cells(self) -> int:
        """Number of cells of the board."""
        return self.side**2

    @property
    def positions(self) -> int:
        """P, the sequence length: prefix + cells."""
        return self.prefix + self.cells

    @property
    def schedule(self) -> str:
        """The updates of one segment in order: "LLHLLH" where H_cycles = L_cycles = 2."""
        return ("L" * self.L_cycles + "H") * self.H_cycles

    @classmethod
    def from_dict(cls, values: dict) -> "Config":
        """Build from a mapping; unknown or missing names and other types are refused."""
        kinds = get_type_hints(cls)
        unknown, missing = values.keys() - kinds, kinds.keys() - {"expansion"} - values.keys()
        if unknown or missing:
            wrong = f"unknown {sorted(unknown)}, missing {sorted(missing)}"
            raise ModelError(f"model config: {wrong}; expected {', '.join(kinds)}")
        for name, value in values.items():
            kind = kinds[name]
            if not isinstance(value, (int, float) if kind is float else kind):
                wrong = f"{name} is {value!r:.40}, expected {kind.__name__}"
                raise ModelError(f"model config: {wrong}")
        return cls(**values)


PUBLISHED = {  # Jolicoeur-Martineau 2025; Wang et al. 2025
    "trm": Config("trm", "mlp", 9, 512, 2, 0, H_cycles=3, L_cycles=6, heads=8, prefix=16),
    "hrm": Config("hrm", "attention", 9, 512, 4, 4, H_cycles=2, L_cycles=2, heads=8, prefix=1),
}
