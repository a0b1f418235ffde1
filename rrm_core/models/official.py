"""Read an official HRM or TRM checkpoint: names, shapes and settings checked, no code in it run.

Sources: sapientinc/HRM and SamsungSAILMontreal/TinyRecursiveModels. The state dict tells the
architecture, width, layers and board; the cycles, the heads and (TRM with attention) the prefix are
not in it and come from ``all_config.yaml``, or are taken as published, which is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from rrm_core.models.config import PUBLISHED, Config, ModelError
from rrm_core.models.ops import RMS_EPS
from rrm_core.models.recursive import ROPE_THETA, RecursiveModel
from rrm_core.models.weights import WEIGHTS, filled, layers, save_model
from rrm_core.store import paths
from rrm_core.store.files import passing, sha256, write_json

FIXED = {"rms_norm_eps": RMS_EPS, "rope_theta": ROPE_THETA}  # as published
POSITIONS = ("rope", "none")


def first_line(error: Exception) -> str:
    """What an error says, in one line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """{name: tensor} of a safetensors file or a torch pickle, read as weights only.

    Without the prefixes ``_orig_mod.`` and ``model.``. Whatever holds anything else is refused.
    """
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such checkpoint file") from None
    except Exception as error:  # the readers fail on foreign bytes in every way there is
        raise ModelError(
            f"{path}: not a checkpoint of tensors ({first_line(error)}); "
            "expected safetensors or a torch file that weights_only accepts"
        ) from None
    for wrapper in ("state_dict", "model_state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    held = found.values() if isinstance(found, dict) else [found]
    others = sorted({type(t).__name__ for t in held if not isinstance(t, Tensor)})
    if others or not found:
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
    """The ``arch`` block of an ``all_config.yaml``, without what is null there."""
    try:
        found = yaml.safe_load(Path(path).read_text())
    except FileNotFoundError:
        raise ModelError(f"{path}: no such config file") from None
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not readable as YAML ({first_line(error)})") from None
    arch = found.get("arch") if isinstance(found, dict) else None
    if not isinstance(arch, dict):
        raise ModelError(f"{path}: no 'arch' block; expected the all_config.yaml of a training run")
    return {key: value for key, value in arch.items() if value is not None}


def number(arch: dict, key: str, kind: Callable = int) -> int | float:
    """Setting `key` of the config as a number."""
    try:
        return kind(arch[key])
    except (TypeError, ValueError):
        raise ModelError(f"the config says {key}: {arch[key]!r}; expected a number") from None


def infer(tensors: dict[str, Tensor], arch: dict) -> tuple[Config, list[str]]:
    """(config, settings taken as published) of a state dict and the settings beside it."""
    head = tensors.get("inner.lm_head.weight")
    if head is None or head.ndim != 2:
        seen = ", ".join(sorted(tensors)[:5])
        raise ModelError(
            "no inner.lm_head.weight: not an official HRM or TRM state dict "
            f"(it begins with {seen})"
        )
    side, width = head.shape[0] - 2, head.shape[1]
    model = "hrm" if layers(tensors, "H_level") else "trm"
    mixer = tensors.get("inner.L_level.layers.0.mlp_t.gate_up_proj.weight")
    published, assumed = PUBLISHED[model], []

    def setting(name: str, key: str) -> int:
        if key in arch:
            return int(number(arch, key))
        assumed.append(f"{name}={getattr(published, name)}")
        return getattr(published, name)

    def prefix() -> int:
        if mixer is not None:
            return mixer.shape[1] - side**2
        computed = model == "hrm" or "puzzle_emb_len" in arch  # a TRM that does not say has 16
        if computed and "puzzle_emb_ndim" in arch and not arch.get("puzzle_emb_len"):
            return math.ceil(number(arch, "puzzle_emb_ndim") / width)
        return setting("prefix", "puzzle_emb_len")

    config = Config(
        model,
        "attention" if mixer is None else "mlp",
        side,
        width,
        layers(tensors, "L_level"),
        layers(tensors, "H_level"),
        setting("H_cycles", "H_cycles"),
        setting("L_cycles", "L_cycles"),
        setting("heads", "num_heads") if mixer is None else published.heads,
        prefix(),
        number(arch, "expansion", float) if "expansion" in arch else published.expansion,
    )
    agree(config, arch)
    return config, assumed


def agree(config: Config, arch: dict) -> None:
    """Refuse settings that contradict the tensors, or ask for what is fixed here."""
    known = POSITIONS if config.mixing == "mlp" else POSITIONS[:1]
    if arch.get("pos_encodings", "rope") not in known:
        raise ModelError(
            f"pos_encodings={arch['pos_encodings']!r} with {config.mixing}: expected "
            f"{' or '.join(known)}, as the published models; it would be measured wrongly"
        )
    said = {
        "hidden_size": config.width,
        "L_layers": config.L_layers,
        "H_layers": config.H_layers,
        "mlp_t": config.mixing == "mlp",
        "puzzle_emb_len": config.prefix if arch.get("puzzle_emb_len") else 0,
    }
    wrong = [
        f"{key}: config says {arch[key]}, the tensors {mine}"
        for key, mine in said.items()
        if key in arch and arch[key] != mine
    ]
    if wrong:
        raise ModelError(f"the config does not belong to this checkpoint: {'; '.join(wrong)}")
    for key, mine in FIXED.items():
        if key in arch and number(arch, key, float) != mine:
            raise ModelError(f"the config asks for what is fixed: {key}: {arch[key]}, not {mine:g}")


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
    """(``data/runs/<name>`` with weights, config.json, import.json; settings taken as published).

    Ready for ``rrm measure``. An existing run is refused, what a killed import left is not.
    """
    folder = paths.data_dir() / "runs" / paths.safe_name(name)
    there = [p for p in folder.glob("*") if not passing(p)]
    if not all(p.name == "config.json" or WEIGHTS.fullmatch(p.name) for p in there):
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
