"""Further experiments on a run, each its own small table: ``data/runs/<run>/studies/<name>.parquet`` with its JSON.

A study is a module with ``SETTINGS`` (what it was run with) and ``units``: named pieces of work on a :class:`Subject`, each
giving rows of the table. Finished units are kept on disk, so a killed study goes on where it stopped. What the tables mean
is computed to the right of here, in :mod:`rrm_core.analysis.fates`.
"""

from __future__ import annotations

import importlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from rrm_core.models.recursive import RecursiveModel, load_model, on_device
from rrm_core.runs import measure, tables
from rrm_core.store import paths
from rrm_core.store.files import read_json, sha256, write_json
from rrm_core.sudoku import board as sudoku

NAMES = (
    "evolution",
    "long",
    "fates",
    "restarts",
    "pruning",
    "probes",
    "numerics",
    "recurrence",
    "multi4",
)

Units = dict[str, Callable[[], pd.DataFrame]]


class StudyError(ValueError):
    """A study that does not exist or that this run cannot carry; the message says why."""


@dataclass(frozen=True)
class Subject:
    """A run as an experiment sees it."""

    folder: Path
    meta: dict  # run.json
    table: pd.DataFrame  # the measurement table
    model: RecursiveModel  # the weights that were measured
    scratch: Path  # where a unit may keep what it needs to go on after a kill

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @property
    def inputs(self) -> pd.DataFrame:
        """idx, puzzle, solution, givens and difficulty counts of the run's puzzles."""
        return self.table[["idx", *sudoku.COLUMNS]]

    def chosen(self, n_wrong: int, n_right: int) -> pd.DataFrame:
        """Rows of the table: the first `n_wrong` failures and `n_right` successes (all, where there are fewer), alternating."""
        parts = [
            self.table[~self.table.correct].head(n_wrong),
            self.table[self.table.correct].head(n_right),
        ]
        order = np.argsort(np.concatenate([np.arange(len(p)) for p in parts]), kind="stable")
        return pd.concat(parts).iloc[order].reset_index(drop=True)


def find(name: str) -> object:
    """The module of study `name`; :class:`StudyError` lists those there are."""
    if name not in NAMES:
        raise StudyError(f"unknown study {name!r}; known: {', '.join(NAMES)}")
    return importlib.import_module(f"rrm_core.studies.{name}")


def run(name: str, run_name: str, command: str = "", device: str = "cpu") -> list[Path]:
    """Make study `name` of a run; returns the files written. Units that a killed call had finished are not repeated."""
    module, folder = find(name), paths.run_dir(run_name)
    loaded = tables.load_run(run_name)
    parts = folder / "parts" / name
    model = on_device(load_model(folder), device)
    subject = Subject(folder, loaded.meta, loaded.table, model, parts)
    key = {"weights": sha256(folder / "model.safetensors"), "settings": module.SETTINGS}
    note = parts / "key.json"
    try:
        same = not note.exists() or read_json(note) == json.loads(json.dumps(key))
    except ValueError:
        same = False  # a key that cannot be read vouches for nothing
    if not same:
        raise StudyError(
            f"{parts} holds parts of another {name} study, or a damaged key.json; remove it to start again"
        )
    write_json(key, note)
    units, started = module.units(subject), time.monotonic()
    for unit, work in tqdm(units.items(), desc=name, unit="unit"):
        target = parts / f"{unit}.parquet"
        if not target.exists():
            tables.write(work(), target)
    table = pd.concat([tables.read(parts / f"{unit}.parquet") for unit in units], ignore_index=True)
    out = folder / "studies"
    tables.write(table, out / f"{name}.parquet")
    record = {
        "study": name,
        "run": run_name,
        "settings": module.SETTINGS,
        "weights": key["weights"],
        "rows": len(table),
        "units": len(units),
    }
    record |= {
        "wall_s": round(time.monotonic() - started, 1),
        "device": measure.named_device(device),
        "command": command,
        **measure.environment(),
    }
    write_json(record, out / f"{name}.json")
    shutil.rmtree(parts)
    measure.seal(folder, read_json(folder / "run.json"))
    return [out / f"{name}.parquet", out / f"{name}.json", folder / "run.json"]
