"""The kept checkpoints in bfloat16: is rounding amplified where states grow? Our own question."""

from functools import partial

import pandas as pd

from rrm_core.studies import Subject, Units, observed
from rrm_core.studies.evolution import PUZZLES, Loader, models
from rrm_core.sudoku import sets

DTYPE = "bfloat16"
SETTINGS = {"puzzles": PUZZLES, "dtype": DTYPE}


def moved(load: Loader, frame: pd.DataFrame, step: int) -> pd.DataFrame:
    """One row a puzzle: outcome and late drift."""
    seen, _ = observed(load(), *sets.boards(frame), k=0)
    return pd.concat([frame[["idx"]].assign(step=step), seen[["correct", "late"]]], axis=1)


def units(subject: Subject) -> Units:
    """One unit a checkpoint, with the puzzles of the study `evolution`."""
    work = partial(moved, frame=subject.inputs.head(PUZZLES))
    known = models(subject, DTYPE).items()
    return {f"step_{step:06d}": partial(work, load, step=step) for step, load in known}
