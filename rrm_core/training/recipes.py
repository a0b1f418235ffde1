"""How a model is trained: the recipe, and presets by name.

The small presets use AdamW, not the published Adam-atan2: at these sizes both train, and AdamW is fused and resumes exactly.
``lr x weight_decay`` = 1e-4 is the published product; ``lr`` is ten times the published one because they take thousands, not
tens of thousands, of steps. Puzzles are drawn with replacement, each time under a fresh symmetry; the published loader goes through 1,001
stored variants of each in turn. ``trm-9x9`` and ``hrm-9x9`` follow the published recipes (Jolicoeur-Martineau 2025, Wang et al. 2025).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace

from rrm_core.models.config import Config


class TrainingError(ValueError):
    """A training that cannot start or go on; the message says why and how to mend it."""


@dataclass(frozen=True)
class Recipe:
    """How to train. Counts are optimiser steps; one step is one segment of `batch` puzzles."""

    puzzles: str  # name of a training set in data/puzzles
    steps: int
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.1
    optimiser: str = "adamw"  # or "adam-atan2", as published
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: int = 100  # linear, then constant
    ema: float = 0.995  # remembers 200 steps; the published 0.999 would remember a third of these short trainings
    extra_givens: int = (
        6  # each fresh puzzle gets 0..this many solution digits on top of its minimal givens
    )
    explore: float = (
        0.1  # probability, redrawn at every segment, that a minimum of 2..16 segments holds
    )
    continue_share: float = 1.0  # of the rows whose q_continue is trained at a step (HRM); each target costs one more segment
    branches: int = (
        1  # copies of every puzzle trained together; all but the first from perturbed starts
    )
    sigma: float = 0.0  # standard deviation of that perturbation, on z_H and z_L
    bf16: bool = True
    compile: bool = (
        False  # torch.compile: other round-off, so other weights in the end; needs a C++ compiler
    )
    eval_every: int = 100
    eval_puzzles: int = 256
    checkpoint_every: int = 100
    bf16_checkpoints: bool = False  # checkpoints rounded to bfloat16: half the size
    log_every: int = 20
    seed: int = 0
    start: str = ""  # SHA-256 of the weights it began with, as a float32 model.safetensors; empty: fresh ones


INCIDENTAL = (
    "seed",
    "steps",
    "compile",
    "eval_every",
    "eval_puzzles",
    "checkpoint_every",
    "bf16_checkpoints",
    "log_every",
)


def essentials(recipe: dict) -> dict:
    """What two trainings share that differ by seed, length, compiler and logging alone; a field that an older recipe lacks has its default."""
    return {
        f.name: recipe.get(f.name, f.default) for f in fields(Recipe) if f.name not in INCIDENTAL
    }


PUBLISHED = {
    "batch": 768,
    "lr": 1e-4,
    "weight_decay": 1.0,
    "optimiser": "adam-atan2",
    "warmup": 2_000,
    "extra_givens": 0,
    "eval_every": 1_000,
}

BRIEF = {
    "batch": 256,
    "lr": 3e-4,
    "weight_decay": 1 / 3,
    "warmup": 200,
    "ema": 0.998,
    "extra_givens": 25,
    "compile": True,
    "bf16_checkpoints": True,
    "eval_every": 500,
    "checkpoint_every": 250,
    "log_every": 50,
}

PRESETS: dict[str, tuple[Config, Recipe]] = {
    "trm-6x6": (
        Config("trm", "mlp", 6, 96, 2, 0, 2, 3, heads=4, prefix=1),
        Recipe("6x6", steps=1000, eval_every=50, checkpoint_every=50),
    ),
    "hrm-6x6": (
        Config("hrm", "attention", 6, 96, 2, 2, 2, 2, heads=4, prefix=1),
        Recipe("6x6", steps=10000, checkpoint_every=250),
    ),
    # A TRM that mixes by attention, as an HRM does: how much of what tells the two apart is the mixing?
    "trm-6x6-attention": (
        Config("trm", "attention", 6, 96, 2, 0, 2, 3, heads=4, prefix=1),
        Recipe("6x6", steps=2500, eval_every=50, checkpoint_every=50),
    ),
    "trm-9x9-small": (
        Config("trm", "mlp", 9, 128, 2, 0, 2, 3, heads=4, prefix=1),
        Recipe("9x9", steps=10000, batch=96, extra_givens=25, eval_every=250, checkpoint_every=250),
    ),
    "hrm-9x9-small": (
        Config("hrm", "attention", 9, 128, 2, 2, 2, 2, heads=4, prefix=1),
        Recipe(
            "9x9",
            steps=20000,
            batch=96,
            extra_givens=25,
            continue_share=0.25,
            eval_every=500,
            checkpoint_every=500,
        ),
    ),
    # The published recipes, at the published sizes: hours on a GPU, out of reach of a CPU. Ten intervals of whole batches: the loader drops the last part of one.
    "trm-9x9": (
        Config("trm", "mlp", 9, 512, 2, 0, 3, 6, heads=8, prefix=16),
        Recipe("9x9-hard", steps=65_100, checkpoint_every=6_510, ema=0.999, **PUBLISHED),
    ),
    "hrm-9x9": (
        Config("hrm", "attention", 9, 512, 4, 4, 2, 2, heads=8, prefix=1),
        Recipe("9x9-hard", steps=26_040, checkpoint_every=2_604, ema=0.0, **PUBLISHED),
    ),
    # The published sizes on a few minutes of a GPU: smaller batches, a larger rate and easier puzzles in between, as in the small presets.
    "trm-9x9-brief": (
        Config("trm", "mlp", 9, 512, 2, 0, 3, 6, heads=8, prefix=16),
        Recipe("9x9-hard", steps=20_000, **BRIEF),
    ),
    "hrm-9x9-brief": (
        Config("hrm", "attention", 9, 512, 4, 4, 2, 2, heads=8, prefix=1),
        Recipe("9x9-hard", steps=40_000, **BRIEF),
    ),
    "smoke": (
        Config("trm", "mlp", 4, 32, 1, 0, 2, 2, heads=2, prefix=1),
        Recipe(
            "4x4",
            steps=120,
            batch=64,
            lr=2e-3,
            warmup=10,
            ema=0.9,
            extra_givens=4,
            eval_every=40,
            checkpoint_every=40,
        ),
    ),
}


def parsed(texts: dict[str, str]) -> dict[str, object]:
    """{field: value} of recipe fields given as texts; an unknown field or a text that does not fit its type is named."""
    types = {f.name: f.type for f in fields(Recipe)}
    if unknown := set(texts) - set(types):
        raise TrainingError(f"unknown recipe fields {sorted(unknown)}; known: {', '.join(types)}")
    read = {
        "int": int,
        "float": float,
        "str": str,
        "bool": {"true": True, "false": False}.__getitem__,
        "tuple[float, float]": lambda text: tuple(map(float, text.split(","))),
    }
    values = {}
    for name, text in texts.items():
        try:
            values[name] = read[types[name]](text)
        except (ValueError, KeyError):
            raise TrainingError(f"recipe field {name}={text!r}: expected {types[name]}") from None
    return values


def preset(name: str, **changes: object) -> tuple[Config, Recipe]:
    """(model config, recipe) of a preset, with recipe fields changed; an unknown preset or field is named."""
    if name not in PRESETS:
        raise TrainingError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    config, recipe = PRESETS[name]
    unknown = set(changes) - set(asdict(recipe))
    if unknown:
        raise TrainingError(
            f"unknown recipe fields {sorted(unknown)}; known: {', '.join(asdict(recipe))}"
        )
    return config, replace(recipe, **changes)
