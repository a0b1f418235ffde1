"""Tables that take long to compute, kept on disk until their key or the code changes."""

from __future__ import annotations

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


def cached(name: str, key: dict | str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The table ``make()``, computed once for each `key` and read from disk from then on.

    It lies in ``_build/.tables`` beside the data folder, one table for each `name`: another key, or
    a change of the package's code, replaces it. `key` holds all that the table depends on, such as
    digests of the files it comes from. Where the folder cannot be written, it is only computed.
    """
    text = json.dumps([key, code_digest()], sort_keys=True, default=str)
    entry = f"{name}.{hashlib.sha256(text.encode()).hexdigest()[:16]}.parquet"
    with contextlib.suppress(OSError, pa.ArrowException):  # not there, or damaged
        return pd.read_parquet(tables_dir() / entry)
    buffer = io.BytesIO()
    make().to_parquet(buffer)
    with contextlib.suppress(OSError):
        write_bytes(buffer.getvalue(), tables_dir() / entry)
        for old in tables_dir().glob(f"{glob.escape(name)}.{'?' * 16}.parquet"):
            if old.name != entry:
                old.unlink()
    return pd.read_parquet(buffer)  # as the next call reads it


def tables_dir() -> Path:
    """A hidden folder of ``_build``, in the project that holds the data folder."""
    return paths.data_dir().resolve().parent / "_build" / ".tables"


@functools.cache
def code_digest() -> str:
    """SHA-256 of the package's Python files: a table must not outlive the code that made it."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(package.rglob("*.py"))
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
