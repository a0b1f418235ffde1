"""The kept checkpoints of a training, measured: cells and exponents as accuracy grows (paper section 3.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pandas as pd

from rrm_core.models.recursive import RecursiveModel, load_model
from rrm_core.runs import measure
from rrm_core.runs.tables import columns
from rrm_core.studies import StudyError, Subject, Units
from rrm_core.training.trainer import checkpoints

PUZZLES, K = 256, 1
SETTINGS = {"puzzles": PUZZLES, "k": K}
KEPT = [
    "idx",
    "correct",
    "token_acc",
    "halted_at",
    "q_halt_16",
    *columns("drift_h"),
    *columns("growth_1"),
    "lambda_1",
]


def measured(
    load: Callable[[], RecursiveModel], frame: pd.DataFrame, seed: int, **labels: object
) -> pd.DataFrame:
    """One row a puzzle: `labels`, outcome, halting, drift and the growth of the largest exponent by segment."""
    return measure.rows(load(), frame, k=K, seed=seed)[0][KEPT].assign(**labels)


def models(subject: Subject) -> dict[int, Callable[[], RecursiveModel]]:
    """{step: what loads its model}, ascending: the checkpoints kept (bfloat16 weights) and the measured one, on its device."""
    known = {
        step: lambda path=path: load_model(path).to(subject.device)
        for step, path in checkpoints(subject.folder).items()
    }
    if not known:
        raise StudyError(
            f"{subject.folder.name} keeps no checkpoints; add them with `rrm checkpoints TRAINING --run {subject.folder.name}`"
        )
    if subject.meta["step"] is not None:  # an imported model may not say which it is
        known[subject.meta["step"]] = lambda: subject.model
    return dict(sorted(known.items()))


def units(subject: Subject) -> Units:
    """One unit a checkpoint."""
    frame = subject.inputs.head(PUZZLES)
    return {
        f"step_{step:06d}": partial(measured, load, frame, subject.meta["seed"], step=step)
        for step, load in models(subject).items()
    }
