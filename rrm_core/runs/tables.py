"""The measurement table: schema, validation, reading and writing; runs and the paper's published figures.

T = 16 segments, K = 8 tangents. One row a puzzle.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rrm_core.models.config import SEGMENTS
from rrm_core.store import paths
from rrm_core.store.files import read_json, write_bytes
from rrm_core.training.recipes import essentials

K = 8
LATE = 4  # segments of late drift: 13 to 16
FLOOR = 1e-12  # a drift below this counts as this


class TableError(ValueError):
    """A table that breaks its contract; the message names file, column and rows."""


def columns(prefix: str, segments: int = SEGMENTS) -> list[str]:
    """["prefix_01", ..., "prefix_16"]."""
    return [f"{prefix}_{t:02d}" for t in range(1, segments + 1)]


def schema(k: int = K) -> dict[str, str]:
    """{column: kind}; kind is "text", "int", "bool" or "float". ``q_continue`` (HRM) comes on top, all or none."""
    kinds = {
        "idx": "int",
        "puzzle": "text",
        "solution": "text",
        "givens": "int",
        "backtracks": "int",
        "naked_backtracks": "int",
    }
    kinds |= {"correct": "bool", "token_acc": "float", "blank_acc": "float", "halted_at": "int"}
    for prefix, kind in (
        ("q_halt", "float"),
        ("drift_h", "float"),
        ("drift_l", "float"),
        ("correct", "bool"),
    ):
        kinds |= dict.fromkeys(columns(prefix), kind)
    for i in range(1, k + 1):
        kinds |= dict.fromkeys(columns(f"growth_{i}"), "float") | {f"lambda_{i}": "float"}
    return kinds


CHECKS = {
    "text": lambda s: pd.api.types.is_string_dtype(s) or s.dtype == object,
    "int": pd.api.types.is_integer_dtype,
    "bool": pd.api.types.is_bool_dtype,
    "float": pd.api.types.is_float_dtype,
}


def exponents(df: pd.DataFrame) -> int:
    """K of a table: how many ``lambda_i`` columns it has."""
    return sum(f"lambda_{i}" in df for i in range(1, 100))


def bad_rows(df: pd.DataFrame, rows: np.ndarray) -> str:
    """The idx of offending rows, at most five, for a message."""
    found = df.loc[rows, "idx"].tolist()
    return f"idx {', '.join(map(str, found[:5]))}{f' and {len(found) - 5} more' if len(found) > 5 else ''}"


def validate(
    df: pd.DataFrame, where: str = "table", updates_per_segment: int | None = None
) -> pd.DataFrame:
    """`df`, unchanged, or :class:`TableError` naming `where`, the column and the rows that break the contract."""
    if not len(df):
        raise TableError(f"{where}: no rows; expected one a puzzle")
    kinds = schema(max(exponents(df), 1))
    optional = columns("q_continue")
    if any(c in df for c in optional):
        kinds |= dict.fromkeys(optional, "float")
    missing = [c for c in kinds if c not in df]
    if missing:
        raise TableError(
            f"{where}: missing column {', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}; measure the run again"
        )
    for column, kind in kinds.items():
        if not CHECKS[kind](df[column]):
            raise TableError(f"{where}: column {column} holds {df[column].dtype}, expected {kind}")
        if kind == "float" and not np.isfinite(df[column]).all():
            raise TableError(
                f"{where}: column {column} is NaN or infinite at {bad_rows(df, ~np.isfinite(df[column]))}; measure these again"
            )
    for column in columns("drift_h") + columns("drift_l"):
        if (df[column] < 0).any():
            raise TableError(
                f"{where}: column {column} is negative at {bad_rows(df, df[column] < 0)}; a drift is a distance"
            )
    if df.idx.duplicated().any():
        raise TableError(
            f"{where}: duplicated {bad_rows(df, df.idx.duplicated())}; expected one row a puzzle"
        )
    if (df.correct != df[f"correct_{SEGMENTS}"]).any():
        raise TableError(
            f"{where}: correct differs from correct_{SEGMENTS} at {bad_rows(df, df.correct != df[f'correct_{SEGMENTS}'])}"
        )
    if (df.puzzle.str.len() != df.solution.str.len()).any():
        raise TableError(
            f"{where}: puzzle and solution differ in length at {bad_rows(df, df.puzzle.str.len() != df.solution.str.len())}"
        )
    validate_boards(df, ["puzzle", "solution"], where)
    return validate_exponents(df, where, updates_per_segment)


def validate_boards(df: pd.DataFrame, names: list[str], where: str) -> None:
    """Raise unless these columns hold boards: 16, 36 or 81 characters, digits and '.'; pages show them as they are."""
    for column in names:
        bad = ~df[column].astype("string").str.fullmatch(r"[.0-9]+").fillna(False).to_numpy(
            bool
        ) | ~df[column].str.len().isin([16, 36, 81])
        if bad.any():
            raise TableError(
                f"{where}: column {column} holds no board at {bad_rows(df, bad)}; expected 16, 36 or 81 digits and dots"
            )


def validate_exponents(
    df: pd.DataFrame, where: str, updates_per_segment: int | None
) -> pd.DataFrame:
    """Check that lambda_1..K descend and, given the updates of a segment, that they are the sums of the growths."""
    names = [f"lambda_{i}" for i in range(1, exponents(df) + 1)]
    values = df[names].to_numpy()
    unsorted = (np.diff(values, axis=1) > 1e-7).any(1)
    if unsorted.any():
        raise TableError(
            f"{where}: lambda_1..{len(names)} do not descend at {bad_rows(df, unsorted)}"
        )
    if updates_per_segment:
        sums = np.stack(
            [df[columns(f"growth_{i}")].sum(axis=1) for i in range(1, len(names) + 1)], 1
        ) / (SEGMENTS * updates_per_segment)
        off = (np.abs(-np.sort(-sums, axis=1) - values) > 1e-5).any(1)
        if off.any():
            raise TableError(
                f"{where}: lambda is not the sum of growths / {SEGMENTS * updates_per_segment} updates at {bad_rows(df, off)}"
            )
    return df


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


# --- runs --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A measured run: its name, run.json and validated measurement table."""

    name: str
    meta: dict
    table: pd.DataFrame

    @property
    def updates_per_segment(self) -> int:
        """State updates of one segment: the divisor that turns growth per segment into an exponent per update."""
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
    """run.json of run `name`, with the entries of :data:`META`; :class:`TableError` names what is missing or of another type."""
    path = paths.run_dir(name) / "run.json"
    meta = read_json(path)
    for entry, kind in META.items():
        if type(meta.get(entry)) is not kind:
            raise TableError(
                f"{path}: {entry} is {meta.get(entry)!r:.60}, expected {kind.__name__}; restore the file or measure the run again"
            )
    if meta["updates_per_segment"] < 1:
        raise TableError(
            f"{path}: updates_per_segment is {meta['updates_per_segment']}, expected at least 1"
        )
    return meta


