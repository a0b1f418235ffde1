"""The folder of a run: measured part by part, sealed with digests, its rows measured again.

Finished parts are kept on disk, so a killed measurement goes on where it stopped; run.json comes
last, and without it there is no run to read.
"""

import contextlib
import datetime
import hashlib
import json
import math
import platform
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

import rrm_core
from rrm_core.dynamics import check
from rrm_core.dynamics.contract import Reasoner, parameters_of
from rrm_core.models import factory
from rrm_core.models.config import SEGMENTS
from rrm_core.models.recursive import RecursiveModel, on_device
from rrm_core.models.weights import has_weights, load_model, save_model, stored_digest, stored_dtype
from rrm_core.runs import measure, tables
from rrm_core.runs.measure import CHUNK, MeasureError
from rrm_core.runs.schema import drift_name, numbered, validate
from rrm_core.store import paths
from rrm_core.store.files import locked, passing, read_json, sha256, write_bytes, write_json
from rrm_core.sudoku import board, sets
from rrm_core.training.saving import STEP, checkpoints

Shard = tuple[int, int]  # i, n
TABLES = ("measurements.parquet", "trajectories.parquet")
MODEL_FILES = ("config.json", "model*", "checkpoint", "checkpoint.*", "log.csv", "import.json")
FRAMELESS = ("long", "fates", "restarts", "precision", "rounding", "lags", "multi4")  # no tangents
LENGTH = ("steps", "log_every", "eval_every", "eval_puzzles", "checkpoint_every")  # of a recipe
TOLERANCE = {"float64": 1e-3, "float32": 1e-3, "bfloat16": 0.1}  # relative, of a row made again


@dataclass(frozen=True)
class Settings:
    """What is measured of a model: entries of run.json and, with the weights, the key of parts."""

    puzzles: str  # name of a puzzle set
    n: int  # its first puzzles
    k: int = 8  # tangents; 0 gives a run without exponents, the only kind in bfloat16
    seed: int = 0  # of the start frame
    extra_givens: int = 0  # solution digits put into every puzzle first
    dtype: str = "float32"  # of weights, activations and state
    segments: int = SEGMENTS
    chunk: int = field(default=CHUNK, init=False)

    def __post_init__(self) -> None:
        """Refuse what gives no run."""
        if self.k < 0:
            raise MeasureError(f"k={self.k} tangents: ask for 1 or more, or for none with 0")
        if self.extra_givens < 0:
            raise MeasureError(f"extra_givens={self.extra_givens}: ask for 0 or more")
        if self.dtype not in TOLERANCE:
            raise MeasureError(f"dtype {self.dtype!r}: expected one of {', '.join(TOLERANCE)}")
        if self.dtype == "bfloat16" and self.k:
            why = "which rounds them: give --k 0, or float32"
            raise MeasureError(f"k={self.k} tangents in bfloat16, {why}")
        if not tables.LATE < self.segments < 100:
            bounds = f"{tables.LATE + 1}, more than the window of late drift, to 99"
            raise MeasureError(f"segments={self.segments}: expected {bounds}")


def load(folder: Path, dtype: str, device: str = "cpu") -> Reasoner:
    """The model stored in `folder`, in the arithmetic `dtype`, on `device`."""
    read = factory.load if factory.stored(folder) else load_model
    model = read(folder, getattr(torch, dtype))
    return on_device(model, device) if isinstance(model, torch.nn.Module) else model


def boards_digest(frame: pd.DataFrame) -> str:
    """What tells the puzzles of a table from others."""
    return hashlib.sha256("".join(frame.puzzle).encode()).hexdigest()[:8]


def measured_key(out: Path) -> dict | None:
    """What the run in `out` was measured of, as in :func:`make`; None where a file is missing."""
    there = has_weights(out) or factory.stored(out)
    if not (all((out / name).exists() for name in ("run.json", *TABLES)) and there):
        return None
    meta = read_json(out / "run.json")
    names = Settings.__dataclass_fields__
    found = {name: meta.get(name, of.default) for name, of in names.items()}
    boards = boards_digest(tables.read(out / TABLES[0]))  # a set may hold others by now
    model = {"weights": tables.weights_digest(meta), "architecture": meta.get("architecture")}
    return model | found | {"boards": boards}


