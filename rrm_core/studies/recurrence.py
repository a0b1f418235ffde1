"""What moving states do in the end: does each go round a cycle, and do nearby states part?

The return distance at lag p is the mean, over the last four segments t, of the Euclidean norm of
z_H(t) - z_H(t - p), over all positions and channels: lag 1 is late drift, and on a cycle of p
segments the distance at lag p is that of a settled state. The growth of one tangent over the last
64 segments, put in 128 segments before the end, estimates the largest exponent of the motion
itself, where the paper's 16 segments also hold the way there. Our own question.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rrm_core.dynamics.contract import Reasoner
from rrm_core.dynamics.rollout import distance
from rrm_core.runs import measure
from rrm_core.runs.tables import LATE, SEGMENTS, log_drift
from rrm_core.studies import LARGE, Subject, Units, batches
from rrm_core.studies.long import HORIZON
from rrm_core.sudoku import sets

FAILURES, SUCCESSES = 128, 64
LAGS = {SEGMENTS: SEGMENTS - LATE, HORIZON: 64}  # segments run: longest lag
ALIGNED, COUNTED = 64, 64  # segments: a tangent finds its direction, then its growth is summed
SETTINGS: dict = {"segments": HORIZON, "lags": {str(t): p for t, p in LAGS.items()}}
SETTINGS |= {"failures": FAILURES, "successes": SUCCESSES, "large": LARGE}
SETTINGS |= {"aligned": ALIGNED, "counted": COUNTED}


def return_distances(recent: Tensor, longest: int) -> np.ndarray:
    """(B, P) log10 of the return distance at lags 1..P = `longest`.

    From the last states (B, S, positions, channels) of a rollout, S >= P + 4.
    """
    end = recent.shape[1] - LATE
    last = recent[:, end:].flatten(0, 1)
    gaps = [
        distance(last, recent[:, end - lag : end - lag + LATE].flatten(0, 1)).view(-1, LATE)
        for lag in range(1, longest + 1)
    ]
    return log_drift(torch.stack([gap.mean(1) for gap in gaps], 1).numpy())


def returns(recent: Tensor, right: np.ndarray, t: int) -> dict[str, np.ndarray]:
    """Columns after `t` segments, of the last states: who is right, late drift, and the returns.

    Of lags of two or more ``return`` is the nearest, ``lag`` the smallest that comes within a
    factor of two of it, ``spread`` their median: how far the motion reaches.
    """
    gaps = return_distances(recent[: len(right)], LAGS[t])
    back = gaps[:, 1:]
    nearest = back.min(1)
    return {
        f"correct_{t:03d}": right,
        f"late_{t:03d}": gaps[:, 0].astype("float32"),
        f"return_{t:03d}": nearest.astype("float32"),
        f"lag_{t:03d}": (back <= nearest[:, None] + np.log10(2)).argmax(1) + 2,
        f"spread_{t:03d}": np.median(back, 1).astype("float32"),
    }


def returned(model: Reasoner, seed: int, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle, at most one chunk: :func:`returns` after 16 and 256 segments, growth."""
    boards, solutions = sets.boards(frame)
    roll = partial(measure.roll, model, boards)
    early = roll(segments=SEGMENTS, k=0, keep=LAGS[SEGMENTS] + LATE)
    between, keep = HORIZON - SEGMENTS - ALIGNED - COUNTED, LAGS[HORIZON] + LATE
    middle = roll(segments=between, k=0, state=early.state)
    end = roll(segments=ALIGNED + COUNTED, k=1, seed=seed, state=middle.state, keep=keep)
    growth = end.growth[: len(boards), ALIGNED:, 0].mean(1).numpy().astype("float32")
    data = {"idx": frame.idx, "correct_in_table": frame.correct}
    for t, out in ((SEGMENTS, early), (HORIZON, end)):
        right = (model.decode(out.answer[: len(boards), -1]) == solutions).all(-1)
        data |= returns(out.recent, right, t)
    return pd.DataFrame(data | {f"growth_{HORIZON:03d}": growth})


def units(subject: Subject) -> Units:
    """One unit for every 32 puzzles."""
    work = partial(returned, subject.model, subject.meta["seed"])
    chosen = subject.chosen(subject.fewer(FAILURES), subject.fewer(SUCCESSES))
    return batches(work, chosen, measure.CHUNK)
