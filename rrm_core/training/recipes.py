"""How a model is trained: the recipe, and the presets of ``presets.yml`` by name."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import yaml

from rrm_core.models.config import Config
from rrm_core.store.paths import safe_name
from rrm_core.sudoku.sets import SPLITS

RANGES: dict[str, tuple[float, float]] = {  # of a recipe's numbers, both ends included
    "steps": (1, 10**9),
    "batch": (1, 2**16),
    "lr": (1e-9, 1),
    "weight_decay": (0, 100),
    "warmup": (0, 10**9),
    "ema": (0, 0.999999),
    "extra_givens": (0, 80),
    "explore": (0, 1),
    "continue_share": (1e-6, 1),
    "branches": (1, 64),
    "sigma": (0, 100),
    "eval_every": (0, 10**9),
    "eval_puzzles": (1, 2**20),
    "checkpoint_every": (0, 10**9),
    "log_every": (0, 10**9),
    "seed": (0, 2**63 - 1),
}
OPTIMISER_NAMES = ("adamw", "adam-atan2")


class TrainingError(ValueError):
    """A training that cannot start or go on; the message says why and how to mend it."""


@dataclass(frozen=True)
class Recipe:
    """How to train. Counts are optimiser steps; one step is one segment of `batch` puzzles.

    ``every`` = 0 means never; the last step is a checkpoint all the same.
    """

    puzzles: str  # name of a training set in data/puzzles
    steps: int
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.1
    optimiser: str = "adamw"  # or "adam-atan2", as published
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: int = 100  # linear, then constant; 0 for none
    ema: float = 0.995  # remembers 200 steps; the published 0.999 a third of a short training
    extra_givens: int = 6  # a fresh puzzle gets 0..this many solution digits more
    explore: float = 0.1  # probability, redrawn every segment, that a minimum of 2..16 holds
    continue_share: float = 1.0  # of the rows whose q_continue is trained at a step (HRM)
    branches: int = 1  # copies of every puzzle; all but the first from perturbed starts
    sigma: float = 0.0  # standard deviation of that perturbation, on z_H and z_L
    bf16: bool | None = None  # autocast; None: chosen by what the processor does well
    compile: bool = False  # other round-off, so other weights in the end; needs a C++ compiler
    eval_every: int = 100
    eval_puzzles: int = 256  # of the set PUZZLES-validation, or as many as it has
    checkpoint_every: int = 100
    bf16_checkpoints: bool = False  # rounded to bfloat16: half the size
    log_every: int = 20
    seed: int = 0
    start: str = ""  # SHA-256 of the weights it began with, as a float32 file; empty: fresh ones

    def __post_init__(self) -> None:
        """Refuse values that no training could have, each alone and then together."""
        name, _, split = safe_name(self.puzzles, "puzzle set").rpartition("-")
        if split in SPLITS:
            raise TrainingError(f"puzzles={self.puzzles!r}: -train is added to it; give {name!r}")
        for name, (least, most) in RANGES.items():
            if not least <= (value := getattr(self, name)) <= most:
                raise TrainingError(f"{name}={value}: expected a number from {least} to {most}")
        if self.optimiser not in OPTIMISER_NAMES:
            known = " or ".join(OPTIMISER_NAMES)
            raise TrainingError(f"optimiser={self.optimiser!r}: expected {known}")
        if len(self.betas) != 2 or not all(0 <= beta <= 0.999999 for beta in self.betas):
            pair = "two numbers from 0 to 0.999999, as 0.9,0.95"
            raise TrainingError(f"betas={','.join(map(str, self.betas))}: expected {pair}")
        if self.lr * self.weight_decay >= 1:
            both = f"lr={self.lr}, weight_decay={self.weight_decay}"
            raise TrainingError(f"{both}: expected a product below 1, or weights change their sign")
        if (self.branches > 1) != (self.sigma > 0):
            both = f"branches={self.branches}, sigma={self.sigma}"
            raise TrainingError(f"{both}: expected both, as 4 and 0.001, or neither, 1 and 0")


INCIDENTAL = {"seed", "steps", "bf16", "compile", "eval_every", "eval_puzzles", "log_every"}
INCIDENTAL |= {"checkpoint_every", "bf16_checkpoints"}


def essentials(recipe: dict) -> dict:
    """What trainings share that differ in :data:`INCIDENTAL`; defaults for what `recipe` lacks."""
    kept = [f for f in fields(Recipe) if f.name not in INCIDENTAL]
    return {f.name: recipe.get(f.name, f.default) for f in kept}


TRUTH = {"true": True, "True": True, "false": False, "False": False}
READ: dict = {"int": int, "float": float, "str": str}  # a field's text by its type
READ |= dict.fromkeys(["bool", "bool | None"], TRUTH.__getitem__)
READ |= {"tuple[float, float]": lambda text: tuple(map(float, text.split(",")))}


def parsed(texts: dict[str, str]) -> dict:
    """{field: value} of recipe fields given as texts; what does not fit its type is named.

    ``start`` is no text to give: it records weights that a training is given.
    """
    types, values = {f.name: str(f.type) for f in fields(Recipe) if f.name != "start"}, {}
    if unknown := sorted(texts.keys() - types.keys()):
        raise TrainingError(f"unknown recipe fields {unknown}; known: {', '.join(types)}")
    for name, text in texts.items():
        try:
            values[name] = READ[types[name]](text)
        except (ValueError, KeyError):
            kind = types[name] + " (true or false)" * types[name].startswith("bool")
            raise TrainingError(f"recipe field {name}={text!r}: expected {kind}") from None
    return values


def preset(name: str, **changes) -> tuple[Config, Recipe]:
    """(model config, recipe) of a preset, with fields of the recipe changed."""
    presets = yaml.safe_load(Path(__file__).with_name("presets.yml").read_text())
    if name not in presets:
        raise TrainingError(f"unknown preset {name!r}; known: {', '.join(presets)}")
    found = presets[name]
    return Config(**found["model"]), replace(Recipe(**found["recipe"]), **changes)
