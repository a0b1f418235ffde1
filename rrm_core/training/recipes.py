"""How a model is trained: the recipe, and the presets of ``presets.yml`` by name."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import yaml

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


INCIDENTAL = {"seed", "steps", "bf16", "compile", "eval_every", "eval_puzzles", "log_every"}
INCIDENTAL |= {"checkpoint_every", "bf16_checkpoints"}


def essentials(recipe: dict) -> dict:
    """What trainings share that differ in :data:`INCIDENTAL`; defaults for what `recipe` lacks."""
    kept = [f for f in fields(Recipe) if f.name not in INCIDENTAL]
    return {f.name: recipe.get(f.name, f.default) for f in kept}


TRUTH = {"true": True, "false": False}
READ: dict = {  # a field's text by its type
    "int": int,
    "float": float,
    "str": str,
    "bool": TRUTH.__getitem__,
    "bool | None": TRUTH.__getitem__,
    "tuple[float, float]": lambda text: tuple(map(float, text.split(","))),
}


def parsed(texts: dict[str, str]) -> dict:
    """{field: value} of recipe fields given as texts; what does not fit its type is named."""
    types, values = {f.name: str(f.type) for f in fields(Recipe)}, {}
    if unknown := sorted(texts.keys() - types.keys()):
        raise TrainingError(f"unknown recipe fields {unknown}; known: {', '.join(types)}")
    for name, text in texts.items():
        try:
            values[name] = READ[types[name]](text)
        except (ValueError, KeyError):
            raise TrainingError(f"recipe field {name}={text!r}: expected {types[name]}") from None
    return values


def preset(name: str, **changes) -> tuple[Config, Recipe]:
    """(model config, recipe) of a preset, with fields of the recipe changed."""
    presets = yaml.safe_load(Path(__file__).with_name("presets.yml").read_text())
    if name not in presets:
        raise TrainingError(f"unknown preset {name!r}; known: {', '.join(presets)}")
    found = presets[name]
    return Config(**found["model"]), replace(Recipe(**found["recipe"]), **changes)
