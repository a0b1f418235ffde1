"""A model on disk: ``config.json`` beside its weights, in one file or, where large, in shards.

The layout is that of the Hugging Face hub: ``model.safetensors``, or shards with an index whose
``weight_map`` names the shard of every tensor.
"""

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

Tensors = dict[str, Tensor]


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
    names = [f"model-{i:05d}-of-{n:05d}.safetensors" for i in range(1, n + 1)]
    return dict(zip(names if n > 1 else [SINGLE], pieces, strict=True))


def save_model(model: RecursiveModel, folder: Path, dtype: torch.dtype = torch.float32) -> None:
    """Write ``config.json`` and the weights, rounded to `dtype`, into `folder`.

    The one file, or the index, is written last: from then on there are weights to read. A kill
    leaves the earlier weights, the new ones or none, never a mixture.
    """
    folder, files = Path(folder), files_of(weights_of(model, dtype))
    (folder / INDEX).unlink(missing_ok=True)
    config, there = asdict(model.config), folder / "config.json"
    same = there.exists() and read_json(there) == config  # no weights beside another config
    for old in folder.glob("model*.safetensors"):
        if old.name not in files or not same:
            old.unlink()
    write_json(config, there)
    for name, tensors in files.items():
        write_bytes(save(tensors), folder / name)
    if SINGLE not in files:
        where = {tensor: name for name, tensors in files.items() for tensor in tensors}
        size = sum(t.nbytes for tensors in files.values() for t in tensors.values())
        write_json({"metadata": {"total_size": size}, "weight_map": where}, folder / INDEX)


def has_weights(folder: Path) -> bool:
    """Whether `folder` holds complete weights: the one file, or an index (written last)."""
    return any((folder / name).exists() for name in (SINGLE, INDEX))


def shards_of(folder: Path) -> dict[Path, set[str]]:
    """{shard: names of its tensors} by the index in `folder`; shards are plain files there."""
    index = folder / INDEX
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise ModelError(f"{index}: expected a weight_map, names of tensors with their shards")
    found: dict[Path, set[str]] = {}
    for tensor, name in names.items():
        if not (isinstance(name, str) and SHARD_NAME.fullmatch(name)):
            expected = "a file of this folder, as model-00001-of-00004.safetensors"
            raise ModelError(f"{index} names the shard {name!r:.80}: expected {expected}")
        if (folder / name).is_symlink():
            raise ModelError(f"{folder / name} is a link: expected a file of this folder")
        found.setdefault(folder / name, set()).add(tensor)
    return dict(sorted(found.items()))


def read_weights(folder: Path) -> Tensors:
    """{name: tensor} of the weights in `folder`; each shard must hold what the index says."""
    single = (folder / SINGLE).exists() or not (folder / INDEX).exists()
    tensors: Tensors = {}
    for path, names in ({folder / SINGLE: None} if single else shards_of(folder)).items():
        try:
            shard = load_file(path)
        except FileNotFoundError:
            what = "train or import a model first" if single else "restore it"
            raise ModelError(f"{folder}: {path.name} is not here; {what}") from None
        except SafetensorError as error:
            hint = "restore it and run `rrm verify`"
            raise ModelError(f"{path} is truncated or damaged ({error}); {hint}") from None
        if names and (wrong := sorted(names ^ shard.keys())):
            raise ModelError(f"{path} is not the shard of its index: {wrong[0]} is in one of them")
        tensors |= shard
    return tensors


def stored_digest(folder: Path) -> str:
    """SHA-256 of the weights in `folder` as one safetensors file, in shards or not."""
    if (folder / SINGLE).exists():
        return sha256(folder / SINGLE)
    return hashlib.sha256(save(read_weights(folder))).hexdigest()


def stored_dtype(folder: Path) -> torch.dtype:
    """bfloat16 where all weights in `folder` are, else float32."""
    rounded = all(t.dtype == torch.bfloat16 for t in read_weights(folder).values())
    return torch.bfloat16 if rounded else torch.float32


def load_model(folder: Path, dtype: torch.dtype = torch.float32) -> RecursiveModel:
    """The model stored in `folder`, in `dtype`; what is missing or does not fit is named."""
    path = Path(folder) / "config.json"
    if Path(folder).is_file():
        mend = f"make one with `rrm import --checkpoint {folder} --name NAME`"
        if Path(folder).with_name("config.json").exists():
            mend = f"measure the one it lies in, {Path(folder).parent}"
        raise ModelError(f"{folder} is a file, expected a folder with a model; {mend}")
    if path.with_name("model.json").exists():
        raise ModelError(f"{folder}: of other code; expected an HRM or a TRM of this package")
    if not path.exists():
        home = path.parent.parent if path.parent.name.startswith("step_") else path.parent
        steps = sorted(home.glob("**/step_*/config.json"))
        mend = f"measure {steps[-1].parent}" if steps else "train or import a model first"
        raise ModelError(f"{folder}: {path.name} is not here; {mend}")
    try:
        config = Config.from_dict(read_json(path))
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    return filled(config, read_weights(path.parent), str(folder), dtype)


def filled(
    config: Config, weights: Tensors, where: str, dtype: torch.dtype = torch.float32
) -> RecursiveModel:
    """A model with copies of `weights`, refused unless names and shapes are those of `config`."""
    with torch.device("meta"):  # draws nothing and takes no memory
        model = RecursiveModel(config)
    copies = {name: t.to(dtype, copy=True) for name, t in weights.items()}
    try:
        model.load_state_dict(copies, assign=True)
    except RuntimeError as error:  # torch names every tensor that is missing, too many or misshapen
        reasons = " ".join(str(error).split("\n", 1)[1].split())
        raise ModelError(f"{where}: weights do not fit the config. {reasons:.600}") from None
    return model.eval()
