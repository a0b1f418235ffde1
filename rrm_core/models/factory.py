"""A model that other code makes: ``model.json`` names its factory, beside a copy of its checkpoint.

A factory is a function ``package.module:function`` that takes the checkpoint's path, or nothing
where there is none, and returns what the contract of :mod:`rrm_core.dynamics` asks for.
"""

import hashlib
import importlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rrm_core.models.config import ModelError
from rrm_core.store.files import read_json, sha256, write_bytes, write_json

FILE = "model.json"
CONTRACT = "name parts scores updates_per_segment description encode decode embed initial_state "
CONTRACT += "updates readout would_halt"  # what a model has, as rrm_core.dynamics asks for
MOST = 64 * 2**20  # bytes of a checkpoint that is kept with its run


def made(factory: str, checkpoint: Path | None = None) -> Any:
    """The model of `factory`; whatever its code raises is told in one line."""
    module, _, function = factory.partition(":")
    if not (module and function):
        raise ModelError(f"--model {factory!r}: expected package.module:function")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as for python -m: a file of the working directory is found
    try:
        build = getattr(importlib.import_module(module), function)
        model = build(checkpoint) if checkpoint else build()
    except Exception as error:  # code of others fails in every way there is
        why = f"{type(error).__name__}: {' '.join(str(error).split()):.300}"
        hint = "is its package installed here?" if isinstance(error, ImportError) else "see there"
        raise ModelError(f"--model {factory!r} made no model ({why}); {hint}") from error
    if missing := [name for name in CONTRACT.split() if not hasattr(model, name)]:
        what = f"made a {type(model).__name__} without {', '.join(missing)}"
        raise ModelError(f"--model {factory!r} {what}: expected a model of the contract")
    return model


def store(folder: Path, factory: str, checkpoint: Path | None) -> Path:
    """`folder`, holding :data:`FILE` and a copy of the checkpoint, as :func:`load` reads them."""
    kept = {"factory": factory, "checkpoint": None}
    if checkpoint:
        if not checkpoint.is_file():
            raise ModelError(f"{checkpoint}: expected the file that {factory!r} is to read")
        if checkpoint.stat().st_size > MOST:
            size = f"{checkpoint.stat().st_size / 2**20:.0f} MiB"
            most = f"more than {MOST >> 20} MiB are not kept with a run"
            raise ModelError(f"{checkpoint} has {size}: {most}; save its weights alone")
        kept |= {"checkpoint": "checkpoint" + checkpoint.suffix, "sha256": sha256(checkpoint)}
        write_bytes(checkpoint.read_bytes(), folder / f"{kept['checkpoint']}")
    write_json(kept, folder / FILE)
    return folder


def copied(source: Path, folder: Path) -> None:
    """Put what :func:`store` left in `source` into `folder` too."""
    kept = read_json(source / FILE)
    for name in filter(None, (kept["checkpoint"], FILE)):
        write_bytes((source / name).read_bytes(), folder / name)


def stored(folder: Path) -> bool:
    """Whether the model of `folder` is made by a factory."""
    return (folder / FILE).exists()


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Any:
    """The model that :func:`store` put into `folder`, its weights in `dtype`."""
    kept = read_json(folder / FILE)
    model = made(kept["factory"], folder / kept["checkpoint"] if kept["checkpoint"] else None)
    return model.to(dtype) if isinstance(model, nn.Module) else model


def digest(folder: Path) -> str:
    """SHA-256 of the factory's name and of the weights that it gives, else of its checkpoint."""
    model, kept = load(folder), read_json(folder / FILE)
    text = hashlib.sha256(kept["factory"].encode())
    weights = model.state_dict() if isinstance(model, nn.Module) else {}
    if not weights:
        text.update(kept.get("sha256", "").encode())
    for name, tensor in sorted(weights.items()):
        text.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        text.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return text.hexdigest()
