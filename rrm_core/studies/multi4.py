"""multi4: train on one clean and three perturbed starts of every puzzle, cross-entropy averaged; against plain training.

Both arms go on from one kept checkpoint (moving-average weights, fresh optimiser) for the same number of optimiser steps, with the same
order of puzzles at the start. A multi4 step sees four trajectories, so it costs four times as much: matched in steps, not in
compute. Source: paper section 3.4 and its notes (sigma = 1e-3 on z_H and z_L).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd

from rrm_core.models.recursive import Config, load_model
from rrm_core.studies import StudyError, Subject, Units
from rrm_core.studies.evolution import measured
from rrm_core.training import trainer as train

STEPS, EVERY, SIGMA, BRANCHES, PUZZLES = 240, 80, 1e-3, 4, 256
SETTINGS = {
    "steps": STEPS,
    "every": EVERY,
    "sigma": SIGMA,
    "branches": BRANCHES,
    "puzzles": PUZZLES,
}
ARMS = {"plain": {}, "multi4": {"branches": BRANCHES, "sigma": SIGMA}}


def shared(subject: Subject) -> int:
    """The step both arms start from: the last kept checkpoint below 70 % of the measured step, while puzzles still fail."""
    if not subject.meta["recipe"]:
        raise StudyError(
            f"{subject.folder.name} was imported, so its training recipe is unknown here; multi4 needs a run trained by rrm_core"
        )
    known = [s for s in train.checkpoints(subject.folder) if s <= 0.7 * subject.meta["step"]]
    if not known:
        raise StudyError(
            f"{subject.folder.name} keeps no checkpoint before its own step {subject.meta['step']}; multi4 needs one to start from"
        )
    return max(known)


def arm(subject: Subject, name: str) -> pd.DataFrame:
    """One row a puzzle and checkpoint of an arm: arm, step (from the shared checkpoint), and what `evolution` keeps."""
    recipe = {k: tuple(v) if isinstance(v, list) else v for k, v in subject.meta["recipe"].items()}
    recipe = replace(
        train.Recipe(**recipe), steps=STEPS, checkpoint_every=EVERY, eval_every=EVERY, **ARMS[name]
    )
    trainer = train.Trainer(
        Config.from_dict(subject.meta["architecture"]), recipe, subject.scratch / name
    )
    if (trainer.folder / train.STATE_FILE).exists():
        trainer.resume()
    else:
        trainer.start_from(load_model(train.checkpoints(subject.folder)[shared(subject)]))
    trainer.run(progress=False)
    frame, seed = subject.inputs.head(PUZZLES), subject.meta["seed"]
    parts = [
        measured(partial(load_model, path), frame, seed, arm=name, step=step)
        for step, path in train.checkpoints(trainer.folder).items()
    ]
    return pd.concat(parts, ignore_index=True)


def units(subject: Subject) -> Units:
    """The shared checkpoint, then one unit an arm."""
    begin = partial(load_model, train.checkpoints(subject.folder)[shared(subject)])
    start = partial(
        measured, begin, subject.inputs.head(PUZZLES), subject.meta["seed"], arm="shared", step=0
    )
    return {"shared": start} | {name: partial(arm, subject, name) for name in ARMS}
