"""A run: a model and a puzzle set in, the measurement table out.

Puzzles go through in fixed chunks, the last one padded, so that a row does not depend on how puzzles are ordered or
sharded. Finished parts are kept on disk: a killed measurement goes on where it stopped.
"""

from __future__ import annotations

import datetime
import json
import platform
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

import rrm_core
from rrm_core import puzzles, sudoku
from rrm_core.files import sha256, write_json
from rrm_core.models import RecursiveModel, load_model, save_model, tokens
from rrm_core.rollout import SEGMENTS, Rollout, unroll
from rrm_core.tables import validate, write
from rrm_core.train import checkpoints

CHUNK = 32  # puzzles pushed together; part of the definition of a run, because wandering trajectories amplify round-off
INPUTS = ("puzzle", "solution", "givens", "backtracks", "naked_backtracks")
PART = 8 * CHUNK  # puzzles per file of a resumable measurement


class MeasureError(ValueError):
    """A measurement that cannot be made; the message says why and how to mend it."""


def roll(model: RecursiveModel, boards: np.ndarray, **options: object) -> Rollout:
    """:func:`rrm_core.rollout.unroll` of up to ``CHUNK`` boards, padded to exactly ``CHUNK`` by repeating the last one."""
    rows = np.minimum(np.arange(CHUNK), len(boards) - 1)
    device = next(model.parameters()).device
    try:
        return unroll(model, tokens(boards[rows]).to(device), **options)
    except torch.OutOfMemoryError:
        raise MeasureError(f"{device} has not enough memory for {CHUNK} puzzles and k={options.get('k', 8)} tangents; measure with fewer (--k) or on the CPU") from None


def named(prefix: str, values: np.ndarray, dtype: str = "float32") -> dict[str, np.ndarray]:
    """{"prefix_01": values[:, 0], ...} of a (B, T) array."""
    return {f"{prefix}_{t + 1:02d}": values[:, t].astype(dtype) for t in range(values.shape[1])}


