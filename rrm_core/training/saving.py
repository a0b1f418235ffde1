"""What a training keeps: ``log.csv``, ``checkpoints/step_NNNNNN`` and a state to go on from.

``state.safetensors`` is all of that state: tensors, and what is no tensor as JSON in its header, so
that one write replaces it. ``progress.json`` repeats recipe and step for who reads no tensors.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from rrm_core.models.weights import has_weights, save_model
from rrm_core.store.files import write_bytes, write_json
from rrm_core.training.recipes import TrainingError

if TYPE_CHECKING:
    from rrm_core.training.trainer import Trainer

STATE_FILE, PROGRESS_FILE, LOG_FILE = "state.safetensors", "progress.json", "log.csv"
DAMAGE = SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError


def checkpoints(folder: Path | str) -> dict[int, Path]:
    """{step: folder} of the checkpoints below a training or run folder, ascending."""
    found = sorted(Path(folder).glob("checkpoints/step_*"))
    return {int(p.name.removeprefix("step_")): p for p in found if has_weights(p)}


def checkpoint(trainer: Trainer) -> None:
    """Write the averaged weights of this step as a checkpoint."""
    dtype = torch.bfloat16 if trainer.recipe.bf16_checkpoints else torch.float32
    folder = trainer.folder / "checkpoints" / f"step_{trainer.step:06d}"
    save_model(trainer.average, folder, dtype)


def shown(row: dict) -> dict[str, str]:
    """What the progress bar shows of a row of the log."""
    names = {"loss": "loss", "exact": "exact", "token_acc": "token", "eval_exact": "held_out"}
    return {short: f"{row[name]:.3f}" for name, short in names.items() if name in row}


def tensors(trainer: Trainer) -> dict[str, Tensor]:
    """Every tensor that the next step depends on, by name."""
    out = {f"model.{k}": v.detach() for k, v in trainer.model.state_dict().items()}
    out |= {f"average.{k}": v for k, v in trainer.average.state_dict().items()}
    for i, slot in trainer.optimiser.state_dict()["state"].items():
        out |= {f"optimiser.{i}.{k}": v for k, v in slot.items()}
    z_h, z_l = trainer.state
    out |= {"carry.z_H": z_h, "carry.z_L": z_l}
    return out | {f"carry.{k}": getattr(trainer, k) for k in ("tokens", "labels", "used", "done")}


def restore(trainer: Trainer, saved: dict[str, Tensor]) -> None:
    """Load what :func:`tensors` gave."""

    def part(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)}

    trainer.model.load_state_dict(part("model."))
    trainer.average.load_state_dict(part("average."))
    slots: dict[int, dict] = {}
    for key, value in part("optimiser.").items():
        index, name = key.split(".", 1)
        slots.setdefault(int(index), {})[name] = value
    groups = trainer.optimiser.state_dict()["param_groups"]
    trainer.optimiser.load_state_dict({"state": slots, "param_groups": groups})
    carry = part("carry.")
    trainer.state = carry.pop("z_H"), carry.pop("z_L")
    for name, value in carry.items():
        setattr(trainer, name, value)


def save(trainer: Trainer) -> None:
    """Write the log and the state; a kill at any moment leaves a state to go on from."""
    progress = {
        "step": trainer.step,
        "elapsed_s": trainer.elapsed,
        "config": asdict(trainer.config),
        "recipe": asdict(trainer.recipe),
    }
    more = {"rng": trainer.rng.bit_generator.state, "totals": trainer.totals, "rows": trainer.rows}
    if trainer.rows:  # a training stopped before its first row has no log
        log = pd.DataFrame(trainer.rows).to_csv(index=False)
        write_bytes(log.encode(), trainer.folder / LOG_FILE)
    state = {k: v.to("cpu").contiguous() for k, v in tensors(trainer).items()}
    header = {"progress": json.dumps(progress | more)}
    write_bytes(to_bytes(state, metadata=header), trainer.folder / STATE_FILE)
    write_json(progress, trainer.folder / PROGRESS_FILE)


def resume(trainer: Trainer) -> None:
    """Put `trainer` where the last save of its folder left off."""
    path = trainer.folder / STATE_FILE
    try:
        with safe_open(path, "pt") as file:
            progress = json.loads(file.metadata()["progress"])
        take_up(trainer, progress)
        restore(trainer, load_file(path, device=str(trainer.device)))
        trainer.step, trainer.elapsed = int(progress["step"]), float(progress["elapsed_s"])
        trainer.rng.bit_generator.state = progress["rng"]
        trainer.totals, trainer.rows = progress["totals"], progress["rows"]
    except TrainingError:
        raise
    except FileNotFoundError:
        raise TrainingError(
            f"{trainer.folder}: no {STATE_FILE} to resume from; start without --resume"
        ) from None
    except DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TrainingError(
            f"{path} is damaged ({reason}); restore it or start a new training in another folder"
        ) from None


def take_up(trainer: Trainer, progress: dict) -> None:
    """Take from the saved recipe what was not asked for; refuse another model or recipe.

    The length alone may differ.
    """
    saved = progress["recipe"]
    if trainer.chosen:
        trainer.recipe = replace(trainer.recipe, bf16=saved["bf16"])
        trainer.why = "as this training began"
    if not trainer.recipe.start:
        trainer.recipe = replace(trainer.recipe, start=saved.get("start", ""))
    asked = {"config": asdict(trainer.config), "recipe": asdict(trainer.recipe)}
    for name, mine in json.loads(json.dumps(asked)).items():
        other = {
            key: (value, mine.get(key))
            for key, value in progress[name].items()
            if mine.get(key) != value and key != "steps"
        }
        if other:
            raise TrainingError(
                f"{trainer.folder} was trained with another {name}: {other} (saved, asked); use "
                "its values (the same --seed and --compile) or another folder"
            )
