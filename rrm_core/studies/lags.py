"""How far apart two states of a rollout lie, by the segments between them, in two arithmetics.

Rounding about one point is as far after 32 segments as after one, a creep adds up, wandering
saturates at the size of its set: a test of motion without a threshold. Our own question.
"""

from functools import partial

import numpy as np
import pandas as pd

from rrm_core.analysis import cells
from rrm_core.runs import folder, measure
from rrm_core.runs.tables import LATE
from rrm_core.studies import Subject, Units
from rrm_core.studies.recurrence import return_distances
from rrm_core.sudoku import sets

EACH, HORIZON, LONGEST = 16, 64, 32  # puzzles of either kind, segments, longest lag
DTYPES = ("float32", "bfloat16")
SETTINGS = {"each": EACH, "segments": HORIZON, "lags": LONGEST, "dtypes": list(DTYPES)}


def by_lag(subject: Subject, frame: pd.DataFrame, dtype: str) -> pd.DataFrame:
    """One row a puzzle: dtype, kind, idx, share of coordinates that the last segment changed.

    And log10 of the distance of z_H at lags 1..32, a mean over the last four segments.
    """
    model = folder.load(subject.folder, dtype, subject.device)
    boards, _ = sets.boards(frame)
    out = measure.roll(model, boards, k=0, segments=HORIZON, keep=LONGEST + LATE)
    recent = out.recent[: len(boards)].float()
    changed = (recent[:, -1] != recent[:, -2]).flatten(1).double().mean(1).numpy()
    gaps = return_distances(recent, LONGEST).astype(np.float32)
    data = {"dtype": dtype, "kind": frame.kind.to_numpy(), "idx": frame.idx.to_numpy()}
    data |= {"changed": changed.astype(np.float32)}
    return pd.DataFrame(data | {f"lag_{p:02d}": gaps[:, p - 1] for p in range(1, LONGEST + 1)})


def units(subject: Subject) -> Units:
    """One unit a dtype: the first settled successes (Otsu) and the first failures, one chunk."""
    rows = {"settled, solved": cells.at_otsu(subject.table)[0] == "A"}
    rows["failed"] = ~subject.table.correct.to_numpy()
    parts = [subject.inputs[at].head(EACH).assign(kind=kind) for kind, at in rows.items()]
    frame = pd.concat(parts, ignore_index=True)
    return {dtype: partial(by_lag, subject, frame, dtype) for dtype in DTYPES}
