"""A run: a model and a puzzle set in, the measurement table out.

Puzzles go through in fixed chunks, the last one padded, so that a row does not depend on how puzzles are ordered or
sharded (on a CPU: a GPU adds in an order of its own, and trajectories that part fast end elsewhere). Finished parts are kept on disk: a killed measurement goes on where it stopped.
"""

from __future__ import annotations

import datetime
import hashlib
import platform
import re
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

import rrm_core
from rrm_core.dynamics.rollout import SEGMENTS, Rollout, unroll
from rrm_core.models.recursive import RecursiveModel, digits, on_device, tokens
from rrm_core.models.weights import load_model, save_model, stored_dtype, weights_bytes
from rrm_core.runs.tables import columns, load_run, validate, write
from rrm_core.store import parts, paths
from rrm_core.store.files import locked, passing, read_json, sha256, write_bytes, write_json
from rrm_core.sudoku import board as sudoku
from rrm_core.sudoku import sets as puzzles
from rrm_core.training.trainer import checkpoints

CHUNK = 32  # puzzles pushed together; part of the definition of a run, because wandering trajectories amplify round-off
PART = 8 * CHUNK  # puzzles per file of a resumable measurement


class MeasureError(ValueError):
    """A measurement that cannot be made; the message says why and how to mend it."""


def roll(
    model: RecursiveModel, boards: np.ndarray, chunk: int = CHUNK, **options: object
) -> Rollout:
    """:func:`rrm_core.dynamics.rollout.unroll` of up to `chunk` boards, padded to exactly `chunk` by repeating the last one."""
    rows = np.minimum(np.arange(chunk), len(boards) - 1)
    device = next(model.parameters()).device
    try:
        return unroll(model, tokens(boards[rows]).to(device), **options)
    except torch.OutOfMemoryError:
        raise MeasureError(
            f"{device} has not enough memory for {chunk} puzzles and k={options.get('k', 8)} tangents; measure with fewer (--k) or on the CPU"
        ) from None


def rolled(
    model: RecursiveModel, boards: np.ndarray, chunk: int = CHUNK, **options: object
) -> dict[str, np.ndarray]:
    """Arrays (B, T, ...) of :func:`roll` over all `boards`, chunk by chunk: digits, q, halts, drift_h, drift_l, growth.

    A start `state` must be that of one chunk.
    """
    out = [
        roll(model, boards[i : i + chunk], chunk, **options) for i in range(0, len(boards), chunk)
    ]
    joined = {
        name: torch.cat([getattr(r, name) for r in out])[: len(boards)]
        for name in ("answer", "q", "halts", "drift_h", "drift_l", "growth")
    }
    return {"digits": digits(joined.pop("answer"))} | {
        name: values.numpy() for name, values in joined.items()
    }


def named(prefix: str, values: np.ndarray, dtype: str = "float32") -> dict[str, np.ndarray]:
    """{"prefix_01": values[:, 0], ...} of a (B, T) array."""
    return dict(zip(columns(prefix, values.shape[1]), values.T.astype(dtype), strict=True))


def first(flags: np.ndarray) -> np.ndarray:
    """(B,) the first true column of (B, T) counted from 1, 0 where there is none."""
    return np.where(flags.any(1), flags.argmax(1) + 1, 0)


def spectra(growth: np.ndarray, updates: int) -> np.ndarray:
    """(B, K) exponents in nats per update, descending, of growth (B, T, K): summed over the segments, then sorted."""
    return -np.sort(-growth.sum(1), axis=1) / (growth.shape[1] * updates)


