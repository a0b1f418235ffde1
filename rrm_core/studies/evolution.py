"""The kept checkpoints of a training, measured as accuracy grows (paper section 3.4)."""

from collections.abc import Callable
from functools import partial

import pandas as pd

from rrm_core.dynamics.contract import Reasoner
from rrm_core.runs import folder, measure
from rrm_core.runs.schema import columns
from rrm_core.studies import StudyError, Subject, Units
from rrm_core.training.saving import checkpoints

PUZZLES, K = 256, 1
SETTINGS = {"puzzles": PUZZLES, "k": K}
KEPT = ["idx", "correct", "token_acc", "halted_at", "q_halt_16"]
KEPT += [*columns("drift_h"), *columns("growth_1"), "lambda_1"]

Loader = Callable[[], Reasoner]


def measured(load: Loader, frame: pd.DataFrame, seed: int, **labels: object) -> pd.DataFrame:
    """One row a puzzle: `labels`, outcome, halting, drift, growth of the first tangent."""
    return measure.rows(load(), frame, K, seed)[0][KEPT].assign(**labels)


def models(subject: Subject, dtype: str = "float32") -> dict[int, Loader]:
    """{step: what loads its model}, ascending: the kept checkpoints and the measured weights."""
    name, known = subject.folder.name, checkpoints(subject.folder)
    if not known:
        mend = f"add them with `rrm checkpoints TRAINING --run {name}`"
        raise StudyError(f"{name} keeps no checkpoints; {mend}")
    if subject.meta["step"] is not None:  # an imported model may not say which it is
        known[subject.meta["step"]] = subject.folder
    load = partial(folder.load, dtype=dtype, device=subject.device)
    return {step: partial(load, path) for step, path in sorted(known.items())}


def units(subject: Subject) -> Units:
    """One unit a checkpoint."""
    work = partial(measured, frame=subject.inputs.head(PUZZLES), seed=subject.meta["seed"])
    known = models(subject).items()
    return {f"step_{step:06d}": partial(work, load, step=step) for step, load in known}
