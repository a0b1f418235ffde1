"""A model on disk: ``config.json`` beside its weights, in one file or, where large, in shards.

The layout is that of the Hugging Face hub: ``model.safetensors``, or
``model-00001-of-00004.safetensors`` and so on with ``model.safetensors.index.json``, whose
``weight_map`` names the shard of every tensor.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from rrm_core.models.config import Config, ModelError
from rrm_core.models.recursive import RecursiveModel
from rrm_core.store.files import read_json, sha256, write_bytes, write_json

SHARD = 16 * 2**20  # bytes of a file at most; a tensor larger than this has a shard of its own
HEADER = 256  # bytes, more than the header of a safetensors file takes for a tensor beside its name
SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SHARD_NAME = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
WEIGHTS = re.compile(rf"{SHARD_NAME.pattern}|{re.escape(SINGLE)}|{re.escape(INDEX)}")

Tensors = dict[str, Tensor]


# --- writing ----------------------------------------------------------------------------------


def weights_of(model: RecursiveModel, dtype: torch.dtype) -> Tensors:
    """{name: tensor} of a model on the CPU, rounded to `dtype`."""
    state = model.state_dict().items()
    return {name: t.detach().to("cpu", dtype).contiguous() for name, t in state}


def weights_bytes(model: RecursiveModel, dtype: torch.dtype = torch.float32) -> bytes:
    """The weights as one safetensors file; the same bytes for the same weights."""
    return save(weights_of(model, dtype))


def files_of(tensors: Tensors) -> dict[str, Tensors]:
    """{file name: tensors}: one file or, cut in their order, shards of at most SHARD bytes."""
    pieces: list[Tensors] = []
    room = 0
    for name, tensor in tensors.items():
        size = tensor.nbytes + len(name) + HEADER
        if size > room:
            pieces.append({})
            room = SHARD
        pieces[-1][name] = tensor
        room -= size
    n = len(pieces)
    if n == 1:
        return {SINGLE: tensors}
    return {f"model-{i:05d}-of-{n:05d}.safetensors": piece for i, piece in enumerate(pieces, 1)}


def save_model(model: RecursiveModel, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write ``config.json`` and the weights, rounded to `dtype`, into `folder`.

    The one file, or the index, is written last: from then on there are weights to read. A kill
    leaves the earlier weights, the new ones or none, never a mixture.
    """
    folder, files = Path(folder), files_of(weights_of(model, dtype))
    write_json(asdict(model.config), folder / "config.json")
    (folder / INDEX).unlink(missing_ok=True)
    for old in folder.glob("model*.safetensors"):
        if old.name not in files:
            old.unlink()
    for name, tensors in files.items():
        write_bytes(save(tensors), folder / name)
    if SINGLE not in files:
        where = {tensor: name for name, tensors in files.items() for tensor in tensors}
        size = sum(t.nbytes for tensors in files.values() for t in tensors.values())
        write_json({"metadata": {"total_size": size}, "weight_map": where}, folder / INDEX)


# --- reading ----------------------------------------------------------------------------------


def has_weights(folder: Path) -> bool:
    """Whether `folder` holds complete weights: the one file, or an index (written last)."""
    return any((Path(folder) / name).exists() for name in (SINGLE, INDEX))


def weight_map(folder: Path) -> dict[str, str]:
    """{tensor: shard} of the index in `folder`; every shard must be a plain file there."""
    found = read_json(folder / INDEX).get("weight_map")
    if not isinstance(found, dict) or not found:
        raise ModelError(f"{folder / INDEX}: expected a weight_map of tensor names and shards")
    for name in found.values():
        if not (isinstance(name, str) and SHARD_NAME.fullmatch(name)):
            raise ModelError(
                f"{folder / INDEX} names the shard {name!r:.80}: expected a file of this folder, "
                "as model-00001-of-00004.safetensors"
            )
        if (folder / name).is_symlink():
            raise ModelError(f"{folder / name} is a link; expected a file of this folder")
    return found


def weights_files(folder: Path) -> list[Path]:
    """The files that hold the weights in `folder`: the one file, or the index and its shards."""
    folder = Path(folder)
    if (folder / SINGLE).exists() or not (folder / INDEX).exists():
        return [folder / SINGLE]
    return [folder / INDEX, *(folder / name for name in sorted(set(weight_map(folder).values())))]


