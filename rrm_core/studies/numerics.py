"""How much of an outcome or exponent is round-off or convention: precision, tangent seed, and updates between two QRs."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import torch

from rrm_core.models.recursive import RecursiveModel, load_model
from rrm_core.runs.measure import named, rolled, spectra
from rrm_core.runs.tables import late
from rrm_core.studies import Subject, Units
from rrm_core.sudoku import sets as puzzles

PUZZLES, K = 64, 2
SETTINGS = {"puzzles": PUZZLES, "k": K}


def autocast(model: RecursiveModel, boards: np.ndarray, **_: object) -> dict[str, np.ndarray]:
    """A rollout in the training's arithmetic: bfloat16 products, float32 weights; without exponents, so their seed and intervals say nothing."""
    device = next(model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16):
        return rolled(model, boards, k=0)


def rounded(subject: Subject) -> RecursiveModel:
    """The model with weights rounded to bfloat16, computed in float32."""
    return load_model(subject.folder, torch.bfloat16).float()


def variant(
    subject: Subject,
    frame: pd.DataFrame,
    name: str,
    load: object = None,
    seed: int = 0,
    every: int = 1,
    roll: object = rolled,
) -> pd.DataFrame:
    """One row a puzzle: outcome, late drift, drift and growth by segment, exponents (NaN where none were computed)."""
    boards, solutions = puzzles.boards(frame)
    model = load() if load else subject.model
    out = roll(model, boards, k=K, seed=seed, every=every)
    growth = out["growth"]
    exponents = (
        spectra(growth, len(model.schedule))
        if growth.shape[2]
        else np.full((len(frame), K), np.nan)
    )
    data = {
        "variant": name,
        "idx": frame.idx,
        "correct": (out["digits"][:, -1] == solutions).all(-1),
        "late": late(out["drift_h"]),
    }
    data |= named("drift_h", out["drift_h"]) | named(
        "growth_1", growth[..., 0] if growth.shape[2] else np.full(growth.shape[:2], np.nan)
    )
    return pd.DataFrame(
        data | {f"lambda_{i + 1}": exponents[:, i].astype("float32") for i in range(K)}
    )


def units(subject: Subject) -> Units:
    """One unit a variant, on 32 failures and 32 successes."""
    frame, updates = subject.chosen(PUZZLES // 2, PUZZLES // 2), len(subject.model.schedule)
    variants = {
        "float32": {},
        "float64": {"load": partial(load_model, subject.folder, torch.float64)},
        "bf16 weights": {"load": partial(rounded, subject)},
        "bf16 autocast": {"roll": autocast},
    }
    variants |= {f"seed {s}": {"seed": subject.meta["seed"] + s} for s in (1, 2, 3, 4)} | {
        f"QR every {e}": {"every": e} for e in (2, updates)
    }
    base = {"seed": subject.meta["seed"]}
    return {
        name.replace(" ", "_"): partial(variant, subject, frame, name, **(base | options))
        for name, options in variants.items()
    }
