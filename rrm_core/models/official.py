"""Official checkpoints (sapientinc/HRM, SamsungSAILMontreal/TinyRecursiveModels); no code is run.

A state dict does not tell the cycles, the heads and (TRM with attention) the prefix: they come from
``all_config.yaml``, or are taken as published, which is said.
"""

import math
import re
from pathlib import Path

import torch
import yaml
from torch import Tensor

from rrm_core.models.checkpoint import chosen, read_sets
from rrm_core.models.config import PUBLISHED, RANGES, SEGMENTS, Config, ModelError
from rrm_core.models.ops import RMS_EPS
from rrm_core.models.peers.nano_trm import translated
from rrm_core.models.recursive import ROPE_THETA, RecursiveModel
from rrm_core.models.weights import filled, save_model
from rrm_core.store import paths
from rrm_core.store.files import read_json, sha256, write_json

SETTINGS = {"H_cycles": "H_cycles", "L_cycles": "L_cycles"}  # name here: in the file
SETTINGS |= {"heads": "num_heads", "prefix": "puzzle_emb_len"}


def read_arch(path: Path | str) -> dict:
    """The ``arch`` block of an ``all_config.yaml``, without what is null there; and its data."""
    data = Path(path).read_bytes()
    try:
        text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:  # its keys are ASCII, whatever a name in it is
        text = data.decode("latin-1")
    try:
        config = yaml.safe_load(text)
        arch = {key: value for key, value in config["arch"].items() if value is not None}
        return arch | {"data_paths": config.get("data_paths") or config.get("data_path")}
    except yaml.YAMLError as error:
        raise ModelError(f"{path}: not readable as YAML ({str(error).splitlines()[0]})") from None
    except (TypeError, KeyError, AttributeError):
        raise ModelError(f"{path}: no 'arch' block; expected an all_config.yaml") from None


def number(arch: dict, key: str, kind: type = int):
    """Setting `key` of the config as a number."""
    try:
        return kind(arch[key])
    except (TypeError, ValueError):
        raise ModelError(f"the config says {key}: {arch[key]!r}; expected a number") from None


def infer(tensors: dict[str, Tensor], arch: dict) -> tuple[Config, list[str]]:
    """(config, settings taken as published) of a state dict and the settings beside it."""
    refuse_other_tasks(tensors, arch)
    head = tensors["inner.lm_head.weight"]
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
    embedded = "inner.puzzle_emb.weights" in tensors or arch.get("puzzle_emb_ndim")
    if mixer is not None:
        sizes |= {"heads": published.heads, "prefix": mixer.shape[1] - sizes["side"] ** 2}
    elif not embedded:
        sizes["prefix"] = 0
    elif computed and "puzzle_emb_ndim" in arch and not arch.get("puzzle_emb_len"):
        sizes["prefix"] = math.ceil(number(arch, "puzzle_emb_ndim") / sizes["width"])
    for name, key in SETTINGS.items():
        if name in sizes:
            continue
        if key in arch:
            sizes[name] = number(arch, key)
        else:
            sizes[name] = getattr(published, name)
            assumed.append(f"{name}={sizes[name]}")
    if "expansion" in arch:
        sizes["expansion"] = number(arch, "expansion", float)
    config = Config(model, "attention" if mixer is None else "mlp", **sizes)
    agree(config, arch)
    return config, assumed


def refuse_other_tasks(tensors: dict[str, Tensor], arch: dict) -> None:
    """Refuse, in words, weights that are no Sudoku model of the published kinds, or no numbers."""
    head, names = tensors["inner.lm_head.weight"], " ".join(tensors)
    symbols = head.shape[0] if head.ndim == 2 else 0
    cells = (symbols - 2) ** 2
    data = str(arch.get("data_paths") or "")
    mixer = tensors.get("inner.L_level.layers.0.mlp_t.gate_up_proj.weight")
    embedding = tensors.get("inner.puzzle_emb.weights", head[:1])
    wanted = "expected a Sudoku model, of 6, 8 or 11 (4x4, 6x6, 9x9)"
    if "inner.L_level.layers." not in names:
        raise ModelError("the checkpoint has no L_level: it is no HRM or TRM, or a part of one")
    if symbols - 2 not in (4, 6, 9):
        raise ModelError(f"the model knows {symbols} symbols (12: ARC): {wanted}")
    if re.search(r"maze|arc[-_0-9]", data, re.I) and "sudoku" not in data.lower():
        raise ModelError(f"the model was trained on {data}: expected a Sudoku model")
    if mixer is not None and mixer.shape[1] - cells not in RANGES["prefix"]:
        raise ModelError(f"it has {mixer.shape[1]} positions: expected {cells} cells or more")
    if embedding.ndim == 2 and len(embedding) != 1:
        many = f"the model tells {len(embedding)} tasks apart by a puzzle embedding each"
        raise ModelError(f"{many}: expected one, as Sudoku has")
    if "inner.embed_pos" in names:
        raise ModelError("the model has learned positions (embed_pos): expected rotary ones")
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            hint = "the training had diverged; import an earlier checkpoint"
            raise ModelError(f"{name} holds NaN or infinity: {hint}")


