"""The kept checkpoints of a training, measured: cells and exponents as accuracy grows (paper section 3.4)."""

from __future__ import annotations

from functools import partial

import pandas as pd

from rrm_core import measure
from rrm_core.models import RecursiveModel, load_model
from rrm_core.studies import StudyError, Subject, Units
from rrm_core.tables import columns
from rrm_core.train import checkpoints

PUZZLES, K = 256, 1
SETTINGS = {"puzzles": PUZZLES, "k": K}
KEPT = ["idx", "correct", "token_acc", "halted_at", "q_halt_16", *columns("drift_h"), *columns("growth_1"), "lambda_1"]


def measured(load: object, frame: pd.DataFrame, seed: int, **labels: object) -> pd.DataFrame:
    """One row a puzzle: `labels`, outcome, halting, drift and the growth of the largest exponent by segment."""
    model: RecursiveModel = load()
    return measure.rows(model, frame, k=K, seed=seed)[0][KEPT].assign(**labels)


def units(subject: Subject) -> Units:
    """One unit a checkpoint: those kept (bfloat16 weights) and the measured one."""
    known = {step: partial(load_model, path) for step, path in checkpoints(subject.folder).items()}
    if not known:
        raise StudyError(f"{subject.folder.name} keeps no checkpoints; add them with `rrm checkpoints TRAINING --run {subject.folder.name}`")
    known[subject.meta["step"]] = lambda: subject.model
    frame = subject.inputs.head(PUZZLES)
    return {f"step_{step:06d}": partial(measured, known[step], frame, subject.meta["seed"], step=step) for step in sorted(known)}
