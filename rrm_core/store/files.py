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

    A temporary file in the same folder is written, flushed to disk and renamed over `path`. On failure (full disk,
    no permission) the temporary file is removed and an :class:`OSError` says that the old file was kept. A process
    that was killed leaves its temporary file; the next write of `path` removes it.
    """
    path, name = Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        handle, name = temporary(path)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
    except BaseException as error:
        if name is not None:
            with contextlib.suppress(OSError):
                os.unlink(name)
        if isinstance(error, OSError):
            kept = "the earlier file is kept" if path.exists() else "nothing was written"
            raise OSError(
                error.errno,
                f"could not write {path} ({error.strerror}); {kept}. Free space or choose another folder",
            ) from error
        raise


def temporary(path: Path) -> tuple[int, str]:
    """(open handle, name) of a new temporary file of `path`, locked: the lock says that its writer lives, and ends with the process."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        lock(handle)
        if os.fstat(handle).st_nlink:
            return handle, name
        os.close(handle)  # another process took it for abandoned before it was locked


def remove_abandoned(path: Path) -> None:
    """Remove temporary files of `path` whose writer is dead; those of a living writer are locked and stay."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), open(left, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def lock(handle: int) -> None:
    """Lock an open file, waiting for whoever holds it; does nothing on a file system without locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


@contextlib.contextmanager
def locked(path: Path | str) -> Iterator[None]:
    """While inside, no other process is inside ``locked`` of the same `path`; held by a hidden file beside it."""
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
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not readable as JSON ({error}); restore it and run `rrm verify`"
        ) from None
    if not isinstance(value, dict):
        raise ValueError(
            f"{path} holds a {type(value).__name__}, expected a JSON object; restore it and run `rrm verify`"
        )
    return value


def sha256(path: Path | str) -> str:
    """The hexadecimal SHA-256 digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
