"""Files that are never half-written: atomic writes, locks and digests."""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

ABANDONED = 3600  # seconds after which a temporary file has no writer any more


def write_bytes(data: bytes, path: Path | str) -> None:
    """Write `data` to `path` so that a reader sees the old file or the new one, never a part.

    A temporary file beside it is written, flushed to disk and renamed. A kill leaves it; the next
    write of `path` after an hour removes it.
    """
    path = Path(path)
    new = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
            with contextlib.suppress(FileNotFoundError):  # another process removed it
                if time.time() - old.stat().st_mtime > ABANDONED:
                    old.unlink()
        with open(new, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        with contextlib.suppress(OSError):  # no file, or no folder that could hold one
            new.unlink()
        kept = "the earlier file is kept" if path.exists() else "nothing was written"
        what = f"could not write {path} ({error.strerror}); {kept}"
        raise OSError(error.errno, f"{what}. Free space or choose another folder") from error


@contextlib.contextmanager
def locked(path: Path | str) -> Iterator[None]:
    """While inside, no other process is inside ``locked`` of `path`; a hidden file beside it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "w") as file:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
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
