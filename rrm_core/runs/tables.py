"""Runs and their tables, read and written; what is read off a table; the paper's own figures."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from rrm_core.models.config import SEGMENTS
from rrm_core.runs.schema import TableError, columns, exponents, numbered, validate, validate_boards
from rrm_core.store import paths
from rrm_core.store.cache import cached
from rrm_core.store.files import read_json, sha256, write_bytes
from rrm_core.training.recipes import essentials

K = 8  # tangents of a shipped run
LATE = 4  # segments of late drift: the last four, 13 to 16
FLOOR = 1e-12  # a drift below this counts as this
META = {"model": str, "side": int, "parameters": int, "updates_per_segment": int, "k": int}
META |= {"seed": int, "files": dict}  # what run.json must hold


def write(df: pd.DataFrame, path: Path | str) -> None:
    """Write `df` as Parquet (zstd), atomically: a reader sees the old file or the new one.

    Bytes of one place in all numbers of a column stand together: a quarter less for measured ones.
    """
    floats = [name for name in df if pd.api.types.is_float_dtype(df[name])]
    packed = {"use_byte_stream_split": floats, "use_dictionary": [c for c in df if c not in floats]}
    buffer = io.BytesIO()
    df.to_parquet(buffer, index=False, compression="zstd", **packed)
    write_bytes(buffer.getvalue(), path)


def read(path: Path | str) -> pd.DataFrame:
    """A Parquet file as a table; :class:`TableError` when it is absent or damaged."""
    from pyarrow import ArrowException

    try:
        return pd.read_parquet(path)
    except FileNotFoundError:
        raise TableError(f"{path} is not there; measure the run with `rrm measure`") from None
    except (ArrowException, OSError, ValueError) as error:
        reason = f"is not a readable Parquet file ({error}); restore it and run `rrm verify`"
        raise TableError(f"{path} {reason}") from None


@dataclass(frozen=True, eq=False)
class Run:
    """A measured run: its name, run.json and validated measurement table. Equal only to itself."""

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

    @cached_property
    def content(self) -> list:
        """What is computed from the run hangs on this: its table, and its files by digest."""
        rows = pd.util.hash_pandas_object(self.table.assign(columns=" ".join(self.table)))
        return [int(rows.sum()), self.updates_per_segment, self.meta["files"]]


def read_meta(name: str) -> dict:
    """run.json of run `name`, refused where an entry of :data:`META` is missing or another type."""
    path = paths.run_dir(name) / "run.json"
    meta = read_json(path)
    for entry, kind in META.items():
        if type(value := meta.get(entry)) is not kind:
            wanted = f"{entry} is {value!r:.60}, expected {kind.__name__}"
            raise TableError(f"{path}: {wanted}; restore the file or measure the run again")
    if (updates := meta["updates_per_segment"]) < 1:
        raise TableError(f"{path}: updates_per_segment is {updates}, expected at least 1")
    return meta


def weights_digest(meta: dict) -> str | None:
    """SHA-256 of the weights of a run as one file, by its run.json."""
    return meta.get("weights") or meta["files"].get("model.safetensors")


def checked(df: pd.DataFrame, file: Path, check: Callable, *expected: object) -> pd.DataFrame:
    """`df`, read from `file`, refused by ``check(df, where, *expected)``; the same bytes once."""
    made = lambda: check(df, str(file), *expected)[["idx"]]  # noqa: E731
    cached(f"checked-{file.parent.name}-{file.stem}", [sha256(file), expected], made)
    return df


def load_run(name: str) -> Run:
    """The run `name`; an unknown one is refused with the list of those there."""
    meta, file = read_meta(name), paths.run_dir(name) / "measurements.parquet"
    parts, scores = meta.get("parts", ["z_H", "z_L"]), meta.get("scores", ["q_halt"])
    shape = meta.get("segments", SEGMENTS), len(parts), scores
    df, expected = read(file), (meta["updates_per_segment"], meta["k"], *shape)
    return Run(name, meta, checked(df, file, validate, *expected))


def load_runs(names: list[str] | None = None) -> dict[str, Run]:
    """{name: Run} of `names`; by default of all runs but the repeats of another."""
    return {name: load_run(name) for name in (original_names() if names is None else names)}


def repeats() -> dict[str, list[str]]:
    """{run: runs that repeat it}: all alike but the seed; the lowest seed is the one repeated."""
    alike: dict[str, list[tuple[int, str]]] = {}
    for name in paths.run_names():
        meta = read_meta(name)
        recipe = meta.get("recipe")
        if isinstance(recipe, dict) and {"seed", "puzzles"} <= recipe.keys():  # not of an import
            shared = {key: meta.get(key) for key in ("architecture", "step", "puzzles")}
            shared |= {"recipe": essentials(recipe), "givens": meta.get("extra_givens", 0)}
            key = json.dumps(shared, sort_keys=True)
            alike.setdefault(key, []).append((recipe["seed"], name))
    found = {}
    for group in alike.values():
        (first, name), *rest = sorted(group)
        if again := [other for seed, other in rest if seed != first]:
            found[name] = again
    return found


def original_names() -> list[str]:
    """Names of the runs that repeat no other: larger boards first, TRM before HRM, then by name."""
    again = {name for names in repeats().values() for name in names}
    metas = {name: read_meta(name) for name in paths.run_names() if name not in again}
    return sorted(metas, key=lambda n: (-metas[n]["side"], metas[n]["model"] != "trm", n))


def read_log(name: str) -> pd.DataFrame:
    """The training log of run `name`: step, loss, exact, eval_exact, ...; empty without one."""
    path = paths.run_dir(name) / "log.csv"
    log = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["step"])
    return log if "eval_exact" in log else log.assign(eval_exact=np.nan, eval_token_acc=np.nan)


def read_trajectories(name: str) -> pd.DataFrame:
    """idx and the decoded boards answer_01..answer_16 of run `name`, as texts."""
    path = paths.run_dir(name) / "trajectories.parquet"
    return checked(read(path), path, validate_boards)


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


def segments(df: pd.DataFrame) -> int:
    """T, the segments of a measurement table."""
    return len(numbered(df, "correct"))


def last_q_halt(df: pd.DataFrame) -> np.ndarray:
    """(B,) q_halt of the last segment."""
    return df[f"q_halt_{segments(df):02d}"].to_numpy("float64")


def log_drift(drift: np.ndarray) -> np.ndarray:
    """log10 of drift, clipped at :data:`FLOOR`; any shape."""
    return np.log10(np.maximum(drift, FLOOR))


def late(drift: np.ndarray) -> np.ndarray:
    """(B,) late drift at the end of drift (B, T): log10 of the mean of its last four segments."""
    return log_drift(drift[:, -LATE:].astype("float64").mean(1))


def halting_margin(df: pd.DataFrame) -> np.ndarray:
    """(B, T) what halting compares with 0: q_halt of a TRM, q_halt - q_continue of an HRM."""
    halt = df[numbered(df, "q_halt")].to_numpy("float64")
    return halt - df[numbered(df, "q_continue")].to_numpy() if "q_continue_01" in df else halt


def lambda_at(df: pd.DataFrame, h: int, updates_per_segment: int) -> np.ndarray:
    """(B,) largest growth of a tangent over segments 1..h, nats an update; NaN if there is none."""
    if not 1 <= h <= (most := segments(df)):
        raise TableError(f"horizon h={h}: expected 1..{most}")
    tangents = [columns(f"growth_{i}", h) for i in range(1, exponents(df) + 1)]
    sums = [df[names].to_numpy("float64").sum(1) for names in tangents]
    return np.max(sums or [np.full(len(df), np.nan)], axis=0) / (h * updates_per_segment)


def signals_at(df: pd.DataFrame, h: int, updates_per_segment: int) -> dict[str, np.ndarray]:
    """{signal: score (B,)} at horizon h; each as the paper has it: higher, likelier solved."""
    scores = {"lambda1": -lambda_at(df, h, updates_per_segment)}
    for name in ("drift_h", "drift_l", "q_halt"):
        if (column := f"{name}_{h:02d}") in df:
            scores[name] = df[column].to_numpy("float64")
    return scores