def scratch(out: Path, name: str, key: dict) -> Path:
    """Where parts of the work `name` lie until all are there; apart for every `key`."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return out / "parts" / f"{name}-{digest[:8]}"


def discard(work: Path) -> None:
    """Remove a :func:`scratch` folder, and that of all of them once it is empty."""
    shutil.rmtree(work, ignore_errors=True)
    with contextlib.suppress(OSError):
        work.parent.rmdir()


def measure_parts(
    model: Reasoner, frame: pd.DataFrame, folder: Path, settings: Settings, shard: Shard
) -> list[Path] | None:
    """The parts of all chunks, both tables in one, in order; None while some are missing.

    Measured is what `folder` lacks of share i of n = `shard`: chunk j belongs to share j mod n.
    """
    chunks = {folder / f"part_{i:06d}.parquet": i for i in range(0, len(frame), CHUNK)}
    mine = [path for path in list(chunks)[shard[0] :: shard[1]] if not path.exists()]
    options = {"k": settings.k, "seed": settings.seed, "segments": settings.segments}
    for path in tqdm(mine, unit="part", desc="measuring", disable=not mine):
        chunk = frame.iloc[chunks[path] : chunks[path] + CHUNK]
        table, texts = measure.rows(model, chunk, **options)
        shape = settings.segments, len(model.parts), model.scores
        validate(table, "this part", model.updates_per_segment, settings.k, *shape)
        tables.write(table.merge(texts, on="idx", validate="one_to_one"), path)
    return list(chunks) if all(path.exists() for path in chunks) else None


def make(
    checkpoint: Path,
    out: Path,
    settings: Settings,
    shard: Shard = (0, 1),
    replace: bool = False,
    device: str = "cpu",
    command: str = "",
) -> Path | None:
    """Measure a checkpoint folder into the run folder `out`; None while other shards are missing.

    A finished measurement is not repeated; one of other settings, or of code that gives other
    numbers now, is overwritten with `replace` alone. run.json records `device` and `command`.
    """
    started, checkpoint = time.monotonic(), checkpoint.resolve()  # "." alone names no step
    model = load(checkpoint, settings.dtype, device)
    frame = measure.subset(settings.puzzles, settings.n, settings.extra_givens)
    foreign = factory.stored(checkpoint)
    if isinstance(model, RecursiveModel) and (cells := model.config.cells) != len(frame.puzzle[0]):
        there = f"{settings.puzzles!r} has {len(frame.puzzle[0])} cells a board"
        raise MeasureError(f"{there}, the model wants {cells}; choose another set with --puzzles")
    if foreign:
        check.insist(model, sets.boards(frame.head(check.ENOUGH))[0], settings.k > 0)
    key = {"weights": (factory.digest if foreign else stored_digest)(checkpoint)}
    key |= {"architecture": json.loads(json.dumps(model.description))}  # as run.json gives it back
    key |= asdict(settings) | {"boards": boards_digest(frame)}
    found = measured_key(out)
    if found not in (None, key) and not replace:
        differs = {name: (found[name], key[name]) for name in key if found[name] != key[name]}
        there = f"{out} is measured already with other settings: {differs} (there, asked)"
        raise MeasureError(f"{there}; choose another --run, or add --replace")
    if found not in (None, key) and out.resolve() in checkpoint.parents:
        raise MeasureError(f"{checkpoint} lies in the run to be replaced; choose another --run")
    if found == key and foreign and not replace and changed(model, out / TABLES[0], settings):
        other = f"{out}: the code of its model gives other numbers than were measured"
        raise MeasureError(f"{other}; choose another --run, or add --replace")
    work = scratch(out, "measure", key | {"device": torch.device(device).type})
    known = found == key and not replace
    if foreign and (begun := sorted(work.glob("part_*"))) and changed(model, begun[0], settings):
        discard(work)
    parts = [] if known else measure_parts(model, frame, work, settings, shard)
    if parts is None:
        return None
    with locked(out):  # two shards may find the last part at the same time
        if parts and all(path.exists() for path in parts):
            both = pd.concat([tables.read(path) for path in parts], ignore_index=True)
            meta = key | environment(device, command, started)
            kept = work / "origin.json"  # run.json, which may be its own, goes before the last
            if not kept.exists():
                write_json(origin(checkpoint), kept)
            assemble(model, checkpoint, out, both, read_json(kept) | meta)
        discard(work)
    return out


def cleared(out: Path, checkpoint: Path, meta: dict) -> None:
    """Remove the run of `out` where another is to be: its seal, and what was of other weights.

    Studies go with the puzzles or with who solved them, and with a model of others, whose code may
    be another one; with another start frame all but :data:`FRAMELESS`. A model goes unless it is
    what was measured.
    """
    before = measured_key(out)
    differs = {name for name, value in (before or {}).items() if value != meta[name]}
    other = before is None or bool(differs & {"weights", "architecture"})
    if before is not None and other:
        shutil.rmtree(out / "checkpoints", ignore_errors=True)
    if differs - {"k", "seed"} or (not differs and factory.stored(out)):
        shutil.rmtree(out / "studies", ignore_errors=True)
    elif differs:
        for path in (out / "studies").glob("*"):
            if path.stem not in FRAMELESS:
                path.unlink()
    (out / "run.json").unlink(missing_ok=True)
    if checkpoint != out.resolve() and other:
        for path in [path for name in MODEL_FILES for path in out.glob(name)]:
            path.unlink(missing_ok=True)


def assemble(model: Reasoner, checkpoint: Path, out: Path, both: pd.DataFrame, meta: dict) -> None:
    """Write the run in `out`: `both` tables, weights, training log and last run.json."""
    answers = numbered(both, "answer")
    texts, table = both[["idx", *answers]], both.drop(columns=answers)
    shape = meta["segments"], len(model.parts), model.scores
    validate(table, str(out), model.updates_per_segment, meta["k"], *shape)
    cleared(out, checkpoint, meta)
    tables.write(table, out / "measurements.parquet")
    tables.write(texts, out / "trajectories.parquet")
    if factory.stored(checkpoint):
        factory.copied(checkpoint, out)
    else:
        save_model(load_model(checkpoint), out, stored_dtype(checkpoint))
    home = home_of(checkpoint)
    for path in filter(Path.exists, (home / "log.csv", home / "import.json")):
        write_bytes(path.read_bytes(), out / path.name)
    facts = {
        "name": out.name,
        "model": model.name,
        "parameters": sum(weight.numel() for weight in parameters_of(model)),
        "architecture": model.description,
        "side": math.isqrt(len(table.puzzle.iloc[0])),
        "updates_per_segment": model.updates_per_segment,
        "parts": list(model.parts),
        "scores": list(model.scores),
        "accuracy": float(table["correct"].mean()),
    }
    if (out / "import.json").exists():
        facts["import"] = read_json(out / "import.json")
    seal(out, facts | meta)


def home_of(checkpoint: Path) -> Path:
    """The training or run that a checkpoint folder belongs to, often itself."""
    return checkpoint.parent.parent if STEP.fullmatch(checkpoint.name) else checkpoint


def origin(checkpoint: Path) -> dict:
    """step, recipe, training_steps and training_s of a checkpoint."""
    found: dict = {"recipe": {}}
    home = home_of(checkpoint)
    if (home / "progress.json").exists():
        found = read_json(home / "progress.json")
        found |= {"training_steps": found["step"], "training_s": found["elapsed_s"]}
    elif (home / "run.json").exists():
        found = read_json(home / "run.json")
    if step := STEP.fullmatch(checkpoint.name):
        found["step"] = int(step[1])
    return {n: found.get(n) for n in ("step", "recipe", "training_steps", "training_s")}


def environment(device: str, command: str, started: float) -> dict:
    """Device, command, versions, machine and time of a call `started` then, for run.json."""
    versions = {name.__name__: name.__version__ for name in (torch, np, rrm_core)}
    return {
        "wall_s": round(time.monotonic() - started, 1),
        "device": named_device(device),
        "command": command,
        "versions": {"python": platform.python_version()} | versions,
        "platform": platform.platform(),
        "measured": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def named_device(device: str) -> str:
    """`device`, with the name of its GPU where it is one."""
    gpu = torch.device(device).type == "cuda"
    return f"{device} ({torch.cuda.get_device_name(device)})" if gpu else device


def run_files(out: Path) -> list[Path]:
    """Every file of a run, sorted, but parts in progress and what an interrupted write left."""
    found = [path for path in out.rglob("*") if path.is_file() and not passing(path)]
    return sorted(path for path in found if "parts" not in path.relative_to(out).parts)


def seal(out: Path, meta: dict) -> None:
    """Write run.json with the SHA-256 of every other file of the run."""
    files = [path for path in run_files(out) if path != out / "run.json"]
    digests = {path.relative_to(out).as_posix(): sha256(path) for path in files}
    write_json(meta | {"files": digests}, out / "run.json")


def keep_checkpoints(training: Path, out: Path, count: int, to: int | None = None) -> None:
    """Keep `count` evenly spaced checkpoints up to step `to`, in bfloat16, with the run `out`.

    They must be of the training whose weights were measured: its recipe, but for its length and
    how often it looked and saved, and its architecture.
    """
    known = {step: path for step, path in checkpoints(training).items() if to is None or step <= to}
    if not 1 <= count <= len(known):
        there = f"{len(known)} checkpoints" + (f" up to step {to:,}" if to is not None else "")
        raise MeasureError(f"count={count}: {training} has {there}; ask for as many at most")
    meta, last = read_json(out / "run.json"), read_json(known[max(known)] / "config.json")
    theirs = (origin(training)["recipe"] or {}) | last
    ours = (meta["recipe"] or {}) | meta["architecture"]
    differs = {n: (theirs[n], ours[n]) for n in theirs.keys() & ours if theirs[n] != ours[n]}
    if differs := {name: pair for name, pair in differs.items() if name not in LENGTH}:
        there = f"{training} is another training than that of {out.name}: {differs}"
        raise MeasureError(f"{there} (there, in run.json); give the one that was measured")
    steps = np.array(sorted(known))
    chosen = steps[np.round(np.arange(1, count + 1) * len(steps) / count).astype(int) - 1].tolist()
    folders = {step: out / "checkpoints" / f"step_{step:06d}" for step in chosen}
    for step, folder in folders.items():
        save_model(load_model(known[step]), folder, torch.bfloat16)
    for other in set(checkpoints(out).values()) - set(folders.values()):
        shutil.rmtree(other)
    with locked(out):  # a study may end at the same time
        meta = read_json(out / "run.json")
        meta.pop("checkpoints_elsewhere", None)
        seal(out, meta | {"checkpoints": chosen, "checkpoint_dtype": "bfloat16"})


def apart(model: Reasoner, old: pd.DataFrame, k: int, seed: int, segments: int = 2) -> np.ndarray:
    """(n,) largest relative difference between rows `old` and the same rows measured again.

    Compared are the first segments: drift, growth, scores, and answers where `old` has them. Later
    the round-off of another processor or chunk can make a wandering trajectory another one.
    """
    frame = old[["idx", *board.COLUMNS]]
    new, said = measure.rows(model, frame, k, seed, segments=segments, chunk=len(old))
    prefixes = [*map(drift_name, range(len(model.parts))), *["growth_1"] * (k > 0), *model.scores]
    early = [column for prefix in prefixes for column in numbered(new, prefix)]
    least = [1.0 if column.startswith(tuple(model.scores)) else 0.1 for column in early]
    gaps = (new[early] - old[early]).abs() / old[early].abs().clip(lower=least, axis=1)
    answers = [column for column in said if column in old and column != "idx"]
    other = (said[answers] != old[answers].reset_index(drop=True)).any(axis=1)
    return gaps.max(axis=1, skipna=False).where(~other, np.inf).to_numpy()


def changed(model: Reasoner, path: Path, settings: Settings) -> bool:
    """Whether the code of a model gives other numbers now than stand in the table `path`."""
    old = tables.read(path).head(1)
    if path.name == TABLES[0]:  # a part holds both
        old = old.merge(tables.read(path.with_name(TABLES[1])).head(1), on="idx")
    off = apart(model, old, settings.k, settings.seed)
    return not (off <= TOLERANCE[settings.dtype]).all()


def recompute(name: str, n: int, seed: int = 0, segments: int = 2) -> pd.DataFrame:
    """One line for each of `n` random rows of run `name`, measured again from its weights.

    ``agrees``: they are not :func:`apart` by more than :data:`TOLERANCE`.
    """
    run = tables.load_run(name)
    n_rows = len(run.table)
    if not 0 < n <= n_rows:
        raise MeasureError(f"recompute {n} rows: run {name!r} has {n_rows}; ask for 1..{n_rows}")
    chosen = np.sort(np.random.default_rng(seed).choice(n_rows, n, replace=False))
    both = run.table.merge(tables.read_trajectories(name), on="idx")
    old, dtype = both.iloc[chosen].reset_index(drop=True), run.meta.get("dtype", "float32")
    model = load(paths.run_dir(name), dtype)
    off = apart(model, old, run.meta["k"], run.meta["seed"], segments)
    agrees = off <= TOLERANCE[dtype]
    return pd.DataFrame({"idx": old.idx, "largest early difference": off, "agrees": agrees})
