"""What a training keeps: ``log.csv``, ``checkpoints/step_NNNNNN`` and a state to go on from.

``state.pt`` is all of that state, so that one write replaces it. ``progress.json`` repeats recipe
and step for who reads no tensors.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import pickle
import re
import signal
import threading
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch

from rrm_core.models.weights import has_weights, save_model
from rrm_core.store.files import write_bytes, write_json
from rrm_core.training.recipes import TrainingError

if TYPE_CHECKING:
    from rrm_core.training.trainer import Trainer

STEP = re.compile(r"step_(\d+)")  # the name of a checkpoint
STATE_FILE, PROGRESS_FILE, LOG_FILE = "state.pt", "progress.json", "log.csv"
LEARNED = ("model", "average", "optimiser")
CARRIED = ("step", "elapsed", "state", "tokens", "labels", "used", "done", "totals", "rows")
DAMAGE = pickle.UnpicklingError, RuntimeError, EOFError, LookupError, TypeError, ValueError


def checkpoints(folder: Path | str) -> dict[int, Path]:
    """{step: folder} of the checkpoints below a training or run folder, ascending."""
    found = sorted(Path(folder).glob("checkpoints/step_*"))
    return {int(step[1]): p for p in found if has_weights(p) and (step := STEP.fullmatch(p.name))}


def checkpoint(trainer: Trainer) -> None:
    """Write the averaged weights of this step as a checkpoint."""
    dtype = torch.bfloat16 if trainer.recipe.bf16_checkpoints else torch.float32
    save_model(trainer.average, trainer.folder / f"checkpoints/step_{trainer.step:06d}", dtype)


def state(trainer: Trainer) -> dict:
    """Everything that the next step depends on."""
    parts = {n: getattr(trainer, n).state_dict() for n in LEARNED}
    carried = {name: getattr(trainer, name) for name in CARRIED}
    return {**parts, "carried": carried, "rng": trainer.rng.bit_generator.state}


def save(trainer: Trainer) -> None:
    """Write the log and the state; a kill at any moment leaves a state to go on from."""
    asked = {"config": asdict(trainer.config), "recipe": asdict(trainer.recipe)}
    if trainer.rows:  # a training stopped before its first row has no log
        log = pd.DataFrame(trainer.rows).to_csv(index=False)
        write_bytes(log.encode(), trainer.folder / LOG_FILE)
    buffer = io.BytesIO()
    torch.save(asked | {"puzzles": digest(trainer)} | state(trainer), buffer)
    write_bytes(buffer.getvalue(), trainer.folder / STATE_FILE)
    note(trainer)


@contextlib.contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """A list that fills on Ctrl-C or SIGTERM, so that the step is finished and saved first.

    A second one stops at once. Outside the main thread signals are left alone.
    """
    asked: list[int] = []

    def heard(number: int, _: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    main = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGINT, signal.SIGTERM) if main else ()
    before = {number: signal.signal(number, heard) for number in signals}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def digest(trainer: Trainer) -> str:
    """What tells the puzzles that are trained on from others."""
    return hashlib.sha256(b"".join(part.tobytes() for part in trainer.base)).hexdigest()[:16]


def begin(trainer: Trainer) -> None:
    """:func:`note`, where no other training left checkpoints; one that a kill prevented is made."""
    there = checkpoints(trainer.folder)
    if there and not (trainer.folder / STATE_FILE).exists():
        what = f"{trainer.folder} holds {len(there)} checkpoints and no {STATE_FILE} to go on from"
        raise TrainingError(f"{what}; remove them, or train in another folder")
    if trainer.step and trainer.due(trainer.recipe.checkpoint_every) and trainer.step not in there:
        checkpoint(trainer)
    note(trainer)


def note(trainer: Trainer) -> None:
    """Write ``progress.json``: how far `trainer` is, and with what config and recipe."""
    asked = {"config": asdict(trainer.config), "recipe": asdict(trainer.recipe)}
    progress = {"step": trainer.step, "elapsed_s": trainer.elapsed, **asked}
    write_json(progress, trainer.folder / PROGRESS_FILE)


def resume(trainer: Trainer) -> None:
    """Put `trainer` where the last save of its folder left off."""
    path = trainer.folder / STATE_FILE
    if not path.exists():
        raise TrainingError(f"{path.parent}: no {STATE_FILE} to resume; start without --resume")
    try:
        with warnings.catch_warnings(action="ignore"):  # of what a foreign file looks like
            saved = torch.load(path, map_location=trainer.device, weights_only=True)
        take_up(trainer, saved["config"], saved["recipe"], saved["carried"]["step"])
        if saved.get("puzzles") not in (None, digest(trainer)):
            other = f"{trainer.recipe.puzzles}-train holds other puzzles than when {path.parent}"
            raise TrainingError(f"{other} began; restore them, or train in another folder")
        for name in LEARNED:
            getattr(trainer, name).load_state_dict(saved[name])
        for name in CARRIED:
            setattr(trainer, name, saved["carried"][name])
        trainer.rng.bit_generator.state = saved["rng"]
    except TrainingError:
        raise
    except DAMAGE as error:
        there = f"{path} is damaged, or no state of a training ({type(error).__name__})"
        mend = "restore it or start a new training in another folder"
        raise TrainingError(f"{there}; {mend}") from None


def take_up(trainer: Trainer, config: dict, recipe: dict, step: int) -> None:
    """Take from the saved recipe what was not asked for; but for the length, it must be ours."""
    if trainer.chosen:
        trainer.recipe = replace(trainer.recipe, bf16=recipe["bf16"])
        trainer.why = "as this training began"
    if not trainer.recipe.start:
        trainer.recipe = replace(trainer.recipe, start=recipe["start"])
    asked = asdict(replace(trainer.recipe, steps=recipe["steps"]))
    if trainer.recipe.steps < step:
        already = f"{trainer.folder} is at step {step} already"
        raise TrainingError(f"{already}, beyond --steps {trainer.recipe.steps}; ask for more")
    for what, mine, saved in ("config", asdict(trainer.config), config), ("recipe", asked, recipe):
        if other := {k: (v, mine.get(k)) for k, v in saved.items() if mine.get(k) != v}:
            there = f"{trainer.folder} was trained with another {what}: {other} (saved, asked)"
            mend = "use its values (the same --seed and --compile) or another folder"
            raise TrainingError(f"{there}; {mend}")
