"""Official checkpoints (sapientinc/HRM, SamsungSAILMontreal/TinyRecursiveModels); no code is run.

A state dict does not tell the cycles, the heads and (TRM with attention) the prefix: they come from
``all_config.yaml``, or are taken as published, which is said.
"""

import math
import re
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from rrm_core.models.config import PUBLISHED, Config, ModelError
from rrm_core.models.ops import RMS_EPS
from rrm_core.models.recursive import ROPE_THETA, RecursiveModel
from rrm_core.models.weights import filled, save_model
from rrm_core.store import paths
from rrm_core.store.files import sha256, write_json

SETTINGS = dict(
    H_cycles="H_cycles", L_cycles="L_cycles", heads="num_heads", prefix="puzzle_emb_len"
)


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """{name without prefix: tensor} of a safetensors file or torch pickle, as weights only."""
    path = Path(path)
    if not path.exists():
        raise ModelError(f"{path}: no such checkpoint file")
    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the readers fail on foreign bytes in every way there is
        why = next(iter(str(error).splitlines()), type(error).__name__)
        kinds = "safetensors or a torch file that weights_only accepts"
        raise ModelError(f"{path}: not a checkpoint of tensors ({why}); expected {kinds}") from None
    named = isinstance(found, dict) and all(isinstance(t, Tensor) for t in found.values())
    if not named or not found:
        raise ModelError(f"{path}: expected a state dict, names with tensors and nothing else")
    return {re.sub(r"^((_orig_mod|model)\.)+", "", name): t for name, t in found.items()}


def read_arch(path: Path | str) -> dict:
    """The ``arch`` block of an ``all_config.yaml``, without what is null there."""
    try:
        arch = yaml.safe_load(Path(path).read_text())["arch"]
        return {key: value for key, value in arch.items() if value is not None}
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not readable as YAML ({str(error).splitlines()[0]})") from None
    except (TypeError, KeyError, AttributeError):
        raise ModelError(
            f"{path}: no 'arch' block; expected a training's all_config.yaml"
        ) from None


def number(arch: dict, key: str, kind: type = int):
    """Setting `key` of the config as a number."""
    try:
        return kind(arch[key])
    except (TypeError, ValueError):
        raise ModelError(f"the config says {key}: {arch[key]!r}; expected a number") from None


def infer(tensors: dict[str, Tensor], arch: dict) -> tuple[Config, list[str]]:
    """(config, settings taken as published) of a state dict and the settings beside it."""
    head = tensors.get("inner.lm_head.weight")
    if head is None or head.ndim != 2:
        what = "no inner.lm_head.weight: not an official HRM or TRM state dict"
        raise ModelError(f"{what} (it begins with {', '.join(sorted(tensors)[:5])})")
    mixer = tensors.get("inner.L_level.layers.0.mlp_t.gate_up_proj.weight")
    sizes: dict = {"side": head.shape[0] - 2, "width": head.shape[1]}
    assumed = []
    for level in ("L", "H"):
        start = f"inner.{level}_level.layers."
        found = {name.split(".")[3] for name in tensors if name.startswith(start)}
        sizes[f"{level}_layers"] = len(found)
    model = "hrm" if sizes["H_layers"] else "trm"
    published = PUBLISHED[model]
    computed = model == "hrm" or "puzzle_emb_len" in arch  # a TRM that does not say has 16
    if mixer is not None:
        sizes |= {"heads": published.heads, "prefix": mixer.shape[1] - sizes["side"] ** 2}
    elif computed and "puzzle_emb_ndim" in arch and not arch.get("puzzle_emb_len"):
        sizes["prefix"] = math.ceil(number(arch, "puzzle_emb_ndim") / sizes["width"])
    for name, key in SETTINGS.items():
        if key in arch:
            sizes.setdefault(name, number(arch, key))
        elif name not in sizes:
            sizes[name] = getattr(published, name)
            assumed.append(f"{name}={sizes[name]}")
    if "expansion" in arch:
        sizes["expansion"] = number(arch, "expansion", float)
    config = Config(model, "attention" if mixer is None else "mlp", **sizes)
    agree(config, arch)
    return config, assumed


def agree(config: Config, arch: dict) -> None:
    """Refuse settings that contradict the tensors, or ask for what is fixed here."""
    rotary = arch.get("pos_encodings", "rope")
    if rotary != "rope" and (rotary, config.mixing) != ("none", "mlp"):
        asked = f"pos_encodings={rotary!r} with {config.mixing}"
        raise ModelError(f"{asked}: expected rope, as published; it would be measured wrongly")
    said = {
        "hidden_size": config.width,
        "L_layers": config.L_layers,
        "H_layers": config.H_layers,
        "mlp_t": config.mixing == "mlp",
        "puzzle_emb_len": config.prefix if arch.get("puzzle_emb_len") else 0,
    }
    for key, mine in said.items():
        if arch.get(key, mine) != mine:
            where = f"{key}: config says {arch[key]}, the tensors {mine}"
            raise ModelError(f"the config does not belong to this checkpoint: {where}")
    for key, own in {"rms_norm_eps": RMS_EPS, "rope_theta": ROPE_THETA}.items():
        if key in arch and number(arch, key, float) != own:
            raise ModelError(f"the config asks for what is fixed: {key}: {arch[key]}, not {own:g}")


def read_checkpoint(
    path: Path | str, config: Path | str | None = None
) -> tuple[RecursiveModel, list[str]]:
    """(model in float32, settings taken as published) of an official checkpoint."""
    tensors = read_tensors(path)
    sizes, assumed = infer(tensors, read_arch(config) if config else {})
    return filled(sizes, tensors, str(path)), assumed


def import_checkpoint(
    path: Path | str, name: str, config: Path | str | None = None
) -> tuple[Path, list[str]]:
    """(``data/runs/<name>``, ready for ``rrm measure``; settings taken as published)."""
    folder = paths.data_dir() / "runs" / paths.new_name(name)
    if any((folder / note).exists() for note in ("run.json", "import.json")):
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