def rows(
    model: RecursiveModel, frame: pd.DataFrame, k: int = 8, seed: int = 0, **options: object
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(measurements, trajectories) of the puzzles in `frame` (idx, puzzle, solution, givens, backtracks, naked_backtracks).

    Columns as in the data dictionary. Drift is the Euclidean norm over the whole state, growth in nats, exponents in
    nats per update, sorted after summing over all segments.
    """
    boards, solutions = puzzles.boards(frame)
    out = rolled(model, boards, k=k, seed=seed, **options)
    answer, q, growth = out["digits"], out["q"], out["growth"]
    right, blank = answer == solutions[:, None], boards == 0
    data = {
        "correct": right[:, -1].all(-1),
        "token_acc": right[:, -1].mean(-1).astype("float32"),
        "blank_acc": ((right[:, -1] & blank).sum(-1) / blank.sum(-1)).astype("float32"),
        "halted_at": first(out["halts"][:, :-1]).astype("int8"),
        **named("q_halt", q[..., 0]),
        **(named("q_continue", q[..., 1]) if model.config.model == "hrm" else {}),
        **named("drift_h", out["drift_h"]),
        **named("drift_l", out["drift_l"]),
        **named("correct", right.all(-1), "bool"),
    }
    for i in range(growth.shape[-1]):
        data |= named(f"growth_{i + 1}", growth[..., i])
    data |= {
        f"lambda_{i}": values.astype("float32")
        for i, values in enumerate(spectra(growth, len(model.schedule)).T, 1)
    }
    table = pd.concat([frame.reset_index(drop=True), pd.DataFrame(data)], axis=1)
    texts = {
        name: [sudoku.to_text(board) for board in boards_]
        for name, boards_ in zip(
            columns("answer", answer.shape[1]), answer.swapaxes(0, 1), strict=True
        )
    }
    return table, pd.DataFrame({"idx": table["idx"], **texts})


def subset(puzzle_set: str, n: int, extra_givens: int = 0) -> pd.DataFrame:
    """The first `n` puzzles of a set, with ``idx`` = their row there.

    ``extra_givens`` solution digits are put into each, drawn from seed 0: held-out puzzles that a small model can solve some of.
    """
    frame = puzzles.table(puzzle_set)
    if not 0 < n <= len(frame):
        raise MeasureError(
            f"n={n}: the puzzle set {puzzle_set!r} has {len(frame)} puzzles; ask for 1..{len(frame)}"
        )
    frame = frame[[c for c in (*sudoku.COLUMNS, "rating") if c in frame]].head(n)
    if extra_givens:
        boards, solutions = puzzles.boards(frame)
        boards = sudoku.add_givens(
            boards, solutions, np.full(n, extra_givens), np.random.default_rng(0)
        )
        frame = sudoku.described(boards, solutions)
    return frame.assign(givens=frame.givens.astype("int16")).rename_axis("idx").reset_index()


def measure_parts(
    model: RecursiveModel,
    frame: pd.DataFrame,
    folder: Path,
    key: dict,
    shard: tuple[int, int] = (0, 1),
    size: int = PART,
    replace: bool = False,
    **options: object,
) -> bool:
    """Measure the parts of `frame` that belong to `shard` = (i, n) and are not in `folder` yet; True when all are there.

    Part j belongs to shard j mod n. Parts of another measurement are refused, or replaced as their turn comes.
    """
    if not replace:
        parts.refuse_foreign(folder, key)
    starts = list(range(0, len(frame), size))
    mine = parts.missing(folder, starts[shard[0] :: shard[1]], key)
    for start in tqdm(mine, unit="part", desc="measuring", disable=not mine):
        parts.write(
            *rows(model, frame.iloc[start : start + size], **options),
            parts.path_of(folder, start),
            key,
        )
    return not parts.missing(folder, starts, key)


def environment() -> dict:
    """Versions, machine and time, for run.json."""
    versions = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "rrm_core": rrm_core.__version__,
    }
    return {
        "versions": versions,
        "platform": platform.platform(),
        "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def named_device(device: str) -> str:
    """`device`, with the name of its GPU where it is one."""
    return (
        f"{device} ({torch.cuda.get_device_name(device)})"
        if torch.device(device).type == "cuda"
        else device
    )


def key_of(
    model: RecursiveModel,
    dtype: torch.dtype,
    puzzle_set: str,
    n: int,
    k: int,
    seed: int,
    extra_givens: int,
) -> dict:
    """What makes two measurements the same: the weights, as run.json has their digest, the puzzles, the frame, the chunk."""
    weights = hashlib.sha256(weights_bytes(model, dtype)).hexdigest()
    return {
        "weights": weights,
        "puzzles": puzzle_set,
        "n": n,
        "k": k,
        "seed": seed,
        "chunk": CHUNK,
        "extra_givens": extra_givens,
    }


def measured_key(out: Path) -> dict | None:
    """:func:`key_of` the finished run in `out`; None where there is none, or one of its tables is missing."""
    if not all(
        (out / name).exists()
        for name in (
            "run.json",
            "measurements.parquet",
            "trajectories.parquet",
            "model.safetensors",
        )
    ):
        return None
    meta = read_json(out / "run.json")
    names = ("puzzles", "n", "k", "seed", "chunk", "extra_givens")
    return {"weights": meta.get("files", {}).get("model.safetensors")} | {
        name: meta.get(name, 0) for name in names
    }


def measured_at(out: Path) -> int | None:
    """When the run in `out` was written, in nanoseconds; None where there is none."""
    return (out / "run.json").stat().st_mtime_ns if (out / "run.json").exists() else None


def origin(training: Path) -> dict:
    """recipe, training_steps and training_s of the training, or of the run that keeps the checkpoint; empty for an import."""
    if (training / "progress.json").exists():
        progress = read_json(training / "progress.json")
        return {
            "recipe": progress["recipe"],
            "training_steps": progress["step"],
            "training_s": progress["elapsed_s"],
        }
    if (training / "run.json").exists():
        meta = read_json(training / "run.json")
        return {key: meta[key] for key in ("recipe", "training_steps", "training_s")}
    return {}


def run(
    checkpoint: Path | str,
    out: Path | str,
    puzzle_set: str,
    n: int,
    k: int = 8,
    seed: int = 0,
    shard: tuple[int, int] = (0, 1),
    command: str = "",
    device: str = "cpu",
    extra_givens: int = 0,
    part: int = PART,
    keep: str = "none",
    replace: bool = False,
) -> Path | None:
    """Measure a checkpoint folder on the first `n` puzzles of a set and write the run folder `out` when all parts are there.

    Weights, config, tables and run.json are written; the training log and recipe are taken from the training folder
    that holds the checkpoint, when it does. Returns the run folder, or None while other shards are missing. A finished
    measurement is not repeated, and one with other settings not overwritten unless `replace`.

    `shard` = (i, n): only this share of the parts. `part`: puzzles a part.
    `keep`: "none" of the parts once the run is written; "parts" too; "only" the parts, the run is left for another call.
    """
    checkpoint, out, started = Path(checkpoint), Path(out), time.monotonic()
    if part < 1 or part % CHUNK:
        raise MeasureError(f"{part} puzzles a part: expected a multiple of {CHUNK}")
    if k < 1:
        raise MeasureError(f"k={k} tangents: a run has one exponent at least; ask for 1 or more")
    model = on_device(load_model(checkpoint), device)
    frame = subset(puzzle_set, n, extra_givens)
    dtype = stored_dtype(checkpoint)
    key = key_of(model, dtype, puzzle_set, n, k, seed, extra_givens)
    found = measured_key(out)
    if found == key and keep != "only":
        if keep == "none":
            parts.remove(out / "parts")
        return out
    if found not in (None, key) and not replace:
        differs = {
            name: (found[name], value) for name, value in key.items() if found[name] != value
        }
        raise MeasureError(
            f"{out} is measured already with other settings: {differs} (there, asked); choose another --run, or add --replace"
        )
    folder, marked, starts = out / "parts", key | {"part": part}, list(range(0, n, part))
    complete = measure_parts(model, frame, folder, marked, shard, part, replace, k=k, seed=seed)
    if keep == "only" or not complete:
        return None
    with locked(out):  # two shards may find the last part at the same time
        if measured_key(out) != key:
            settings = {name: value for name, value in key.items() if name != "weights"} | {
                "dtype": "float32",
                "device": named_device(device),
            }
            assemble(
                model,
                dtype,
                checkpoint,
                out,
                starts,
                settings,
                started,
                command,
                found is not None and found["weights"] != key["weights"],
            )
        if keep == "none":
            parts.remove(folder)
    return out


def assemble(
    model: RecursiveModel,
    dtype: torch.dtype,
    checkpoint: Path,
    out: Path,
    starts: list[int],
    settings: dict,
    started: float,
    command: str,
    replacing: bool,
) -> None:
    """Write the run in `out` from its parts. run.json goes first and comes last: without it there is no run to read.

    `replacing`: the run that was there is another model's, so its checkpoints and studies go.
    """
    table, texts = parts.read(out / "parts", starts)
    validate(table, str(out), updates_per_segment=len(model.schedule))
    (out / "run.json").unlink(missing_ok=True)
    for other in ("checkpoints", "studies") if replacing else ():
        shutil.rmtree(out / other, ignore_errors=True)
    write(table, out / "measurements.parquet")
    write(texts, out / "trajectories.parquet")
    save_model(model, out, dtype)
    training = checkpoint.parent.parent
    progress = origin(training)
    if (training / "log.csv").exists():
        write_bytes((training / "log.csv").read_bytes(), out / "log.csv")
    meta = {
        "name": out.name,
        "model": model.config.model,
        "parameters": sum(p.numel() for p in model.parameters()),
        "architecture": asdict(model.config),
        "side": model.config.side,
        "updates_per_segment": len(model.schedule),
        "segments": SEGMENTS,
        "step": int(checkpoint.name.removeprefix("step_"))
        if re.fullmatch(r"step_\d+", checkpoint.name)
        else None,
        "recipe": progress.get("recipe", {}),
        "training_steps": progress.get("training_steps"),
        "training_s": progress.get("training_s"),
        **settings,
        "accuracy": float(table["correct"].mean()),
        "wall_s": round(time.monotonic() - started, 1),  # of the call that wrote this file
        "command": command,
        **environment(),
    }
    if (out / "import.json").exists():
        meta["import"] = read_json(out / "import.json")
    seal(out, meta)


def run_files(out: Path) -> list[Path]:
    """Every file of a run but parts of a measurement in progress and what an interrupted write left; sorted."""
    return sorted(
        p
        for p in out.rglob("*")
        if p.is_file() and "parts" not in p.relative_to(out).parts and not passing(p)
    )


def seal(out: Path, meta: dict) -> None:
    """Write run.json with the SHA-256 of every other file of the run."""
    files = {
        p.relative_to(out).as_posix(): sha256(p) for p in run_files(out) if p != out / "run.json"
    }
    write_json(meta | {"files": files}, out / "run.json")


def keep_checkpoints(training: Path | str, out: Path, count: int, to: int | None = None) -> None:
    """Copy `count` evenly spaced checkpoints of a training, rounded to bfloat16, into ``out/checkpoints`` and seal the run again.

    The spacing ends at step `to`, or at the training's last checkpoint. Studies of checkpoints measure these rounded weights.
    """
    known = {step: path for step, path in checkpoints(training).items() if to is None or step <= to}
    if not 1 <= count <= len(known):
        there = f"{training} has {len(known)} checkpoints" + (
            f" up to step {to:,}" if to is not None else ""
        )
        raise MeasureError(
            f"count={count}: {there}; ask for 1..{len(known)}"
            if known
            else f"{there}; ask for a later step"
        )
    steps = np.array(sorted(known))
    chosen = steps[np.round(np.arange(1, count + 1) * len(steps) / count).astype(int) - 1]
    folders = {out / "checkpoints" / f"step_{step:06d}": known[int(step)] for step in chosen}
    for folder, source in folders.items():
        save_model(load_model(source), folder, torch.bfloat16)
    for other in set((out / "checkpoints").iterdir()) - set(folders):
        shutil.rmtree(other)
    meta = read_json(out / "run.json")
    seal(out, meta | {"checkpoints": [int(s) for s in chosen], "checkpoint_dtype": "bfloat16"})


def recompute(
    run: str, n: int, seed: int = 0, segments: int = 2, tolerance: float = 1e-3, whole: bool = True
) -> pd.DataFrame:
    """Measure `n` random rows of a run again from its weights, together and not in the chunks of the run; one line a row.

    ``agrees`` compares drift and growth of the first `segments` segments to `tolerance`, relative. Later segments are
    reported, not judged, and not computed unless `whole`: on another processor a wandering trajectory amplifies round-off until it is another one.
    """
    shipped = load_run(run)
    if not 0 < n <= len(shipped.table):
        raise MeasureError(
            f"recompute {n} rows: run {run!r} has {len(shipped.table)}; ask for 1..{len(shipped.table)}"
        )
    old = shipped.table.iloc[
        np.sort(np.random.default_rng(seed).choice(len(shipped.table), n, replace=False))
    ].reset_index(drop=True)
    new, _ = rows(
        load_model(paths.run_dir(run)),
        old[["idx", *sudoku.COLUMNS]],
        k=shipped.meta["k"],
        seed=shipped.meta["seed"],
        segments=SEGMENTS if whole else segments,
        chunk=n,
    )
    early = [
        name for prefix in ("drift_h", "drift_l", "growth_1") for name in columns(prefix, segments)
    ]
    off = ((new[early] - old[early]).abs() / old[early].abs().clip(lower=0.1)).max(
        axis=1, skipna=False
    )
    found = pd.DataFrame(
        {"idx": old.idx, "largest early difference": off, "agrees": off <= tolerance}
    )
    later = {
        "lambda_1 shipped": old.lambda_1,
        "lambda_1 now": new.lambda_1,
        "same outcome": old.correct == new.correct,
    }
    return found.assign(**later) if whole else found
