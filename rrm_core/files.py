"""Files that are never half-written: atomic writes and digests."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path


def write_bytes(data: bytes, path: Path | str) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part.

    A temporary file in the same folder is written, flushed to disk and renamed over `path`. On failure (full disk,
    no permission) the temporary file is removed and an :class:`OSError` says that the old file was kept.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        if isinstance(error, OSError):
            kept = "the earlier file is kept" if path.exists() else "nothing was written"
            raise OSError(error.errno, f"could not write {path} ({error.strerror}); {kept}. Free space or choose another folder") from error
        raise


def write_json(value: object, path: Path | str) -> None:
    """Write `value` as indented JSON, atomically."""
    write_bytes(json.dumps(value, indent=2).encode() + b"\n", path)


def sha256(path: Path | str) -> str:
    """The hexadecimal SHA-256 digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
