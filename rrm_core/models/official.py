"""Read an official HRM or TRM checkpoint: names, shapes and settings checked, nothing unpickled but tensors.

Sources: sapientinc/HRM and SamsungSAILMontreal/TinyRecursiveModels. The state dict tells the architecture, width, layers
and board; the cycles, the heads and (TRM with attention) the prefix are not in it and come from ``all_config.yaml``, or
are taken as published, which is said.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from rrm_core.models.ops import RMS_EPS
from rrm_core.models.recursive import ROPE_THETA, Config, ModelError, RecursiveModel
from rrm_core.models.weights import check_names, layers, save_model
from rrm_core.store import paths
from rrm_core.store.files import passing, sha256, write_json

PUBLISHED = {
    "trm": {"H_cycles": 3, "L_cycles": 6, "heads": 8, "prefix": 16},
    "hrm": {"H_cycles": 2, "L_cycles": 2, "heads": 8, "prefix": 1},
}

FIXED = {"rms_norm_eps": RMS_EPS, "rope_theta": ROPE_THETA}  # as published


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """{name: tensor} of a safetensors file or a torch pickle (weights only), without the prefixes ``_orig_mod.``, ``model.``.

    A file that holds anything but tensors is refused; no code in it is ever run.
    """
    path = Path(path)
    try:
        loaded = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except FileNotFoundError:
        raise ModelError(f"{path}: no such checkpoint file") from None
    except (
        Exception
    ) as error:  # bytes that are no checkpoint make the readers fail in every way there is
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{path}: not a checkpoint of tensors ({reason}); expected safetensors or a torch file that weights_only accepts"
        ) from None
    found = loaded if isinstance(loaded, dict) else {}
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not found or not all(isinstance(t, Tensor) for t in found.values()):
        others = sorted({type(t).__name__ for t in found.values()} - {"Tensor"}) or [
            type(loaded).__name__
        ]
        raise ModelError(
            f"{path}: expected a state dict, names with tensors; found {', '.join(others)}"
        )
    return {stripped(name): t for name, t in found.items()}


def stripped(name: str) -> str:
    """A parameter name without any leading ``_orig_mod.`` and ``model.``."""
    while name.startswith(("_orig_mod.", "model.")):
        name = name.split(".", 1)[1]
    return name


def read_arch(path: Path | str) -> dict:
    """The ``arch`` block of an ``all_config.yaml``."""
    try:
        found = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise ModelError(f"{path}: no such config file") from None
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not readable as YAML ({str(error).splitlines()[0]})") from None
    arch = found.get("arch") if isinstance(found, dict) else None
    if not isinstance(arch, dict):
        raise ModelError(f"{path}: no 'arch' block; expected the all_config.yaml of a training run")
    return arch


def infer(tensors: dict[str, Tensor], arch: dict | None = None) -> tuple[Config, list[str]]:
    """(config, assumptions) of a state dict; what `arch` says must agree with the shapes, or :class:`ModelError` names both."""
    head = tensors.get("inner.lm_head.weight")
    if head is None or head.ndim != 2:
        seen = ", ".join(sorted(tensors)[:5])
        raise ModelError(
            f"no inner.lm_head.weight: not an official HRM or TRM state dict (it begins with {seen})"
        )
    vocabulary, width = head.shape
    model = "hrm" if layers(tensors, "H_level") else "trm"
    mixer = tensors.get("inner.L_level.layers.0.mlp_t.gate_up_proj.weight")
    arch, assumed = {key: value for key, value in (arch or {}).items() if value is not None}, []

    def number(key: str, kind: type = int) -> int | float:
        try:
            return kind(arch[key])
        except (TypeError, ValueError):
            raise ModelError(f"the config says {key}: {arch[key]!r}; expected a number") from None

    def setting(name: str, key: str) -> int:
        if key in arch:
            return number(key)
        assumed.append(f"{name}={PUBLISHED[model][name]}")
        return PUBLISHED[model][name]

    if arch.get("pos_encodings", "rope") not in ("rope", "none"):
        raise ModelError(
            f"pos_encodings={arch['pos_encodings']!r}: expected rope (or none for mlp_t); learned positions are not part of the Sudoku models"
        )
    if arch.get("pos_encodings") == "none" and mixer is None:
        raise ModelError(
            "pos_encodings='none' with attention: expected rope; attention that knows no positions is not one of the published Sudoku models, and would be measured wrongly"
        )
    cycles = {name: setting(name, name) for name in ("H_cycles", "L_cycles")}
    heads = (
        setting("heads", "num_heads")
        if mixer is None
        else number("num_heads")
        if "num_heads" in arch
        else PUBLISHED[model]["heads"]
    )
    if mixer is not None:
        prefix = mixer.shape[1] - (vocabulary - 2) ** 2
    elif arch.get("puzzle_emb_len"):
        prefix = number("puzzle_emb_len")
    elif "puzzle_emb_ndim" in arch and (
        model == "hrm" or "puzzle_emb_len" in arch
    ):  # a TRM whose config leaves the length out has 16
        prefix = math.ceil(number("puzzle_emb_ndim") / width)
    else:
        prefix = setting("prefix", "puzzle_emb_len")
    config = Config(
        model,
        "attention" if mixer is None else "mlp",
        vocabulary - 2,
        width,
        layers(tensors, "L_level"),
        layers(tensors, "H_level"),
        cycles["H_cycles"],
        cycles["L_cycles"],
        heads,
        prefix,
        number("expansion", float) if "expansion" in arch else 4.0,
    )
    said = {
        "hidden_size": config.width,
        "L_layers": config.L_layers,
        "H_layers": config.H_layers,
        "mlp_t": config.mixing == "mlp",
    }
    said |= {"puzzle_emb_len": prefix} if mixer is not None and arch.get("puzzle_emb_len") else {}
    wrong = [
        f"{key}: config says {arch[key]}, the tensors {mine}"
        for key, mine in said.items()
        if key in arch and arch[key] != mine
    ]
    if wrong:
        raise ModelError(f"the config does not belong to this checkpoint: {'; '.join(wrong)}")
    other = [
        f"{key}: {arch[key]}, expected {mine:g}"
        for key, mine in FIXED.items()
        if key in arch and number(key, float) != mine
    ]
    if other:
        raise ModelError(f"the config asks for what is fixed here: {'; '.join(other)}")
    return config, assumed


def read_checkpoint(
    path: Path | str, config: Path | str | None = None
) -> tuple[RecursiveModel, list[str]]:
    """(model in float32, settings taken as published) of an official checkpoint; missing or unexpected names are listed."""
    tensors = read_tensors(path)
    sizes, assumed = infer(tensors, read_arch(config) if config else None)
    model = RecursiveModel(sizes)
    check_names(model, tensors, str(path))
    model.load_state_dict({name: t.float() for name, t in tensors.items()})
    return model.eval(), assumed


def import_checkpoint(
    path: Path | str, name: str, config: Path | str | None = None
) -> tuple[Path, list[str]]:
    """Write ``data/runs/<name>`` (weights, config.json, import.json), ready for ``rrm measure``; an existing run is refused."""
    folder = paths.data_dir() / "runs" / paths.safe_name(name)
    if folder.exists() and {p.name for p in folder.iterdir() if not passing(p)} - {
        "config.json",
        "model.safetensors",
    }:  # these alone: an import was killed
        raise ModelError(f"{folder} exists already; choose another name or remove it")
    model, assumed = read_checkpoint(path, config)
    save_model(model, folder)
    origin = {
        "checkpoint": Path(path).name,
        "sha256": sha256(path),
        "config": Path(config).name if config else None,
        "taken as published": assumed,
    }
    write_json(origin, folder / "import.json")
    return folder, assumed
