"""data/MANIFEST: digest, row count and origin of every shipped file, and the check of them all."""

import contextlib
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
    if not (root / "MANIFEST").exists():
        return pd.DataFrame(columns=FIELDS).set_index("path")
    try:
        found = pd.read_csv(root / "MANIFEST", sep="\t", dtype=str, keep_default_na=False)
    except ValueError:  # empty, or no table at all
        found = pd.DataFrame()
    if list(found) != FIELDS:
        expected = f"{' '.join(FIELDS)}, separated by tabs; restore it"
        raise ValueError(f"{root / 'MANIFEST'}: its first line is not {expected}")
    if (twice := found.path[found.path.duplicated()]).any():
        raise ValueError(f"{root / 'MANIFEST'}: {twice.iloc[0]} stands twice; keep the right line")
    return found.set_index("path")


def owner(name: Path) -> tuple[str, ...]:
    """The folder of a run, or the file itself, that `name` in data/ belongs to."""
    return name.parts[:2]


def record(files: list[Path], command: str) -> None:
    """Enter `files` that are new or changed, made by `command`.

    What is gone beside them, in the same run, is dropped; what is gone elsewhere was lost.
    """
    root = paths.data_dir()
    with locked(root / "MANIFEST"):  # two commands at once must not lose each other's lines
        known = entries(root)
        for file in files:
            name, digest = file.resolve().relative_to(root.resolve()).as_posix(), sha256(file)
            if known.sha256.get(name) != digest:
                known.loc[name] = [digest, rows_in(file), command]
        owners = {owner(file.resolve().relative_to(root.resolve())) for file in files}
        kept = [(root / name).exists() or owner(Path(name)) not in owners for name in known.index]
        known = known[kept].sort_index()
        text = known.to_csv(sep="\t", lineterminator="\n", index_label="path")
        write_bytes(text.encode(), root / "MANIFEST")


def verify() -> list[str]:
    """Everything that is wrong with data/, as sentences; none where all is as it was shipped."""
    root = paths.data_dir()
    known, digests, wrong = entries(root), {}, []
    for path in sorted(p for p in root.rglob("*") if p.is_file() and not passing(p)):
        name = path.relative_to(root).as_posix()
        if name == "MANIFEST" or "/parts/" in f"/{name}" or name.startswith("collections/"):
            continue  # work in progress, and what a reader put there
        digests[name] = sha256(path)
        if name not in known.index:
            wrong.append(f"{name}: there, not listed in MANIFEST")
        elif digests[name] != known.sha256[name]:
            hint = f"restore the file or re-run `{known.command[name]}`"
            wrong.append(f"{name}: its SHA-256 is not the one in MANIFEST; {hint}")
        elif rows_in(path) != known.rows[name]:
            wrong.append(f"{name}: {rows_in(path)} rows, MANIFEST says {known.rows[name]}")
    missing = sorted(set(known.index) - digests.keys())
    wrong = [f"{name}: listed in MANIFEST, not there" for name in missing] + wrong
    for note in sorted(root.glob("runs/*/run.json")):  # which has digests of its own
        where = note.parent.relative_to(root).as_posix()
        with contextlib.suppress(ValueError, KeyError, AttributeError):  # damaged, said above
            for file, digest in read_json(note)["files"].items():
                if digests.get(f"{where}/{file}", digest) != digest:
                    wrong.append(f"{where}/{file}: differs from the digest in run.json")
    return wrong
