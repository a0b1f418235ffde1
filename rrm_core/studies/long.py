"""Long rollouts: are failures at segment 16 unfinished, settled wrong later, or never settled?

All failures and 128 successes run to 256 segments without halting. Krishna et al. 2026 did this to
512 for two released TRMs.
"""

from functools import partial

import pandas as pd

from rrm_core.dynamics.contract import Reasoner
from rrm_core.runs.measure import CHUNK
from rrm_core.runs.tables import late
from rrm_core.studies import Subject, Units, batches, observed
from rrm_core.sudoku import sets

HORIZON, SUCCESSES, STRIDE = 256, 128, 4
SETTINGS = {"segments": HORIZON, "successes": SUCCESSES, "stride": STRIDE}


def extended(model: Reasoner, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle of `frame`: late drift and correctness every four segments."""
    seen, out = observed(model, *sets.boards(frame), segments=HORIZON, k=0)
    marks = range(STRIDE, HORIZON + 1, STRIDE)
    data = {"idx": frame.idx, "correct_in_table": frame.correct}
    data |= {name: seen[name] for name in ("solved_at", "halted_at", "left", "token_acc")}
    data |= {f"late_{t:03d}": late(out["drift_h"][:, :t]).astype("float32") for t in marks}
    return pd.DataFrame(data | {f"correct_{t:03d}": out["right"][:, t - 1] for t in marks})


def units(subject: Subject) -> Units:
    """One unit for every 64 puzzles."""
    frame = subject.chosen(len(subject.table), SUCCESSES)
    return batches(partial(extended, subject.model), frame, 2 * CHUNK)