def load_run(name: str) -> Run:
    """The run `name`; an unknown one is refused with the list of those there."""
    meta, file = read_meta(name), paths.run_dir(name) / "measurements.parquet"
    return Run(name, meta, validate(read(file), str(file), meta["updates_per_segment"]))


def load_runs(names: list[str] | None = None) -> dict[str, Run]:
    """{name: Run} of `names`; by default of all runs but the repeats of another."""
    return {name: load_run(name) for name in (original_names() if names is None else names)}


def repeats() -> dict[str, list[str]]:
    """{run: runs that repeat it}: the same model, recipe, step and puzzles from other seeds; the lowest seed is the one repeated."""
    alike: dict[str, list[tuple[int, str]]] = {}
    for name in paths.run_names():
        meta = read_meta(name)
        recipe = meta.get("recipe")
        if isinstance(recipe, dict) and type(recipe.get("seed")) is int and "puzzles" in recipe:
            same = [
                essentials(recipe),
                *(meta.get(k) for k in ("architecture", "step", "puzzles")),
                meta.get("extra_givens", 0),
            ]
            alike.setdefault(json.dumps(same, sort_keys=True), []).append((recipe["seed"], name))
    found = [sorted(group) for group in alike.values()]
    return {
        name: [other for seed, other in rest if seed != first]
        for (first, name), *rest in found
        if any(seed != first for seed, _ in rest)
    }


def original_names() -> list[str]:
    """Names of the runs that repeat no other: the larger board first, then TRM before HRM, then by name."""
    again = {name for names in repeats().values() for name in names}
    metas = {name: read_meta(name) for name in paths.run_names() if name not in again}
    return sorted(
        metas,
        key=lambda name: (-metas[name].get("side", 0), metas[name].get("model") != "trm", name),
    )


def training(meta: dict) -> tuple:
    """What tells one training from another: its wall-clock seconds and its recipe; the run's name where neither is known."""
    seconds = meta.get("training_s")
    return (seconds, str(meta.get("recipe"))) if seconds else (meta.get("name"),)


def checkpoint_steps(meta: dict) -> list[int]:
    """Steps of the checkpoints that were kept along the training of a run, by its run.json.

    They lie in its folder, or, where it says ``checkpoints_elsewhere``, only their SHA-256 ships.
    """
    elsewhere = meta.get("checkpoints_elsewhere", {}).get("sha256", {})
    return meta.get("checkpoints") or [int(name.removeprefix("step_")) for name in elsewhere]


