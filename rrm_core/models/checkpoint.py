"""A checkpoint file of others, read as weights only: what sets of weights it holds, or what it is.

Trainers wrap weights in dictionaries and prefixes; a set is whatever shares one before ``lm_head``.
"""

import re
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from rrm_core.models.config import ModelError

Tensors = dict[str, Tensor]
HEAD = re.compile(r"((?:.*\.)?)lm_head\.weight")  # what both models have, after any prefix
AVERAGED = re.compile(r"ema|averag|shadow|swa", re.IGNORECASE)
KINDS = {  # first bytes of what is downloaded in place of a checkpoint
    rb"version https://git-lfs": "a pointer of Git LFS; fetch the file with `git lfs pull`",
    rb"\s*<": "a web page; download the file itself, logged in where the site asks for it",
    rb"\s*[\[{]": "a JSON file; expected the weights beside it",
    rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|.{257}ustar": "an archive; unpack it first",
    rb"\x89HDF": "an HDF5 file; save the weights with torch.save or safetensors",
    rb"\x93NUMPY": "a numpy array; save the weights with torch.save or safetensors",
    rb"[\t\n\r -~\xa0-\xff]+\Z": "a text file; expected the weights beside it",
}


def read_sets(path: Path | str) -> tuple[dict[str, Tensors], list[str], dict]:
    """({name of a set: {name of a tensor, from "inner." on: tensor}}, what else is there, told).

    The name of a set is the prefix of its tensors, "model" where there is none. Told is what
    Lightning keeps as ``hyper_parameters``.
    """
    content = loaded(Path(path))
    told = content.get("hyper_parameters") if isinstance(content, dict) else None
    tensors = flat(content)
    prefixes = {m[1] for name in tensors if (m := HEAD.fullmatch(name))}
    if not prefixes:
        first = ", ".join(sorted(tensors)[:5])
        what = "not an official HRM or TRM state dict, for it has no lm_head.weight"
        raise ModelError(f"{path}: {what} (it begins with {first or 'no tensor at all'})")
    sets: dict[str, Tensors] = {}
    for prefix in sorted(prefixes):
        own = {f"inner.{n[len(prefix) :]}": t for n, t in tensors.items() if n.startswith(prefix)}
        sets[prefix.removesuffix("inner.").strip(".") or "model"] = own
    others = [name for name in tensors if not name.startswith(tuple(prefixes))]
    return sets, sorted({n.split(".")[0] for n in others}), told if isinstance(told, dict) else {}


def chosen(sets: dict[str, Tensors], name: str | None) -> tuple[str, str]:
    """(the set asked for, else the averaged one, else the first; a sentence where there are more).

    Published results of TRM are those of the average of the weights.
    """
    if name is not None and name not in sets:
        raise ModelError(f"--weights {name!r}: the file has {', '.join(sets)}")
    averaged = [each for each in sets if AVERAGED.search(each)]
    taken = name or (averaged or list(sets))[0]
    left = ", ".join(each for each in sets if each != taken)
    said = f"{len(sets)} sets of weights: {taken} is taken, {left} left (--weights NAME chooses)"
    return taken, said if left else ""


def flat(value: object, name: str = "") -> Tensors:
    """{dotted path: tensor} of the tensors in nested dictionaries and lists."""
    if isinstance(value, Tensor):
        return {name: value}
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {}
    found: Tensors = {}
    for key, inner in value.items():
        found |= flat(inner, f"{name}.{key}".lstrip("."))
    return found


def loaded(path: Path) -> object:
    """What a safetensors file or torch pickle holds, read as weights only; no code is run."""
    if not path.exists():
        raise ModelError(f"{path}: no such checkpoint file")
    if path.is_dir():
        there = ", ".join(sorted(p.name for p in path.iterdir())[:5]) or "nothing"
        raise ModelError(f"{path} is a folder with {there}: expected the file of the weights")
    with open(path, "rb") as file:
        start = file.read(512)
    try:
        if path.suffix == ".safetensors" or start[8:9] == b"{":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers fail on foreign bytes in every way there is
        what = kind_of(path, start, str(error))
        raise ModelError(f"{path}: not a checkpoint of tensors: {what}") from None


def kind_of(path: Path, start: bytes, error: str) -> str:
    """What a file is that could not be read; a library's advice to read it unsafely is dropped."""
    if not start:
        return "the file is empty; download it again"
    if start.startswith(b"PK") and not zipfile.is_zipfile(path):
        return "the file is truncated; download it again"
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if not any(name.endswith("data.pkl") for name in names):
            return f"it is a zip with {', '.join(names[:3])}; unpack it first"
    if other := re.search(r"GLOBAL ([\w.]+)", error):
        what = f"it holds more than tensors ({other[1]}), which may run code"
        return f"{what}; save its state_dict() alone and import that"
    if start[8:9] == b"{" or path.suffix == ".safetensors" or re.search("EOF|ran out", error, re.I):
        return "the file is truncated or damaged; download it again"
    for pattern, kind in KINDS.items():
        if re.match(pattern, start, re.DOTALL):
            return f"it is {kind}"
    return "it is neither safetensors nor a torch file of weights; save its state_dict() again"
