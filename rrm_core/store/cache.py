"""Tables that take long to compute, kept on disk until their key or the code changes."""

import contextlib
import functools
import glob
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from rrm_core.store import paths
from rrm_core.store.files import write_bytes

PACKAGE = Path(__file__).resolve().parents[1]


@functools.cache
def code_digest(code: tuple[Path, ...]) -> str:
    """SHA-256 of Python files, alone or in folders: a table must not outlive what made it."""
    files = sorted(file for path in code for file in (path, *path.rglob("*.py")) if file.is_file())
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()


def cached(
    name: str,
    key: dict | list | str,
    make: Callable[[], pd.DataFrame],
    code: tuple[Path, ...] = (PACKAGE,),
) -> pd.DataFrame:
    """The table ``make()``, computed once for each `key` and read from disk from then on.

    It lies in ``_build/.tables`` beside the data folder, one for each `name`. `key` holds all that
    it depends on but the Python files, which stand in or under `code`. Where the folder cannot be
    written, it is only computed.
    """
    text = json.dumps([key, code_digest(code)], sort_keys=True, default=str)
    folder = paths.data_dir().resolve().parent / "_build" / ".tables"
    entry = folder / f"{name}.{hashlib.sha256(text.encode()).hexdigest()[:16]}.parquet"
    with contextlib.suppress(OSError, pa.ArrowException):  # not there, or damaged
        return pd.read_parquet(entry)
    buffer = io.BytesIO()
    make().to_parquet(buffer)
    with contextlib.suppress(OSError):
        write_bytes(buffer.getvalue(), entry)
        for old in set(folder.glob(f"{glob.escape(name)}.{'?' * 16}.parquet")) - {entry}:
            old.unlink()
    return pd.read_parquet(buffer)  # as the next call reads it
