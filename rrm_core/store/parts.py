"""A measurement in parts, marked with what it measures: one file, written whole, of each chunk.

It holds the rows of both tables, measurements and decoded boards (``answer_01`` ...).
"""

import contextlib
import io
import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from rrm_core.store.files import write_bytes

KEY = b"rrm_core.measurement"


def path_of(folder: Path, start: int) -> Path:
    """The file of the part whose first puzzle is row `start`."""
    return folder / f"part_{start:06d}.parquet"


def write(table: pd.DataFrame, texts: pd.DataFrame, path: Path, key: dict) -> None:
    """Write one part, atomically, marked with `key`."""
    merged = table.merge(texts, on="idx", validate="one_to_one")
    both = pa.Table.from_pandas(merged, preserve_index=False)
    marked = both.schema.metadata | {KEY: json.dumps(key).encode()}
    buffer = io.BytesIO()
    pq.write_table(both.replace_schema_metadata(marked), buffer, compression="zstd")
    write_bytes(buffer.getvalue(), path)


def read(folder: Path, starts: list[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(measurements, trajectories) of all parts, in order."""
    both = pd.concat([pd.read_parquet(path_of(folder, s)) for s in starts], ignore_index=True)
    answers = [c for c in both if c.startswith("answer_")]
    return both.drop(columns=answers), both[["idx", *answers]]


def key_of(path: Path) -> dict | None:
    """What a part measures; None where it is not there or damaged, so that it is made again."""
    try:
        return json.loads((pq.read_schema(path).metadata or {}).get(KEY, b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return None


def missing(folder: Path, starts: list[int], key: dict) -> list[int]:
    """Those of `starts` whose part of this very measurement is not there."""
    return [s for s in starts if key_of(path_of(folder, s)) != key]


def refuse_foreign(folder: Path, key: dict) -> None:
    """ValueError where `folder` has a part of another measurement; what differs."""
    for path in sorted(folder.glob("part_*.parquet")):
        other = key_of(path)
        if other not in (None, key):
            differs = {n: (other.get(n), v) for n, v in key.items() if other.get(n) != v}
            raise ValueError(
                f"{folder} holds parts of another measurement: {differs} (there, asked); "
                "remove it, ask for the same, or add --replace"
            )


def remove(folder: Path) -> None:
    """Remove parts, and what kills left of them; those of studies, in folders below, stay."""
    for path in folder.glob("*part_*.parquet*"):
        path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()
