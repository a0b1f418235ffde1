"""How much of an outcome or exponent is round-off or convention.

Varied: precision, the tangents' seed, and the updates between two QRs.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

import numpy as np
import pandas as pd
import torch

from rrm_core.models.recursive import RecursiveModel
from rrm_core.models.weights import load_model
from rrm_core.runs.measure import named, spectra
from rrm_core.studies import Subject, Units, observed
from rrm_core.sudoku import sets

PUZZLES, K = 64, 2
SETTINGS = {"puzzles": PUZZLES, "k": K}


def variant(
    model: RecursiveModel, frame: pd.DataFrame, name: str, seed: int, every: int = 1
) -> pd.DataFrame:
    """One row a puzzle: outcome, late drift, drift and growth by segment, exponents.

    Under autocast, the arithmetic of training, there are no exponents: NaN.
    """
    mixed = name == "bf16 autocast"
    device = next(model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16) if mixed else nullcontext():
        options = {"k": 0 if mixed else K, "seed": seed, "every": every}
        seen, out = observed(model, *sets.boards(frame), **options)
    growth = out["growth"] if not mixed else np.full((*out["drift_h"].shape, K), np.nan)
    exponents = spectra(growth, len(model.schedule)).astype("float32")
    data = {"variant": name, "idx": frame.idx, "correct": seen.correct, "late": seen.late}
    data |= named("drift_h", out["drift_h"]) | named("growth_1", growth[..., 0])
    return pd.DataFrame(data | {f"lambda_{i + 1}": exponents[:, i] for i in range(K)})


def units(subject: Subject) -> Units:
    """One unit a variant, on 32 failures and 32 successes."""
    frame, seed = subject.chosen(PUZZLES // 2, PUZZLES // 2), subject.meta["seed"]

    def made(name: str, dtype: torch.dtype | None = None, **options: int) -> pd.DataFrame:
        model = load_model(subject.folder, dtype) if dtype else subject.model
        model = model.float() if dtype == torch.bfloat16 else model  # rounded weights alone
        return variant(model, frame, name, **({"seed": seed} | options))

    variants = {
        "float32": {},
        "float64": {"dtype": torch.float64},
        "bf16 weights": {"dtype": torch.bfloat16},
        "bf16 autocast": {},
        **{f"seed {s}": {"seed": seed + s} for s in (1, 2, 3, 4)},
        **{f"QR every {e}": {"every": e} for e in (2, len(subject.model.schedule))},
    }
    return {name.replace(" ", "_"): partial(made, name, **o) for name, o in variants.items()}
