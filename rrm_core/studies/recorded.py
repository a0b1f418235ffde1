"""A few puzzles recorded to be watched: boards, drift, growth, and the state's path in a plane.

The plane is that of the two main directions of the shown states of one puzzle (z_H, all positions
and channels, about their mean), turned so that the first state lies at the lower left. It is a
shadow: ``explained`` is the share of the variance that it keeps.
"""

from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rrm_core.analysis import phases
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
    return (turned * size[:2]).numpy(), float(size[:2].square().sum() / size.square().sum())


def watched(subject: Subject, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle of `frame` and shown segment: 1 to 16, then every eighth.

    idx, correct_in_table, segment, answer, right, drift (log10, of z_H in that segment), growth (of
    one tangent in it, nats; NaN after 16), x, y, explained.
    """
    boards, solutions = sets.boards(frame)
    roll = partial(measure.roll, subject.model, boards, chunk=len(boards))
    parts = [roll(segments=SEGMENTS, k=1, seed=subject.meta["seed"], keep=SEGMENTS)]
    late = range(SEGMENTS + STRIDE, HORIZON + 1, STRIDE)
    for _ in late:
        parts.append(roll(segments=STRIDE, k=0, state=parts[-1].state, keep=1))
    shown = [(p.answer, p.drift_h, p.recent.shape[1]) for p in parts]
    answer = subject.model.decode(torch.cat([answers[:, -n:] for answers, _, n in shown], 1))
    drift = log_drift(torch.cat([drifts[:, -n:] for _, drifts, n in shown], 1).numpy())
    growth, states = parts[0].growth[..., 0], torch.cat([p.recent for p in parts], 1)
    right, tables = (answer == solutions[:, None]).all(-1), []
    for i, row in enumerate(frame.itertuples()):
        xy, share = plane(states[i])
        moved = {"drift": pd.Series(drift[i]), "growth": pd.Series(growth[i].numpy())}
        moved |= {"x": xy[:, 0], "y": xy[:, 1], "explained": share}
        head = {"idx": row.idx, "correct_in_table": row.correct}
        head |= {"segment": [*range(1, SEGMENTS + 1), *late]}
        head |= {"answer": [*map(board.to_text, answer[i])], "right": right[i]}
        both = pd.DataFrame(head), pd.DataFrame(moved).astype("float32")
        tables.append(pd.concat(both, axis=1))
    return pd.concat(tables, ignore_index=True)


def units(subject: Subject) -> Units:
    """The first six failures; the first six successes that were still wrong at segment 4."""
    table = subject.table
    slow = table.correct & (phases.last_wrong(table) >= STILL_WRONG)
    kinds = {"failed": table[~table.correct], "solved": table[slow]}
    return {kind: partial(watched, subject, of.head(EACH)) for kind, of in kinds.items() if len(of)}