def completed(tensors: dict[str, Tensor], config: Config) -> dict[str, Tensor]:
    """`tensors` with zeros for what the model computes without: an embedding, q_continue of TRM."""
    zeros = {"inner.puzzle_emb.weights": torch.zeros(1, config.width)}
    alone = {
        name: torch.cat([row, torch.zeros_like(row)])
        for name in ("inner.q_head.weight", "inner.q_head.bias")
        if config.model == "trm" and len(row := tensors.get(name, ())) == 1
    }
    return zeros | tensors | alone


def agree(config: Config, arch: dict) -> None:
    """Refuse settings that contradict the tensors, or ask for what is fixed here."""
    rotary = arch.get("pos_encodings", "rope")
    if rotary != "rope" and (rotary, config.mixing) != ("none", "mlp"):
        asked = f"pos_encodings={rotary!r} with {config.mixing}"
        raise ModelError(f"{asked}: expected rope, as published; it would be measured wrongly")
    said = {"hidden_size": config.width, "mlp_t": config.mixing == "mlp"}
    said |= {"L_layers": config.L_layers, "H_layers": config.H_layers}
    said |= {"puzzle_emb_len": config.prefix if arch.get("puzzle_emb_len") else 0}
    for key, mine in said.items():
        if arch.get(key, mine) != mine:
            where = f"{key}: config says {arch[key]}, the tensors {mine}"
            raise ModelError(f"the config does not belong to this checkpoint: {where}")
    for key, own in {"rms_norm_eps": RMS_EPS, "rope_theta": ROPE_THETA}.items():
        if key in arch and number(arch, key, float) != own:
            raise ModelError(f"the config asks for what is fixed: {key}: {arch[key]}, not {own:g}")


def read_checkpoint(
    path: Path | str, config: Path | str | None = None, weights: str | None = None
) -> tuple[RecursiveModel, dict]:
    """(model in float32, what was taken, assumed and said) of an official checkpoint.

    `weights`: the set to take where the file holds several.
    """
    found_sets, others, settings = read_sets(path)
    given = read_arch(config) if config else {}
    try:
        sets, arch = translated(found_sets, settings)
        name, said = chosen(sets, weights)
        sizes, assumed = infer(sets[name], arch := arch | given)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    notes = [said] if said else []
    if others:
        notes.append(f"left in the file: {', '.join(others)}")
    if assumed:
        told = f"not in the checkpoint, taken as published: {', '.join(assumed)}"
        notes.append(f"{told} (give --config to be sure)")
    if "inner.puzzle_emb.weights" not in sets[name]:
        zeros = f": zeros in its {sizes.prefix} positions" if sizes.prefix else ""
        notes.append(f"the file has no puzzle embedding{zeros}")
    steps = arch.get("halt_max_steps")
    if steps not in (None, SEGMENTS):
        many = f"trained for {steps} segments (halt_max_steps): add --segments {steps}"
        notes.append(f"{many} to measure as many, not {SEGMENTS}")
    found = {"weights": name, "taken as published": assumed, "halt_max_steps": steps}
    model = filled(sizes, completed(sets[name], sizes), str(path))
    return model, found | {"notes": notes}


def import_checkpoint(
    path: Path | str, name: str, config: Path | str | None = None, weights: str | None = None
) -> tuple[Path, list[str]]:
    """(``data/runs/<name>``, ready for ``rrm measure``; sentences on what was taken).

    Called again with the same file, as after a kill, it writes the same.
    """
    home = Path(path).parent
    ours = (beside := home / "config.json").exists() and "mixing" in read_json(beside)
    if ours or (home / "progress.json").exists():
        mend = "`rrm measure` a folder with its weights: that of a step, or of the model itself"
        raise ModelError(f"{path}: of this package, not of the official code; {mend}")
    folder = paths.data_dir() / "runs" / paths.new_name(name)
    note, digest = folder / "import.json", sha256(path)
    same = not note.exists() or read_json(note).get("sha256") == digest
    if (folder / "run.json").exists() or not same:
        raise ModelError(f"{folder} exists already; choose another name or remove it")
    model, found = read_checkpoint(path, config, weights)
    save_model(model, folder)
    notes = found.pop("notes")
    origin = {"checkpoint": Path(path).name, "sha256": digest}
    write_json(origin | {"config": Path(config).name if config else None} | found, note)
    return folder, notes