def read_weights(folder: Path) -> Tensors:
    """{name: tensor} of the weights in `folder`; the files are mapped, not copied, into memory."""
    tensors: Tensors = {}
    for path in weights_files(folder):
        if path.name == INDEX:
            continue
        try:
            tensors |= checked(load_file(path), path)
        except FileNotFoundError:
            what = "train or import a model first" if path.name == SINGLE else "restore it"
            raise ModelError(f"{folder}: {path.name} is not here; {what}") from None
        except SafetensorError as error:
            raise ModelError(
                f"{path} is truncated or damaged ({error}); restore it and run `rrm verify`"
            ) from None
    return tensors


def checked(tensors: Tensors, path: Path) -> Tensors:
    """`tensors` of a shard, refused unless they are those that the index says it holds."""
    if path.name != SINGLE:
        expected = {t for t, name in weight_map(path.parent).items() if name == path.name}
        if wrong := sorted(expected ^ tensors.keys()):
            raise ModelError(
                f"{path} is not the shard of its index: they differ in {', '.join(wrong[:3])}"
                f"{' ...' if len(wrong) > 3 else ''}; restore both"
            )
    return tensors


def stored_digest(folder: Path) -> str:
    """SHA-256 of the weights in `folder` as one safetensors file, in shards or not."""
    *_, last = files = weights_files(folder)
    return (
        sha256(last) if len(files) == 1 else hashlib.sha256(save(read_weights(folder))).hexdigest()
    )


def stored_dtype(folder: Path) -> torch.dtype:
    """bfloat16 where all weights in `folder` are, else float32."""
    rounded = all(t.dtype == torch.bfloat16 for t in read_weights(folder).values())
    return torch.bfloat16 if rounded else torch.float32


def load_model(folder: Path, dtype: torch.dtype = torch.float32) -> RecursiveModel:
    """The model stored in `folder`, in `dtype`; what is missing or does not fit is named."""
    folder = Path(folder)
    try:
        config = Config.from_dict(read_json(folder / "config.json"))
    except FileNotFoundError:
        raise ModelError(
            f"{folder}: no config.json with {SINGLE} here; train or import a model first"
        ) from None
    weights = read_weights(folder)
    check_size(config, weights, str(folder))
    with torch.device("meta"):  # draws nothing and takes no memory
        model = RecursiveModel(config)
    check_names(model, weights, str(folder))
    model.load_state_dict({n: t.to(dtype, copy=True) for n, t in weights.items()}, assign=True)
    return model.eval()


# --- weights against a config -------------------------------------------------------------------


def layers(weights: Tensors, level: str) -> int:
    """Number of blocks of a level, ``L_level`` or ``H_level``, by the names of a state dict."""
    start = f"inner.{level}.layers."
    return len(
        {name.removeprefix(start).split(".")[0] for name in weights if name.startswith(start)}
    )


def check_size(config: Config, weights: Tensors, where: str) -> None:
    """Refuse `weights` of another width or depth than `config`, before a model is built."""
    head = weights.get("inner.lm_head.weight", torch.empty(0))
    found = tuple(head.shape), layers(weights, "L_level") + layers(weights, "H_level")
    asked = (config.vocabulary, config.width), config.L_layers + config.H_layers
    if found != asked:
        raise ModelError(
            f"{where}: weights do not fit the config. lm_head {found[0]} and {found[1]} layers in "
            f"the weights, {asked[0]} and {asked[1]} by the config"
        )


def check_names(model: RecursiveModel, weights: Tensors, where: str) -> None:
    """Refuse `weights` whose names and shapes are not exactly those of `model`."""
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in weights.items()}
    missing, unexpected = sorted(expected.keys() - found), sorted(found.keys() - expected)
    wrong = [
        f"{name}: {found[name]}, expected {expected[name]}"
        for name in sorted(expected.keys() & found)
        if found[name] != expected[name]
    ]
    if missing or unexpected or wrong:
        raise ModelError(
            f"{where}: weights do not fit the config. "
            f"Missing {missing}; unexpected {unexpected}; wrong shape {wrong}"
        )
