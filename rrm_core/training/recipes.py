"""How a model is trained: the recipe, and presets by name.

The small presets use AdamW, not the published Adam-atan2: at these sizes both train, and AdamW is
fused. ``lr x weight_decay`` = 1e-4 is the published product; ``lr`` is ten times the published one
because they take thousands, not tens of thousands, of steps. Puzzles are drawn with replacement,
each time under a fresh symmetry; the published loader goes through 1,001 stored variants of each in
turn. ``trm-9x9`` and ``hrm-9x9`` follow the published recipes (Jolicoeur-Martineau 2025, Wang et
al. 2025).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from rrm_core.models.config import PUBLISHED, Config


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
    ema: float = 0.995  # remembers 200 steps; the published 0.999 a third of a short training
    extra_givens: int = 6  # a fresh puzzle gets 0..this many solution digits more
    explore: float = 0.1  # probability, redrawn every segment, that a minimum of 2..16 holds
    continue_share: float = 1.0  # of the rows whose q_continue is trained at a step (HRM)
    branches: int = 1  # copies of every puzzle; all but the first from perturbed starts
    sigma: float = 0.0  # standard deviation of that perturbation, on z_H and z_L
    bf16: bool | None = None  # autocast; None: chosen by what the processor does well
    compile: bool = False  # other round-off, so other weights in the end; needs a C++ compiler
    eval_every: int = 100
    eval_puzzles: int = 256
    checkpoint_every: int = 100
    bf16_checkpoints: bool = False  # rounded to bfloat16: half the size
    log_every: int = 20
    seed: int = 0
    start: str = ""  # SHA-256 of the weights it began with, as a float32 file; empty: fresh ones


INCIDENTAL = (
    *("seed", "steps", "bf16", "compile", "eval_every", "eval_puzzles", "log_every"),
    *("checkpoint_every", "bf16_checkpoints"),
)


def essentials(recipe: dict) -> dict:
    """What two trainings share that differ by seed, length, arithmetic and logging alone.

    A field that an older recipe lacks has its default.
    """
    kept = [f for f in fields(Recipe) if f.name not in INCIDENTAL]
    return {f.name: recipe.get(f.name, f.default) for f in kept}


SMALL = {
    "trm": Config("trm", "mlp", 6, 96, 2, 0, H_cycles=2, L_cycles=3, heads=4, prefix=1),
    "hrm": Config("hrm", "attention", 6, 96, 2, 2, H_cycles=2, L_cycles=2, heads=4, prefix=1),
}
FULL = Recipe(
    "9x9-hard",
    steps=0,
    batch=768,
    lr=1e-4,
    weight_decay=1.0,
    optimiser="adam-atan2",
    warmup=2_000,
    extra_givens=0,
    eval_every=1_000,
)
BRIEF = Recipe(
    "9x9-hard",
    steps=0,
    batch=256,
    lr=3e-4,
    weight_decay=1 / 3,
    warmup=200,
    ema=0.998,
    extra_givens=25,
    compile=True,
    bf16_checkpoints=True,
    eval_every=500,
    checkpoint_every=250,
    log_every=50,
)
EASY = Recipe("9x9", steps=0, batch=96, extra_givens=25)

PRESETS: dict[str, tuple[Config, Recipe]] = {
    "trm-6x6": (SMALL["trm"], Recipe("6x6", steps=1000, eval_every=50, checkpoint_every=50)),
    "hrm-6x6": (SMALL["hrm"], Recipe("6x6", steps=10000, checkpoint_every=250)),
    # A TRM that mixes by attention, as an HRM does: how much of what tells the two apart is that?
    "trm-6x6-attention": (
        replace(SMALL["trm"], mixing="attention"),
        Recipe("6x6", steps=2500, eval_every=50, checkpoint_every=50),
    ),
    "trm-9x9-small": (
        replace(SMALL["trm"], side=9, width=128),
        replace(EASY, steps=10000, eval_every=250, checkpoint_every=250),
    ),
    "hrm-9x9-small": (
        replace(SMALL["hrm"], side=9, width=128),
        replace(EASY, steps=20000, continue_share=0.25, eval_every=500, checkpoint_every=500),
    ),
    # As published, hours on a GPU. Ten intervals of whole batches: the loader drops the last part.
    "trm-9x9": (PUBLISHED["trm"], replace(FULL, steps=65_100, checkpoint_every=6_510, ema=0.999)),
    "hrm-9x9": (PUBLISHED["hrm"], replace(FULL, steps=26_040, checkpoint_every=2_604, ema=0.0)),
    # The published sizes on minutes of a GPU: smaller batches, a larger rate, easier puzzles too.
    "trm-9x9-brief": (PUBLISHED["trm"], replace(BRIEF, steps=20_000)),
    "hrm-9x9-brief": (PUBLISHED["hrm"], replace(BRIEF, steps=40_000)),
    "smoke": (
        Config("trm", "mlp", 4, 32, 1, 0, H_cycles=2, L_cycles=2, heads=2, prefix=1),
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

TRUTH = {"true": True, "false": False}
READ: dict = {  # a field's text by its type
    "int": int,
    "float": float,
    "str": str,
    "bool": TRUTH.__getitem__,
    "bool | None": TRUTH.__getitem__,
    "tuple[float, float]": lambda text: tuple(map(float, text.split(","))),
}


def checked(changes: dict) -> dict:
    """`changes`, refused unless they are of fields that a recipe has."""
    names = [f.name for f in fields(Recipe)]
    if unknown := sorted(set(changes) - set(names)):
        raise TrainingError(f"unknown recipe fields {unknown}; known: {', '.join(names)}")
    return changes


def parsed(texts: dict[str, str]) -> dict:
    """{field: value} of recipe fields given as texts; what does not fit its type is named."""
    types, values = {f.name: f.type for f in fields(Recipe)}, {}
    for name, text in checked(texts).items():
        try:
            values[name] = READ[types[name]](text)
        except (ValueError, KeyError):
            raise TrainingError(f"recipe field {name}={text!r}: expected {types[name]}") from None
    return values


def preset(name: str, **changes) -> tuple[Config, Recipe]:
    """(model config, recipe) of a preset, with fields of the recipe changed."""
    if name not in PRESETS:
        raise TrainingError(f"unknown preset {name!r}; known: {', '.join(PRESETS)}")
    config, recipe = PRESETS[name]
    return config, replace(recipe, **checked(changes))
