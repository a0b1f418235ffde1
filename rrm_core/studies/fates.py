"""What becomes of the failures of each kept checkpoint when they are run on, as in ``long``.

Which puzzles a checkpoint fails on is what the study `evolution` found; the first 128 of them run
to 256 segments.
"""

from functools import partial

import pandas as pd

from rrm_core.runs import tables
from rrm_core.studies import StudyError, Subject, Units
from rrm_core.studies.evolution import Loader, models
from rrm_core.studies.long import HORIZON, extended

FAILURES = 128
SETTINGS = {"segments": HORIZON, "failures": FAILURES}
MARKS = (16, 64, HORIZON)  # segments


def followed(load: Loader, frame: pd.DataFrame, step: int) -> pd.DataFrame:
    """One row a puzzle that the checkpoint fails on: when solved; late drift, outcome at MARKS."""
    kept = [f"{what}_{t:03d}" for t in MARKS for what in ("late", "correct")]
    found = extended(load(), frame.assign(correct=False))
    return found[["idx", "solved_at", *kept]].assign(step=step)


def units(subject: Subject) -> Units:
    """One unit a checkpoint that fails on any puzzle."""
    name, path = subject.folder.name, subject.folder / "studies" / "evolution.parquet"
    if not path.exists():
        raise StudyError(f"{name} has no study evolution; `rrm study evolution --run {name}`")
    evolved, found = tables.read(path), Units()
    for step, load in models(subject).items():
        if step not in set(evolved.step):
            raise StudyError(f"{name}: step {step} is not in its study evolution; make it again")
        wrong = evolved[(evolved.step == step) & ~evolved.correct].idx.head(FAILURES)
        if len(wrong):
            frame = subject.inputs.set_index("idx").loc[wrong].reset_index()
            found[f"step_{step:06d}"] = partial(followed, load, frame, step)
    return found
