"""Where data/ is, and which runs it holds."""

import os
import re
from pathlib import Path

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,79}")


def data_dir() -> Path:
    """``$RRM_DATA``, else ``data`` (with a MANIFEST) of the nearest parent or of the checkout."""
    if given := os.environ.get("RRM_DATA"):
        return Path(given)
    here, checkout = Path.cwd(), Path(__file__).resolve().parents[2]
    for folder in (here, *here.parents, checkout):
        if (folder / "data" / "MANIFEST").exists():
            return folder / "data"
    where = f"{here}, above it and in {checkout}"
    raise FileNotFoundError(f"no data folder: $RRM_DATA is not set; no data/MANIFEST in {where}")


def safe_name(name: str) -> str:
    """`name`, refused where it could leave its folder or surprise a file system."""
    if not NAME.fullmatch(name):
        allowed = "lower-case letters, digits, '.', '_', '-', at most 80, the first no sign"
        raise ValueError(f"run name {name[:80]!r}: expected {allowed}")
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
