"""What becomes of the failures of each kept checkpoint when they are run on, as in :mod:`rrm_core.studies.long`.

Which puzzles a checkpoint fails on is what the study `evolution` found; the first 128 of them run to 256 segments.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from rrm_core.models.recursive import RecursiveModel
from rrm_core.runs import tables
from rrm_core.studies import StudyError, Subject, Units
from rrm_core.studies.evolution import models
from rrm_core.studies.long import HORIZON, extended

FAILURES = 128
SETTINGS = {"segments": HORIZON, "failures": FAILURES}
MARKS = (16, 64, HORIZON)  # segments


def followed(load: Callable[[], RecursiveModel], frame: pd.DataFrame, step: int) -> pd.DataFrame:
    """One row a puzzle that the checkpoint fails on: step, when solved, late drift and correctness after 16, 64 and 256 segments."""
    kept = ["idx", "solved_at", *(f"{what}_{t:03d}" for t in MARKS for what in ("late", "correct"))]
    return extended(load(), frame.assign(correct=False))[kept].assign(step=step)


def units(subject: Subject) -> Units:
    """One unit a checkpoint that fails on any puzzle."""
    path = subject.folder / "studies" / "evolution.parquet"
    if not path.exists():
        raise StudyError(
            f"{subject.folder.name} has no study evolution, which says what each checkpoint fails on; make it first: rrm study evolution --run {subject.folder.name}"
        )
    evolved, found = tables.read(path), {}
    for step, load in models(subject).items():
        wrong = evolved[(evolved.step == step) & ~evolved.correct].idx.head(FAILURES)
        if len(wrong):
            found[f"step_{step:06d}"] = partial(
                followed, load, subject.inputs.set_index("idx").loc[wrong].reset_index(), step
            )
    return found
