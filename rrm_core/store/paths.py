"""Where data/ is, and which runs it holds."""

import os
import re
from pathlib import Path

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


class UnknownRun(ValueError):
    """A run that is not there, or a name that no run can have."""


def data_dir() -> Path:
    """``$RRM_DATA``, else ``data`` of the nearest parent folder that has it, else of the checkout.

    A ``data`` folder is known by its MANIFEST.
    """
    if given := os.environ.get("RRM_DATA"):
        return Path(given)
    here, checkout = Path.cwd(), Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, checkout):
        if (folder / "data" / "MANIFEST").exists():
            return folder / "data"
    raise FileNotFoundError(
        f"no data folder: $RRM_DATA is not set, and neither {here}, a parent of it nor {checkout} "
        "has data/MANIFEST"
    )


def safe_name(name: str) -> str:
    """`name`, refused where it could leave its folder or surprise a file system."""
    if not NAME.fullmatch(name):
        raise UnknownRun(
            f"run name {name[:80]!r}: expected lower-case letters, digits, '.', '_', '-', "
            "at most 80, beginning with a letter or digit"
        )
    return name


def run_names() -> list[str]:
    """Names of the runs in data/runs that have been measured, sorted."""
    folders = [note.parent.name for note in (data_dir() / "runs").glob("*/run.json")]
    return sorted(filter(NAME.fullmatch, folders))


def run_dir(name: str) -> Path:
    """The folder of run `name`; :class:`UnknownRun` lists those there are."""
    if safe_name(name) not in run_names():
        known = ", ".join(run_names()) or "none yet"
        raise UnknownRun(f"unknown run {name!r}; known: {known}. Measure one with `rrm measure`")
    return data_dir() / "runs" / name