def rows(model: RecursiveModel, frame: pd.DataFrame, k: int = 8, seed: int = 0, **options: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(measurements, trajectories) of the puzzles in `frame` (idx, puzzle, solution, givens, backtracks, naked_backtracks).

    Columns as in the data dictionary. Drift is the Euclidean norm over the whole state, growth in nats, exponents in
    nats per update, sorted after summing over all segments.
    """
    boards, solutions = puzzles.boards(frame)
    out = [roll(model, boards[i : i + CHUNK], k=k, seed=seed, **options) for i in range(0, len(boards), CHUNK)]

    def joined(name: str) -> np.ndarray:
        return torch.cat([getattr(r, name) for r in out])[: len(boards)].numpy()

    answer = np.clip(joined("answer") - 1, 0, None).astype(np.uint8)  # (B, T, cells): 0 = not a digit
    right = answer == solutions[:, None]
    halts, q, growth = joined("halts"), joined("q"), joined("growth")
    per_update = growth.sum(1) / (growth.shape[1] * len(model.schedule))
    blank = boards == 0
    columns = {
        "correct": right[:, -1].all(-1),
        "token_acc": right[:, -1].mean(-1).astype("float32"),
        "blank_acc": ((right[:, -1] & blank).sum(-1) / blank.sum(-1)).astype("float32"),
        "halted_at": np.where(halts[:, :-1].any(-1), halts.argmax(-1) + 1, 0).astype("int8"),
        **named("q_halt", q[..., 0]),
        **(named("q_continue", q[..., 1]) if model.config.model == "hrm" else {}),
        **named("drift_h", joined("drift_h")),
        **named("drift_l", joined("drift_l")),
        **named("correct", right.all(-1), "bool"),
    }
    for i in range(growth.shape[-1]):
        columns |= named(f"growth_{i + 1}", growth[..., i])
    for i, values in enumerate(-np.sort(-per_update, axis=1).T):
        columns[f"lambda_{i + 1}"] = values.astype("float32")
    table = pd.concat([frame.reset_index(drop=True), pd.DataFrame(columns)], axis=1)
    texts = {f"answer_{t + 1:02d}": [sudoku.to_text(board) for board in answer[:, t]] for t in range(answer.shape[1])}
    return table, pd.DataFrame({"idx": table["idx"], **texts})


def on_device(model: RecursiveModel, device: str) -> RecursiveModel:
    """`model` on `device`; an unknown or absent one is named."""
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise MeasureError(f"device {device!r} cannot be used ({str(error).splitlines()[0]}); try --device cpu") from None


def subset(puzzle_set: str, n: int, extra_givens: int = 0) -> pd.DataFrame:
    """The first `n` puzzles of a set, with ``idx`` = their row there.

    ``extra_givens`` solution digits are put into each, drawn from seed 0: held-out puzzles that a small model can solve some of.
    """
    frame = puzzles.table(puzzle_set)
    if not 0 < n <= len(frame):
        raise MeasureError(f"n={n}: the puzzle set {puzzle_set!r} has {len(frame)} puzzles; ask for 1..{len(frame)}")
    frame = frame[[c for c in (*INPUTS, "rating") if c in frame]].head(n)
    if extra_givens:
        boards, solutions = puzzles.boards(frame)
        boards = sudoku.add_givens(boards, solutions, np.full(n, extra_givens), np.random.default_rng(0))
        frame = sudoku.described(boards, solutions)
    return frame.assign(givens=frame.givens.astype("int16")).rename_axis("idx").reset_index()


def parts(model: RecursiveModel, frame: pd.DataFrame, folder: Path, key: dict, shard: tuple[int, int] = (0, 1), **options: object) -> bool:
    """Measure the parts of `frame` that belong to `shard` = (i, n) and are not in `folder` yet; True when all are there."""
    note = folder / "key.json"
    if note.exists() and json.loads(note.read_text()) != key:
        raise MeasureError(f"{folder} holds parts of another measurement; remove it or ask for {json.loads(note.read_text())}")
    write_json(key, note)
    starts = range(0, len(frame), PART)
    mine = [s for j, s in enumerate(starts) if j % shard[1] == shard[0]]
    for start in tqdm(mine, unit="part", desc="measuring"):
        target = folder / f"part_{start:06d}.parquet"
        if target.exists():
            continue
        table, texts = rows(model, frame.iloc[start : start + PART], **options)
        write(texts, folder / f"answers_{start:06d}.parquet")
        write(table, target)
    return all((folder / f"part_{s:06d}.parquet").exists() for s in starts)


def environment() -> dict:
    """Versions, machine and time, for run.json."""
    versions = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__, "rrm_core": rrm_core.__version__}
    return {"versions": versions, "platform": platform.platform(), "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def origin(training: Path) -> dict:
    """recipe, training_steps and training_s of the training, or of the run that keeps the checkpoint; empty for an import."""
    if (training / "progress.json").exists():
        progress = json.loads((training / "progress.json").read_text())
        return {"recipe": progress["recipe"], "training_steps": progress["step"], "training_s": progress["elapsed_s"]}
    if (training / "run.json").exists():
        meta = json.loads((training / "run.json").read_text())
        return {key: meta[key] for key in ("recipe", "training_steps", "training_s")}
    return {}


def run(checkpoint: Path | str, out: Path | str, puzzle_set: str, n: int, k: int = 8, seed: int = 0,
        shard: tuple[int, int] = (0, 1), command: str = "", device: str = "cpu", extra_givens: int = 0) -> Path | None:  # fmt: skip
    """Measure a checkpoint folder on the first `n` puzzles of a set and write the run folder `out` when all parts are there.

    Weights, config, tables and run.json are written; the training log and recipe are taken from the training folder
    that holds the checkpoint, when it does. Returns the run folder, or None while other shards are missing.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    model = on_device(load_model(checkpoint), device)
    frame = subset(puzzle_set, n, extra_givens)
    key = {"weights": sha256(checkpoint / "model.safetensors"), "puzzles": puzzle_set, "n": n, "k": k, "seed": seed, "chunk": CHUNK, "extra_givens": extra_givens}
    folder, started = out / "parts", time.monotonic()
    if not parts(model, frame, folder, key, shard, k=k, seed=seed):
        return None
    table = pd.concat([pd.read_parquet(p) for p in sorted(folder.glob("part_*.parquet"))], ignore_index=True)
    texts = pd.concat([pd.read_parquet(p) for p in sorted(folder.glob("answers_*.parquet"))], ignore_index=True)
    validate(table, str(out), updates_per_segment=len(model.schedule))
    write(table, out / "measurements.parquet")
    write(texts, out / "trajectories.parquet")
    save_model(model, out)
    training = checkpoint.parent.parent
    progress = origin(training)
    if (training / "log.csv").exists():
        shutil.copyfile(training / "log.csv", out / "log.csv")
    meta = {
        "name": out.name,
        "model": model.config.model,
        "parameters": sum(p.numel() for p in model.parameters()),
        "architecture": asdict(model.config),
        "side": model.config.side,
        "updates_per_segment": len(model.schedule),
        "segments": SEGMENTS,
        "step": int(checkpoint.name.removeprefix("step_")) if checkpoint.name.startswith("step_") else None,
        "recipe": progress.get("recipe", {}),
        "training_steps": progress.get("training_steps"),
        "training_s": progress.get("training_s"),
        "puzzles": puzzle_set,
        "extra_givens": extra_givens,
        "n": n,
        "k": k,
        "seed": seed,
        "chunk": CHUNK,
        "dtype": "float32",
        "device": device,
        "accuracy": float(table["correct"].mean()),
        "wall_s": round(time.monotonic() - started, 1),
        "command": command,
        **environment(),
    }
    if (out / "import.json").exists():
        meta["import"] = json.loads((out / "import.json").read_text())
    shutil.rmtree(folder)
    seal(out, meta)
    return out


def seal(out: Path, meta: dict) -> None:
    """Write run.json with the SHA-256 of every other file of the run."""
    files = sorted(p for p in out.rglob("*") if p.is_file() and p.name != "run.json" and not p.name.endswith(".tmp"))
    write_json(meta | {"files": {p.relative_to(out).as_posix(): sha256(p) for p in files}}, out / "run.json")


def keep_checkpoints(training: Path | str, out: Path, count: int) -> None:
    """Copy `count` evenly spaced checkpoints of a training, rounded to bfloat16, into ``out/checkpoints`` and seal the run again.

    The spacing ends at the training's last checkpoint. Studies of checkpoints measure these rounded weights.
    """
    known = checkpoints(training)
    if not 1 <= count <= len(known):
        raise MeasureError(f"count={count}: {training} has {len(known)} checkpoints; ask for 1..{len(known)}")
    steps = np.array(sorted(known))
    chosen = steps[np.round(np.arange(1, count + 1) * len(steps) / count).astype(int) - 1]
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    for step in chosen:
        save_model(load_model(known[int(step)]), out / "checkpoints" / f"step_{step:06d}", torch.bfloat16)
    meta = json.loads((out / "run.json").read_text())
    seal(out, meta | {"checkpoints": [int(s) for s in chosen], "checkpoint_dtype": "bfloat16"})
