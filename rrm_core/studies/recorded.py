"""A few puzzles recorded to be watched: boards, drift, growth, and the state's path in a plane.

The plane is that of the two main directions of the states that are shown, of each puzzle alone
(z_H, all positions and channels, about their mean), turned so that the first state lies at the
lower left. It is a shadow: ``explained`` is the share of the variance that it keeps.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rrm_core.analysis import phases
from rrm_core.models.recursive import digits
from rrm_core.runs import measure
from rrm_core.runs.tables import SEGMENTS, log_drift
from rrm_core.studies import Subject, Units
from rrm_core.sudoku import board, sets

EACH, STILL_WRONG, HORIZON, STRIDE = 6, 4, 256, 8  # puzzles of either kind; segments
SETTINGS = {"each": EACH, "still_wrong": STILL_WRONG, "segments": HORIZON, "stride": STRIDE}


def plane(states: Tensor) -> tuple[np.ndarray, float]:
    """((T, 2) coordinates of states (T, ...) in their two main directions, share of variance)."""
    flat = states.flatten(1).double()
    left, size, _ = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
    turned = left[:, :2] * torch.where(left[0, :2] > 0, -1, 1)
    of = max(float(size.square().sum()), np.finfo(float).tiny)
    return (turned * size[:2]).numpy(), float(size[:2].square().sum()) / of


def watched(subject: Subject, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle of `frame` and segment that is shown: 1 to 16, then every eighth.

    idx, correct_in_table, segment, answer, right, drift (log10, of z_H in that segment), growth (of
    the first tangent, nats; NaN after 16), x, y, explained.
    """
    boards, solutions = sets.boards(frame)
    roll = partial(measure.roll, subject.model, boards, chunk=len(boards))
    parts = [roll(segments=SEGMENTS, k=1, seed=subject.meta["seed"], keep=SEGMENTS)]
    marks = [*range(1, SEGMENTS + 1), *range(SEGMENTS + STRIDE, HORIZON + 1, STRIDE)]
    for _ in marks[SEGMENTS:]:
        parts.append(roll(segments=STRIDE, k=0, state=parts[-1].state, keep=1))
    states, tables = torch.cat([part.recent for part in parts], 1), []
    kept = [(digits(p.answer), log_drift(p.drift_h.numpy()), p.recent.shape[1]) for p in parts]
    answers = np.concatenate([answer[:, -n:] for answer, _, n in kept], 1)
    drift = np.concatenate([values[:, -n:] for _, values, n in kept], 1)
    growth = np.pad(
        parts[0].growth[..., 0].numpy(),
        [(0, 0), (0, len(marks) - SEGMENTS)],
        constant_values=np.nan,
    )
    for i, row in enumerate(frame.itertuples()):
        xy, share = plane(states[i])
        tables.append(
            pd.DataFrame(
                {"idx": row.idx, "correct_in_table": row.correct, "segment": marks}
            ).assign(
                answer=[board.to_text(a) for a in answers[i]],
                right=(answers[i] == solutions[i]).all(1),
                drift=drift[i],
                growth=growth[i],
                x=xy[:, 0],
                y=xy[:, 1],
                explained=share,
            )
        )
    table = pd.concat(tables, ignore_index=True)
    floats = table.select_dtypes("float64").columns
    return table.astype(dict.fromkeys(floats, "float32"))


def units(subject: Subject) -> Units:
    """The first six failures; the first six successes that were still wrong at segment 4."""
    table = subject.table
    late = table[table.correct & (phases.last_wrong(table) >= STILL_WRONG)]
    kinds = {"failed": table[~table.correct], "solved": late}
    return {kind: partial(watched, subject, of.head(EACH)) for kind, of in kinds.items() if len(of)}
