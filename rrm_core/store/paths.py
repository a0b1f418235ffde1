"""Where data/ is, and which runs it holds."""

from __future__ import annotations

import os
import re
from pathlib import Path

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


class UnknownRun(ValueError):
    """A run that is not there, or a name that no run can have."""


def data_dir() -> Path:
    """The data folder.

    It is ``$RRM_DATA``, else that of the nearest parent folder with ``data/MANIFEST``, else that of
    the installed checkout.
    """
    given = os.environ.get("RRM_DATA")
    if given:
        return Path(given)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "data" / "MANIFEST").exists():
            return folder / "data"
    checkout = Path(__file__).resolve().parents[2] / "data"
    if checkout.exists():
        return checkout
    raise FileNotFoundError(
        f"no data folder: $RRM_DATA is not set, no parent of {here} has data/MANIFEST, "
        f"and {checkout} is not there"
    )


def safe_name(name: str) -> str:
    """`name`, refused where it could leave its folder or surprise a file system."""
    if not NAME.fullmatch(str(name)):
        shown = str(name) if len(str(name)) <= 80 else f"{str(name)[:80]}..."
        raise UnknownRun(
            f"run name {shown!r}: expected lower-case letters, digits, '.', '_', '-', "
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
