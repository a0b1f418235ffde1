"""Restart and select: the same puzzles from perturbed start states, with what a selector could see of each.

Restart r adds sigma times a fixed normal draw to z_H and z_L, the same draw for every puzzle, as the stored start is the same.
The stored start vectors have a standard deviation of about one, so sigma = 1 is about as far away as another start. (A pilot on 64
puzzles of each 6x6 run: 0.01 changes next to nothing, 1 and 2 free the most failures.)
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import torch

from rrm_core.runs import measure
from rrm_core.runs.measure import rolled, spectra
from rrm_core.runs.tables import late
from rrm_core.studies import Subject, Units
from rrm_core.sudoku import sets as puzzles

PUZZLES, WITH_EXPONENT, RESTARTS, SIGMAS = 256, 64, 16, (1.0,)
SETTINGS = {
    "puzzles": PUZZLES,
    "with_exponent": WITH_EXPONENT,
    "restarts": RESTARTS,
    "sigmas": list(SIGMAS),
}


def start(subject: Subject, restart: int, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """(z_H, z_L) of restart `restart`; 0 is the stored start. Drawn on the CPU, so it does not depend on the device."""
    state = subject.model.initial_state(measure.CHUNK)
    if restart == 0:
        return state
    draw = torch.randn(2, *state[0].shape[1:], generator=torch.Generator().manual_seed(restart)).to(
        state[0]
    )
    return tuple(z + sigma * d for z, d in zip(state, draw, strict=True))


def restarted(subject: Subject, frame: pd.DataFrame, sigma: float, restart: int) -> pd.DataFrame:
    """One row a puzzle: outcome, halting logit, late drift, and, for the first 64, the largest exponent (else NaN)."""
    boards, solutions = puzzles.boards(frame)
    options = {"state": start(subject, restart, sigma), "seed": subject.meta["seed"]}
    parts = [
        rolled(subject.model, b, k=k, **options)
        for b, k in ((boards[:WITH_EXPONENT], 1), (boards[WITH_EXPONENT:], 0))
        if len(b)
    ]
    right = np.concatenate([p["digits"][:, -1] for p in parts]) == solutions
    exponent = np.full(len(frame), np.nan)
    exponent[:WITH_EXPONENT] = spectra(parts[0]["growth"], len(subject.model.schedule))[:, 0]
    return pd.DataFrame(
        {
            "sigma": sigma,
            "restart": restart,
            "idx": frame.idx,
            "correct": right.all(-1),
            "token_acc": right.mean(-1).astype("float32"),
            "q_halt": np.concatenate([p["q"][:, -1, 0] for p in parts]),
            "halts": np.concatenate([p["halts"][:, -1] for p in parts]),
            "late": np.concatenate([late(p["drift_h"]) for p in parts]),
            "lambda_1": exponent.astype("float32"),
        }
    )


def units(subject: Subject) -> Units:
    """One unit a start: the stored one, then 16 at each sigma. Puzzles: half failures, half successes, alternating."""
    frame = subject.chosen(PUZZLES // 2, PUZZLES // 2)
    starts = [(0.0, 0)] + [(sigma, r) for sigma in SIGMAS for r in range(1, RESTARTS + 1)]
    return {
        f"sigma_{sigma}_{r:02d}": partial(restarted, subject, frame, sigma, r)
        for sigma, r in starts
    }
