"""multi4: train on one clean and three perturbed starts of every puzzle; against plain training.

Both arms go on from one kept checkpoint (moving-average weights, fresh optimiser) for the same
number of steps, with the same order of puzzles at the start. A multi4 step sees four trajectories,
so they match in steps, not in compute. Source: paper section 3.4 and its notes (sigma = 1e-3).
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd

from rrm_core.models.config import Config
from rrm_core.models.weights import load_model
from rrm_core.studies import StudyError, Subject, Units
from rrm_core.studies.evolution import measured
from rrm_core.training import recipes, saving
from rrm_core.training.saving import checkpoints
from rrm_core.training.trainer import Trainer

STEPS, EVERY, SIGMA, BRANCHES, PUZZLES = 240, 80, 1e-3, 4, 256
SETTINGS = {"steps": STEPS, "every": EVERY, "sigma": SIGMA}
SETTINGS |= {"branches": BRANCHES, "puzzles": PUZZLES}
ARMS = {"plain": {}, "multi4": {"branches": BRANCHES, "sigma": SIGMA}}


def shared(subject: Subject) -> int:
    """The step both arms start from: the last kept below 70 % of the run's, puzzles still fail."""
    name, meta = subject.folder.name, subject.meta
    if not meta["recipe"]:
        raise StudyError(
            f"{name} was imported, so its training recipe is unknown here; "
            "multi4 needs a run trained by rrm_core"
        )
    known = [step for step in checkpoints(subject.folder) if step <= 0.7 * meta["step"]]
    if not known:
        raise StudyError(
            f"{name} keeps no checkpoint before its own step {meta['step']}; "
            "multi4 needs one to start from"
        )
    return max(known)


def arm(subject: Subject, name: str) -> pd.DataFrame:
    """One row a puzzle and checkpoint of an arm; steps count from the shared checkpoint."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in subject.meta["recipe"].items()}
    often = {"steps": STEPS, "checkpoint_every": EVERY, "eval_every": EVERY}
    recipe = replace(recipes.Recipe(**values), **often, **ARMS[name])
    config = Config.from_dict(subject.meta["architecture"])
    training = Trainer(config, recipe, subject.scratch / name)
    if (training.folder / saving.STATE_FILE).exists():
        training.resume()
    else:
        training.start_from(load_model(checkpoints(subject.folder)[shared(subject)]))
    training.run(progress=False)
    kept = checkpoints(training.folder)
    frame, seed = subject.inputs.head(PUZZLES), subject.meta["seed"]
    made = [
        measured(partial(load_model, path), frame, seed, arm=name, step=step)
        for step, path in kept.items()
    ]
    return pd.concat(made, ignore_index=True)


def units(subject: Subject) -> Units:
    """The shared checkpoint, then one unit an arm."""
    load = partial(load_model, checkpoints(subject.folder)[shared(subject)])
    frame, seed = subject.inputs.head(PUZZLES), subject.meta["seed"]
    start = partial(measured, load, frame, seed, arm="shared", step=0)
    return {"shared": start} | {name: partial(arm, subject, name) for name in ARMS}
