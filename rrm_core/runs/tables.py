"""Runs and their tables, read and written; what is read off a table; the paper's own figures."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rrm_core.models.config import SEGMENTS
from rrm_core.runs.schema import TableError, checked, columns, exponents, trajectories, validate
from rrm_core.store import paths
from rrm_core.store.files import read_json, write_bytes
from rrm_core.training.recipes import essentials

K = 8  # tangents of a shipped run
LATE = 4  # segments of late drift: 13 to 16
FLOOR = 1e-12  # a drift below this counts as this


def write(df: pd.DataFrame, path: Path | str) -> None:
    """Write `df` as Parquet (zstd), atomically: a reader sees the old file or the new one."""
    buffer = io.BytesIO()
    df.to_parquet(buffer, index=False, compression="zstd")
    write_bytes(buffer.getvalue(), path)


def read(path: Path | str) -> pd.DataFrame:
    """A Parquet file as a table; :class:`TableError` when it is absent or damaged."""
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise TableError(f"{path} is not there; measure the run with `rrm measure`") from None
    except (ArrowException, OSError, ValueError) as error:
        raise TableError(
            f"{path} is not a readable Parquet file ({error}); restore it and run `rrm verify`"
        ) from None


# --- runs ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A measured run: its name, run.json and validated measurement table."""

    name: str
    meta: dict
    table: pd.DataFrame

    @property
    def updates_per_segment(self) -> int:
        """State updates of one segment: exponents are growth per update."""
        return self.meta["updates_per_segment"]

    @property
    def label(self) -> str:
        """How tables and charts name the run: measured here, never the paper's."""
        return f"{self.name} (measured here)"


META = {
    "model": str,
    "side": int,
    "parameters": int,
    "updates_per_segment": int,
    "k": int,
    "seed": int,
    "files": dict,
}


def read_meta(name: str) -> dict:
    """run.json of run `name`, refused where an entry of :data:`META` is missing or another type."""
    path = paths.run_dir(name) / "run.json"
    meta = read_json(path)
    for entry, kind in META.items():
        if type(meta.get(entry)) is not kind:
            raise TableError(
                f"{path}: {entry} is {meta.get(entry)!r:.60}, expected {kind.__name__}; "
                "restore the file or measure the run again"
            )
    if meta["updates_per_segment"] < 1:
        raise TableError(
            f"{path}: updates_per_segment is {meta['updates_per_segment']}, expected at least 1"
        )
    return meta


def weights_digest(meta: dict) -> str | None:
    """SHA-256 of the weights of a run as one file, by its run.json."""
    return meta.get("weights") or meta["files"].get("model.safetensors")


def load_run(name: str) -> Run:
    """The run `name`; an unknown one is refused with the list of those there."""
    meta, file = read_meta(name), paths.run_dir(name) / "measurements.parquet"
    table = validate(read(file), str(file), meta["updates_per_segment"], meta["k"])
    return Run(name, meta, table)


def load_runs(names: list[str] | None = None) -> dict[str, Run]:
    """{name: Run} of `names`; by default of all runs but the repeats of another."""
    return {name: load_run(name) for name in (original_names() if names is None else names)}


def likeness(meta: dict) -> str:
    """What a run shares with its repeats from other training seeds, as a text to compare."""
    recipe = essentials(meta["recipe"])
    same = [recipe, *(meta.get(key) for key in ("architecture", "step", "puzzles"))]
    return json.dumps([*same, meta.get("extra_givens", 0)], sort_keys=True)


def repeats() -> dict[str, list[str]]:
    """{run: runs that repeat it}: all alike but the seed; the lowest seed is the one repeated."""
    alike: dict[str, list[tuple[int, str]]] = {}
    for name in paths.run_names():
        meta = read_meta(name)
        recipe = meta.get("recipe")
        if isinstance(recipe, dict) and type(recipe.get("seed")) is int and "puzzles" in recipe:
            alike.setdefault(likeness(meta), []).append((recipe["seed"], name))
    found = [sorted(group) for group in alike.values()]
    return {
        name: [other for seed, other in rest if seed != first]
        for (first, name), *rest in found
        if any(seed != first for seed, _ in rest)
    }


def original_names() -> list[str]:
    """Names of the runs that repeat no other: larger boards first, TRM before HRM, then by name."""
    again = {name for names in repeats().values() for name in names}
    metas = {name: read_meta(name) for name in paths.run_names() if name not in again}
    return sorted(
        metas, key=lambda name: (-metas[name]["side"], metas[name]["model"] != "trm", name)
    )


