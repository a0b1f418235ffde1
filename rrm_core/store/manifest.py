"""data/MANIFEST: digest, row count and origin of every shipped file, and the check of them all."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from rrm_core.store import paths
from rrm_core.store.files import locked, passing, read_json, sha256, write_bytes

FIELDS = ["path", "sha256", "rows", "command"]


def rows_in(path: Path) -> str:
    """Number of rows of a CSV or Parquet file, as the MANIFEST has it; empty for anything else."""
    if path.suffix == ".parquet":
        return str(pq.read_metadata(path).num_rows)
    return str(len(pd.read_csv(path))) if path.name.endswith((".csv", ".csv.gz")) else ""


def entries(root: Path) -> pd.DataFrame:
    """sha256, rows and command, as texts, by path below `root`, of ``root/MANIFEST``, if any."""
    path = root / "MANIFEST"
    if not path.exists():
        return pd.DataFrame(columns=FIELDS).set_index("path")
    found = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    if list(found) != FIELDS:
        raise ValueError(
            f"{path}: its first line is not {' '.join(FIELDS)}, separated by tabs; restore it"
        )
    return found.set_index("path")


def below(root: Path, file: Path) -> str:
    """The name that the MANIFEST has for `file`."""
    return Path(file).resolve().relative_to(root.resolve()).as_posix()


def record(files: list[Path], command: str) -> None:
    """Enter `files`, made by `command`, into the MANIFEST; files that are gone are dropped."""
    root = paths.data_dir()
    lines = [(below(root, f), sha256(f), rows_in(Path(f)), command) for f in files]
    new = pd.DataFrame(lines, columns=FIELDS).set_index("path")
    with locked(root / "MANIFEST"):  # two commands at once must not lose each other's lines
        known = entries(root).drop(new.index, errors="ignore")
        known = known[[(root / name).exists() for name in known.index]]
        text = pd.concat([known, new]).sort_index().to_csv(sep="\t", lineterminator="\n")
        write_bytes(text.encode(), root / "MANIFEST")


def unrecorded(files: list[Path]) -> list[Path]:
    """Those of `files` whose present content the MANIFEST does not list."""
    root = paths.data_dir()
    known = entries(root).sha256
    return [f for f in files if known.get(below(root, f)) != sha256(f)]


def verify() -> list[str]:
    """Everything that is wrong with data/, as sentences; none where all is as it was shipped."""
    root = paths.data_dir()
    known = entries(root)
    present = {p.relative_to(root) for p in root.rglob("*") if p.is_file() and not passing(p)}
    present = {p.as_posix() for p in present if "parts" not in p.parts} - {"MANIFEST"}
    listed = set(known.index)
    wrong = [f"{name}: listed in MANIFEST, not there" for name in sorted(listed - present)]
    wrong += [f"{name}: there, not listed in MANIFEST" for name in sorted(present - listed)]
    digests = {name: sha256(root / name) for name in sorted(present)}
    for name in sorted(listed & present):
        line = known.loc[name]
        if digests[name] != line.sha256:
            hint = f"restore the file or re-run `{line.command}`"
            wrong.append(f"{name}: its SHA-256 is not the one in MANIFEST; {hint}")
        elif rows_in(root / name) != line.rows:
            wrong.append(f"{name}: {rows_in(root / name)} rows, MANIFEST says {line.rows}")
    return wrong + runs_wrong(root, digests)


def runs_wrong(root: Path, digests: dict[str, str]) -> list[str]:
    """What differs between `digests`, by path below `root`, and those that each run.json has."""
    wrong = []
    for note in sorted(root.glob("runs/*/run.json")):
        where = note.parent.relative_to(root).as_posix()
        try:
            files = read_json(note).get("files")
        except ValueError as error:
            wrong.append(str(error))
            continue
        if not isinstance(files, dict):
            wrong.append(f"{where}/run.json: no digests of files; measure the run again")
            continue
        differ = [f for f, digest in files.items() if digests.get(f"{where}/{f}", digest) != digest]
        wrong += [f"{where}/{f}: differs from the digest in run.json" for f in differ]
    return wrong