def keeper(run: Run) -> str | None:
    """The run that checkpoints of `run`'s training were kept with, itself first; None: no such."""
    return next(
        (
            name
            for name in dict.fromkeys([run.name, *paths.run_names()])
            if checkpoint_steps(meta := read_meta(name)) and training(meta) == training(run.meta)
        ),
        None,
    )


def read_log(name: str) -> pd.DataFrame:
    """The training log of run `name`: step, examples, elapsed_s, lr, loss, exact, token_acc, ..., eval_exact, eval_token_acc; empty where it ships none, as an imported checkpoint."""
    path = paths.run_dir(name) / "log.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["step"])


def evaluations(name: str) -> pd.DataFrame:
    """The rows of run `name`'s log that hold an evaluation; none where it ships no log, or stopped before the first."""
    log = read_log(name)
    return log.reindex(columns=list(dict.fromkeys([*log, "eval_exact", "eval_token_acc"]))).dropna(
        subset=["eval_exact"]
    )


def nearest(evaluated: pd.DataFrame, step: int) -> pd.Series:
    """The row of :func:`evaluations` at the step nearest to `step`."""
    return evaluated.iloc[(evaluated.step - step).abs().argmin()]


def read_trajectories(name: str) -> pd.DataFrame:
    """idx and the decoded boards answer_01..answer_16 of run `name`, as texts."""
    path = paths.run_dir(name) / "trajectories.parquet"
    df = read(path)
    missing = [c for c in ("idx", *columns("answer")) if c not in df]
    if missing or not pd.api.types.is_integer_dtype(df["idx"]):
        raise TableError(
            f"{path}: {f'missing column {missing[0]}' if missing else 'idx holds no integers'}; measure the run again"
        )
    validate_boards(df, columns("answer"), str(path))
    return df


def published(name: str) -> pd.DataFrame:
    """The paper's own figures: data/published/<name>.csv (claim, quantity, model, n, value, low, high, source, tag)."""
    path = paths.data_dir() / "published" / f"{name}.csv"
    if not path.exists():
        known = sorted(p.stem for p in path.parent.glob("*.csv"))
        raise TableError(f"no published table {name!r}; known: {', '.join(known)}")
    return pd.read_csv(path)


def printed(model: str, quantity: str) -> float:
    """One figure of the paper about a whole model, "TRM" or "HRM": a row of the published table `runs`."""
    return float(published("runs").query("model == @model and quantity == @quantity").value.iloc[0])


def growth_after(df: pd.DataFrame, h: int) -> np.ndarray:
    """(B,) float64: the largest growth of a tangent over segments h + 1..16, nats per segment."""
    sums = [
        df[columns(f"growth_{i}")[h:]].to_numpy("float64").sum(1)
        for i in range(1, exponents(df) + 1)
    ]
    return np.max(sums, axis=0) / (SEGMENTS - h)


def halting_margin(df: pd.DataFrame) -> np.ndarray:
    """(B, T) float64: what halting compares with 0 after each segment: q_halt of a TRM, q_halt - q_continue of an HRM."""
    halt = df[columns("q_halt")].to_numpy("float64")
    return halt - df[columns("q_continue")].to_numpy("float64") if "q_continue_01" in df else halt


def log_drift(drift: np.ndarray) -> np.ndarray:
    """log10 of drift, clipped at :data:`FLOOR`; any shape."""
    return np.log10(np.maximum(drift, FLOOR))


def late(drift: np.ndarray) -> np.ndarray:
    """(B,) late drift at the end of drift (B, T): log10 of the mean of its last four segments."""
    return log_drift(drift[:, -LATE:].astype("float64").mean(1))


def signals_at(df: pd.DataFrame, h: int, updates_per_segment: int) -> dict[str, np.ndarray]:
    """{signal: score (B,)} at horizon h, each in the paper's direction: -lambda1, +drift, +q_halt predict success."""
    return {"lambda1": -lambda_at(df, h, updates_per_segment)} | {
        name: df[f"{name}_{h:02d}"].to_numpy("float64") for name in ("drift_h", "drift_l", "q_halt")
    }


def lambda_at(df: pd.DataFrame, h: int, updates_per_segment: int) -> np.ndarray:
    """(B,) float64: the largest cumulative growth over segments 1..h, divided by their updates."""
    if not 1 <= h <= SEGMENTS:
        raise TableError(f"horizon h={h}: expected 1..{SEGMENTS}")
    sums = [
        df[columns(f"growth_{i}", h)].to_numpy("float64").sum(1)
        for i in range(1, exponents(df) + 1)
    ]
    return np.max(sums, axis=0) / (h * updates_per_segment)
