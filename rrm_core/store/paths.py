"""Where data/ is, and which runs it holds."""

import contextlib
import os
import re
from functools import partial
from pathlib import Path

import yaml

OTHERWISE = ("none", "y", "n")  # texts to PyYAML, nothing or a truth value to other readers
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def data_dir() -> Path:
    """``$RRM_DATA``, else ``data`` (with a MANIFEST) of the nearest parent or of the checkout."""
    if given := os.environ.get("RRM_DATA"):
        return Path(given)
    here, checkout = Path.cwd(), Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, checkout):
        if (folder / "data" / "MANIFEST").exists():
            return folder / "data"
    where = f"no data/MANIFEST in {here}, above it and in {checkout}"
    mend = "work in a clone of the repository, or set RRM_DATA to its folder data"
    raise FileNotFoundError(f"no data folder: $RRM_DATA is not set; {where}; {mend}")


def safe_name(name: str, what: str = "run") -> str:
    """`name`, refused where it could leave its folder or surprise a file system."""
    if not NAME.fullmatch(name):
        allowed = "lower-case letters, digits, '.', '_', '-', at most 80, the first no sign"
        raise ValueError(f"{what} name {name[:80]!r}: expected {allowed}")
    return name


def reads_as_text(name: str) -> bool:
    """Whether papermill (``-p`` and ``-y``) hands `name` on as it is: no number, date, truth."""
    for read in (float, partial(int, base=0)):
        with contextlib.suppress(ValueError):
            read(name)
            return False
    try:
        return isinstance(yaml.safe_load(name), str) and name not in OTHERWISE
    except ValueError:  # a date or number that is none
        return False


def new_name(name: str) -> str:
    """`name` for a run that is made now, refused where a notebook would read something else."""
    if not reads_as_text(safe_name(name)):
        why = "papermill reads it as a number, a date, a truth value or nothing"
        raise ValueError(f"run name {name!r}: {why}; put a word before it, as run-{name}")
    return name


def run_names() -> list[str]:
    """Names of the runs in data/runs that have been measured, sorted."""
    folders = [note.parent.name for note in (data_dir() / "runs").glob("*/run.json")]
    return sorted(filter(NAME.fullmatch, folders))


def run_dir(name: str) -> Path:
    """The folder of run `name`; ValueError lists those there are."""
    if safe_name(name) not in run_names():
        known = ", ".join(run_names()) or "none yet"
        raise ValueError(f"unknown run {name!r}; known: {known}. Measure one with `rrm measure`")
    return data_dir() / "runs" / name
