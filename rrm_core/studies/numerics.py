"""How much of an outcome or exponent is round-off or convention.

Varied: precision, the tangents' seed, and the updates between two QRs.
"""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pandas as pd
import torch

from rrm_core.models.weights import load_model
from rrm_core.runs.measure import named, spectra
from rrm_core.studies import Subject, Units, observed
from rrm_core.sudoku import sets

PUZZLES, K = 64, 2
SETTINGS = {"puzzles": PUZZLES, "k": K}
DTYPES = {"float64": torch.float64, "bf16 weights": torch.bfloat16}


def variant(subject: Subject, name: str, seed: int = 0, every: int = 1) -> pd.DataFrame:
    """One row a puzzle, half of them failures: outcome, late drift, drift and growth, exponents.

    Under autocast, the arithmetic of training, there are no exponents: NaN.
    """
    frame, model = subject.chosen(PUZZLES // 2, PUZZLES // 2), subject.model
    if name in DTYPES:
        model = load_model(subject.folder, DTYPES[name])
    if name == "bf16 weights":
        model = model.float()  # the weights alone are rounded
    mixed = name == "bf16 autocast"
    device = next(model.parameters()).device.type
    with torch.autocast(device, torch.bfloat16) if mixed else nullcontext():
        options = {"k": 0 if mixed else K, "seed": subject.meta["seed"] + seed, "every": every}
        seen, out = observed(model, *sets.boards(frame), **options)
    growth = out["growth"] if not mixed else np.full((*out["drift_h"].shape, K), np.nan)
    exponents = spectra(growth, len(model.schedule)).astype("float32")
    data = {"variant": name, "idx": frame.idx, "correct": seen.correct, "late": seen.late}
    data |= named("drift_h", out["drift_h"]) | named("growth_1", growth[..., 0])
    return pd.DataFrame(data | {f"lambda_{i + 1}": exponents[:, i] for i in range(K)})


def units(subject: Subject) -> Units:
    """One unit a variant."""
    variants: dict[str, dict] = {
        name: {} for name in ("float32", "float64", "bf16 weights", "bf16 autocast")
    }
    variants |= {f"seed {s}": {"seed": s} for s in (1, 2, 3, 4)}
    variants |= {f"QR every {e}": {"every": e} for e in (2, len(subject.model.schedule))}
    work = partial(variant, subject)
    return {name.replace(" ", "_"): partial(work, name, **o) for name, o in variants.items()}
