"""data/MANIFEST: the digest, row count and origin of every shipped data file, and the check that all of it still holds."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd

from rrm_core.store import paths
from rrm_core.store.files import locked, passing, read_json, sha256, write_bytes

FIELDS = ["path", "sha256", "rows", "command"]


def rows_in(path: Path) -> str:
    """Number of table rows of a CSV or Parquet file, as the MANIFEST has it; empty for anything else."""
    if path.suffix == ".parquet":
        import pyarrow.parquet

        return str(pyarrow.parquet.read_metadata(path).num_rows)
    return str(len(pd.read_csv(path))) if path.name.endswith((".csv", ".csv.gz")) else ""


def entries(root: Path) -> dict[str, dict]:
    """{path below data/: its line} of ``root/MANIFEST``; empty when there is none."""
    path = root / "MANIFEST"
    if not path.exists():
        return {}
    reader = csv.DictReader(io.StringIO(path.read_text()), dialect="excel-tab")
    if list(reader.fieldnames or FIELDS) != FIELDS:
        raise ValueError(
            f"{path}: its first line is not {' '.join(FIELDS)}, separated by tabs; restore it"
        )
    return {row["path"]: row for row in reader}


def record(files: list[Path], command: str) -> None:
    """Enter `files`, made by `command`, into the MANIFEST; lines of files that no longer exist are dropped."""
    root = paths.data_dir()
    lines = {}
    for file in files:
        name = Path(file).resolve().relative_to(root.resolve()).as_posix()
        lines[name] = {
            "path": name,
            "sha256": sha256(file),
            "rows": rows_in(Path(file)),
            "command": command,
        }
    with locked(
        root / "MANIFEST"
    ):  # two commands at the same time must not lose each other's lines
        known = {name: row for name, row in entries(root).items() if (root / name).exists()} | lines
        out = io.StringIO()
        writer = csv.DictWriter(out, FIELDS, dialect="excel-tab", lineterminator="\n")
        writer.writeheader()
        writer.writerows(known[name] for name in sorted(known))
        write_bytes(out.getvalue().encode(), root / "MANIFEST")


def unrecorded(files: list[Path]) -> list[Path]:
    """Those of `files` whose present content the MANIFEST does not list."""
    root = paths.data_dir()
    known = entries(root)
    return [
        f
        for f in files
        if known.get(f.resolve().relative_to(root.resolve()).as_posix(), {}).get("sha256")
        != sha256(f)
    ]


def verify() -> list[str]:
    """Everything that is wrong with data/, as sentences; an empty list means every file is the one that was shipped."""
    root = paths.data_dir()
    known = entries(root)
    present = {p.relative_to(root) for p in root.rglob("*") if p.is_file() and not passing(p)}
    present = {p.as_posix() for p in present if "parts" not in p.parts} - {"MANIFEST"}
    wrong = [f"{name}: listed in MANIFEST, not there" for name in sorted(known.keys() - present)]
    wrong += [f"{name}: there, not listed in MANIFEST" for name in sorted(present - known.keys())]
    for name in sorted(known.keys() & present):
        if sha256(root / name) != known[name]["sha256"]:
            wrong.append(
                f"{name}: its SHA-256 is not the one in MANIFEST; restore the file or re-run `{known[name]['command']}`"
            )
        elif rows_in(root / name) != known[name]["rows"]:
            wrong.append(
                f"{name}: {rows_in(root / name)} rows, MANIFEST says {known[name]['rows']}"
            )
    for note in sorted(root.glob("runs/*/run.json")):
        where = note.parent.relative_to(root).as_posix()
        try:
            digests = read_json(note).get("files")
        except ValueError as error:
            wrong.append(str(error))
            continue
        if not isinstance(digests, dict):
            wrong.append(f"{where}/run.json: no digests of files; measure the run again")
            continue
        wrong += [
            f"{where}/{f}: differs from the digest in run.json"
            for f, d in digests.items()
            if f"{where}/{f}" in present and sha256(note.parent / f) != d
        ]
    return wrong
