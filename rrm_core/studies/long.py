"""Long rollouts: are failures at segment 16 unfinished, settled in a wrong place later, or never settled?

All failures and 128 successes run to 256 segments without halting. Krishna et al. 2026 did this to 512 for two released TRMs.
"""

from __future__ import annotations

from functools import partial

import pandas as pd

from rrm_core.models.recursive import RecursiveModel
from rrm_core.runs import measure
from rrm_core.runs.measure import first, rolled
from rrm_core.runs.tables import late
from rrm_core.studies import Subject, Units
from rrm_core.sudoku import sets as puzzles

HORIZON, SUCCESSES, BATCH, STRIDE = 256, 128, 2 * measure.CHUNK, 4
SETTINGS = {"segments": HORIZON, "successes": SUCCESSES, "stride": STRIDE}


def extended(model: RecursiveModel, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle of `frame` (idx, puzzle, solution, correct): late drift and correctness every four segments, when first solved, how often a right answer was left."""
    boards, solutions = puzzles.boards(frame)
    out = rolled(model, boards, segments=HORIZON, k=0)
    cells = out["digits"] == solutions[:, None]
    right = cells.all(-1)
    data = {
        "idx": frame.idx,
        "correct_in_table": frame.correct,
        "solved_at": first(right),
        "halted_at": first(out["halts"]),
        "left": (right[:, :-1] & ~right[:, 1:]).sum(1),
        "token_acc": cells[:, -1].mean(-1).astype("float32"),
    }
    marks = range(STRIDE, HORIZON + 1, STRIDE)
    data |= {f"late_{t:03d}": late(out["drift_h"][:, :t]).astype("float32") for t in marks}
    data |= {f"correct_{t:03d}": right[:, t - 1] for t in marks}
    return pd.DataFrame(data)


def units(subject: Subject) -> Units:
    """One unit for every 64 puzzles."""
    frame = subject.chosen(len(subject.table), SUCCESSES)
    return {
        f"rows_{i:06d}": partial(
            extended, subject.model, frame.iloc[i : i + BATCH].reset_index(drop=True)
        )
        for i in range(0, len(frame), BATCH)
    }