def checkpoint_steps(meta: dict) -> list[int]:
    """Steps of the checkpoints that were kept along the training of a run, by its run.json.

    They lie in its folder, or, where it says ``checkpoints_elsewhere``, only their SHA-256 ships.
    """
    elsewhere = meta.get("checkpoints_elsewhere", {}).get("sha256", {})
    return meta.get("checkpoints") or [int(name.removeprefix("step_")) for name in elsewhere]


def training(meta: dict) -> tuple:
    """What tells one training from another: its seconds and recipe; the run's name without them."""
    seconds = meta.get("training_s")
    return (seconds, str(meta.get("recipe"))) if seconds else (meta.get("name"),)


def keeper(run: Run) -> str | None:
    """The run that checkpoints of `run`'s training were kept with, itself first; None: no such."""
    for name in dict.fromkeys([run.name, *paths.run_names()]):
        meta = read_meta(name)
        if checkpoint_steps(meta) and training(meta) == training(run.meta):
            return name
    return None


def read_log(name: str) -> pd.DataFrame:
    """The training log of run `name`: step, loss, exact, eval_exact, ...; empty without one."""
    path = paths.run_dir(name) / "log.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["step"])


def evaluations(name: str) -> pd.DataFrame:
    """The rows of run `name`'s log that hold an evaluation; none where there was no evaluation."""
    log = read_log(name)
    wanted = list(dict.fromkeys([*log, "eval_exact", "eval_token_acc"]))
    return log.reindex(columns=wanted).dropna(subset=["eval_exact"])


def read_trajectories(name: str) -> pd.DataFrame:
    """idx and the decoded boards answer_01..answer_16 of run `name`, as texts."""
    path = paths.run_dir(name) / "trajectories.parquet"
    return checked(read(path), trajectories(), str(path))


# --- the paper's figures ------------------------------------------------------------------------


def published(name: str) -> pd.DataFrame:
    """The paper's own figures: data/published/<name>.csv, by claim, quantity and model."""
    path = paths.data_dir() / "published" / f"{name}.csv"
    if not path.exists():
        known = sorted(p.stem for p in path.parent.glob("*.csv"))
        raise TableError(f"no published table {name!r}; known: {', '.join(known)}")
    return pd.read_csv(path)


def printed(model: str, quantity: str) -> float:
    """One figure of the paper about a whole model, "TRM" or "HRM": from the table `runs`."""
    return float(published("runs").query("model == @model and quantity == @quantity").value.iloc[0])


# --- read off a table ---------------------------------------------------------------------------


def log_drift(drift: np.ndarray) -> np.ndarray:
    """log10 of drift, clipped at :data:`FLOOR`; any shape."""
    return np.log10(np.maximum(drift, FLOOR))


def late(drift: np.ndarray) -> np.ndarray:
    """(B,) late drift at the end of drift (B, T): log10 of the mean of its last four segments."""
    return log_drift(drift[:, -LATE:].astype("float64").mean(1))


def halting_margin(df: pd.DataFrame) -> np.ndarray:
    """(B, T) what halting compares with 0: q_halt of a TRM, q_halt - q_continue of an HRM."""
    halt = df[columns("q_halt")].to_numpy("float64")
    return halt - df[columns("q_continue")].to_numpy("float64") if "q_continue_01" in df else halt


def lambda_at(df: pd.DataFrame, h: int, updates_per_segment: int) -> np.ndarray:
    """(B,) the largest growth of a tangent over segments 1..h, in nats per update, float64."""
    if not 1 <= h <= SEGMENTS:
        raise TableError(f"horizon h={h}: expected 1..{SEGMENTS}")
    tangents = [columns(f"growth_{i}", h) for i in range(1, exponents(df) + 1)]
    sums = [df[names].to_numpy("float64").sum(1) for names in tangents]
    return np.max(sums, axis=0) / (h * updates_per_segment)


def signals_at(df: pd.DataFrame, h: int, updates_per_segment: int) -> dict[str, np.ndarray]:
    """{signal: score (B,)} at horizon h; each as the paper has it: higher, likelier solved."""
    names = ("drift_h", "drift_l", "q_halt")
    return {"lambda1": -lambda_at(df, h, updates_per_segment)} | {
        name: df[f"{name}_{h:02d}"].to_numpy("float64") for name in names
    }
