"""What states that still move are doing in the end: does each go round a cycle, and do nearby states part?

The return distance at lag p is the mean, over the last four segments t, of the Euclidean norm of z_H(t) - z_H(t - p), over all positions and
channels: lag 1 is late drift, and on a cycle of p segments the distance at lag p is that of a settled state. After 16 segments and after 256. The growth of
one tangent over the last 64 segments, put in 128 segments before the end, estimates the largest exponent of the motion itself, where the
16 segments of the paper also hold the way there. Our own question: the paper looks at lag 1 and at 16 segments.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rrm_core.dynamics.rollout import distance
from rrm_core.models.recursive import RecursiveModel, digits
from rrm_core.runs import measure
from rrm_core.runs.tables import LATE, SEGMENTS, log_drift
from rrm_core.studies import Subject, Units
from rrm_core.studies.long import HORIZON
from rrm_core.sudoku import sets as puzzles

FAILURES, SUCCESSES = 128, 64
LAGS = {SEGMENTS: SEGMENTS - LATE, HORIZON: 64}  # segments run: longest lag
ALIGNED, COUNTED = (
    64,
    64,
)  # segments: for the tangent to find its direction, and for its growth to be summed
SETTINGS = {
    "segments": HORIZON,
    "failures": FAILURES,
    "successes": SUCCESSES,
    "lags": {str(t): p for t, p in LAGS.items()},
    "aligned": ALIGNED,
    "counted": COUNTED,
}


def return_distances(recent: Tensor, longest: int) -> np.ndarray:
    """(B, P) log10 of the return distance at lags 1..P = `longest`, from the last states (B, S, positions, channels) of a rollout, S >= P + 4."""
    ends = recent[:, -LATE:].flatten(0, 1)
    gaps = [
        distance(
            ends, recent[:, recent.shape[1] - LATE - lag : recent.shape[1] - lag].flatten(0, 1)
        )
        for lag in range(1, longest + 1)
    ]
    return log_drift(torch.stack([gap.view(-1, LATE).mean(1) for gap in gaps], 1).numpy())


def returned(model: RecursiveModel, frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row a puzzle of `frame`, at most one chunk.

    After 16 and after 256 segments: right, late drift, log10 of the nearest return at a lag of two or more, the smallest lag that comes within a
    factor of two of it, and the median return over those lags (how far the motion reaches); growth in nats per segment.
    """
    boards, solutions = puzzles.boards(frame)
    roll = partial(measure.roll, model, boards)
    early = roll(segments=SEGMENTS, k=0, keep=LAGS[SEGMENTS] + LATE)
    middle = roll(segments=HORIZON - SEGMENTS - ALIGNED - COUNTED, k=0, state=early.state)
    end = roll(
        segments=ALIGNED + COUNTED, k=1, seed=seed, state=middle.state, keep=LAGS[HORIZON] + LATE
    )
    data = {"idx": frame.idx, "correct_in_table": frame.correct}
    for t, out in ((SEGMENTS, early), (HORIZON, end)):
        gaps = return_distances(out.recent, LAGS[t])[: len(boards)]
        back = gaps[:, 1:]
        nearest = back.min(1)
        data |= {
            f"correct_{t:03d}": (digits(out.answer[: len(boards), -1]) == solutions).all(-1),
            f"late_{t:03d}": gaps[:, 0].astype("float32"),
        }
        data |= {
            f"return_{t:03d}": nearest.astype("float32"),
            f"lag_{t:03d}": (back <= nearest[:, None] + np.log10(2)).argmax(1) + 2,
        }
        data[f"spread_{t:03d}"] = np.median(back, 1).astype("float32")
    data[f"growth_{HORIZON:03d}"] = (
        end.growth[: len(boards), ALIGNED:, 0].mean(1).numpy().astype("float32")
    )
    return pd.DataFrame(data)


def units(subject: Subject) -> Units:
    """One unit for every 32 puzzles."""
    frame = subject.chosen(FAILURES, SUCCESSES)
    return {
        f"rows_{i:06d}": partial(
            returned,
            subject.model,
            frame.iloc[i : i + measure.CHUNK].reset_index(drop=True),
            subject.meta["seed"],
        )
        for i in range(0, len(frame), measure.CHUNK)
    }
