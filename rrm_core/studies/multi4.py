"""multi4: train on one clean and three perturbed starts of every puzzle; against plain training.

Both arms go on from one kept checkpoint (moving-average weights, fresh optimiser) for the same
number of steps, with the same order of puzzles at the start. A multi4 step sees four trajectories,
so they match in steps, not in compute. Source: paper section 3.4 and its notes (sigma = 1e-3).
"""

from functools import partial

import pandas as pd

from rrm_core.models.config import Config
from rrm_core.models.weights import load_model
from rrm_core.runs import folder
from rrm_core.studies import StudyError, Subject, Units
from rrm_core.studies.evolution import measured
from rrm_core.training import saving
from rrm_core.training.recipes import Recipe
from rrm_core.training.trainer import Trainer

STEPS, EVERY, SIGMA, BRANCHES, PUZZLES = 240, 80, 1e-3, 4, 256
SETTINGS = {"steps": STEPS, "every": EVERY, "sigma": SIGMA}
SETTINGS |= {"branches": BRANCHES, "puzzles": PUZZLES}
ARMS: dict[str, dict] = {"plain": {}, "multi4": {"branches": BRANCHES, "sigma": SIGMA}}


def arm(subject: Subject, start: int, name: str) -> pd.DataFrame:
    """One row a puzzle and checkpoint of an arm; steps count from the shared checkpoint.

    In the precision that suits this processor, whatever the run was trained in.
    """
    recipe = subject.meta["recipe"] | {"bf16": None, "start": "", **ARMS[name]}
    recipe |= {"steps": STEPS, "checkpoint_every": EVERY, "eval_every": EVERY}
    recipe["betas"] = tuple(recipe["betas"])
    config = Config.from_dict(subject.meta["architecture"])
    training = Trainer(config, Recipe(**recipe), subject.scratch / name, subject.device)
    if (training.folder / saving.STATE_FILE).exists():
        training.resume()
    else:
        training.start_from(load_model(saving.checkpoints(subject.folder)[start]))
    training.run(progress=False)
    frame, seed = subject.inputs.head(PUZZLES), subject.meta["seed"]
    load = partial(folder.load, dtype="float32", device=subject.device)
    made = [
        measured(partial(load, path), frame, seed, arm=name, step=step)
        for step, path in saving.checkpoints(training.folder).items()
    ]
    return pd.concat(made, ignore_index=True)


def units(subject: Subject) -> Units:
    """The shared checkpoint, the last kept below 70 % of the run's steps, then one unit an arm."""
    name, meta = subject.folder.name, subject.meta
    if not meta["recipe"]:
        raise StudyError(f"{name} was imported: multi4 needs its training recipe, which is unknown")
    known = {s: p for s, p in saving.checkpoints(subject.folder).items() if s <= 0.7 * meta["step"]}
    if not known:
        before = f"before its own step {meta['step']}"
        raise StudyError(f"{name} keeps no checkpoint {before} to start multi4 from")
    start, frame = max(known), subject.inputs.head(PUZZLES)
    load = partial(folder.load, known[start], "float32", subject.device)
    shared = partial(measured, load, frame, meta["seed"], arm="shared", step=0)
    return {"shared": shared} | {name: partial(arm, subject, start, name) for name in ARMS}
