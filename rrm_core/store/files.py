"""Files that are never half-written: atomic writes, locks and digests."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


def write_bytes(data: bytes, path: Path | str) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part.

    A temporary file in the same folder is written, flushed to disk and renamed over `path`. On
    failure (full disk, no permission) it is removed and an :class:`OSError` says that the old file
    was kept. A process that was killed leaves it; the next write of `path` removes it.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        with temporary(path) as (file, name):
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
    except OSError as error:
        kept = "the earlier file is kept" if path.exists() else "nothing was written"
        what = f"could not write {path} ({error.strerror}); {kept}"
        raise OSError(error.errno, f"{what}. Free space or choose another folder") from error


@contextlib.contextmanager
def temporary(path: Path) -> Iterator[tuple]:
    """(open file, name) of a new temporary file of `path`, removed where an error is raised.

    It is locked: the lock says that its writer lives, and ends with the process.
    """
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        lock(handle)
        if os.fstat(handle).st_nlink:
            break
        os.close(handle)  # another process took it for abandoned before it was locked
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, name
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def remove_abandoned(path: Path) -> None:
    """Remove temporary files of `path` whose writer is dead; locked ones stay."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), open(left, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def lock(handle: int) -> None:
    """Lock an open file, waiting for whoever holds it; nothing on a file system without locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


@contextlib.contextmanager
def locked(path: Path | str) -> Iterator[None]:
    """While inside, no other process is inside ``locked`` of `path`; a hidden file beside it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "w") as file:
        lock(file.fileno())
        yield


def passing(path: Path) -> bool:
    """Whether `path` is a temporary or lock file of this module, no file of anybody's."""
    return path.name.startswith(".") and path.suffix in (".tmp", ".lock")


def write_json(value: object, path: Path | str) -> None:
    """Write `value` as indented JSON, atomically."""
    write_bytes(json.dumps(value, indent=2).encode() + b"\n", path)


def read_json(path: Path | str) -> dict:
    """The JSON object in `path`; ValueError naming the file when it holds anything else."""
    try:
        value = json.loads(Path(path).read_bytes())
        if not isinstance(value, dict):
            raise ValueError(f"holds a {type(value).__name__}, expected a JSON object")
    except (ValueError, RecursionError) as error:
        hint = "restore it and run `rrm verify`"
        raise ValueError(f"{path} is not readable as JSON ({error}); {hint}") from None
    return value


def sha256(path: Path | str) -> str:
    """The hexadecimal SHA-256 digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
