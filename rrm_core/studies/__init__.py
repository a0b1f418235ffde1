"""Further experiments on a run, one a file: ``data/runs/<run>/studies/<name>.parquet`` with JSON.

A study is a module with ``SETTINGS``, what it was run with, and ``units``: named pieces of work on
a :class:`Subject`, each giving rows of the table. Finished units are kept on disk, so a killed
study goes on where it stopped. It imports the rooms before it; what the tables mean is computed in
:mod:`rrm_core.analysis`.
"""

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from rrm_core.dynamics.contract import Reasoner, device_of
from rrm_core.models import factory
from rrm_core.models.config import SEGMENTS
from rrm_core.runs import folder, measure, tables
from rrm_core.store import paths
from rrm_core.store.files import locked, read_json, write_json
from rrm_core.sudoku import board

NAMES = ["evolution", "long", "fates", "restarts", "numerics", "recurrence", "lags", "recorded"]
NAMES += ["precision", "rounding", "elsewhere", "multi4", "frames"]

Units = dict[str, Callable[[], pd.DataFrame]]

LARGE = 4_000_000  # parameters: from here on a rollout takes seconds, so that fewer are followed
MEASURED = ["architecture", "puzzles", "boards", "n", "extra_givens", "segments", "dtype", "seed"]


class StudyError(ValueError):
    """A study that does not exist or that this run cannot carry; the message says why."""


@dataclass(frozen=True)
class Subject:
    """A run as an experiment sees it."""

    folder: Path
    meta: dict  # run.json
    table: pd.DataFrame  # the measurement table
    model: Reasoner  # the weights that were measured
    scratch: Path  # where a unit may keep what it needs to go on after a kill

    @property
    def device(self) -> str:
        """Where the weights lie."""
        return device_of(self.model)

    @property
    def segments(self) -> int:
        """The window of the run, for what is held against its table."""
        return self.meta.get("segments", SEGMENTS)

    @property
    def inputs(self) -> pd.DataFrame:
        """idx, puzzle, solution, givens and difficulty counts of the run's puzzles."""
        return self.table[["idx", *board.COLUMNS]]

    def fewer(self, n: int) -> int:
        """`n` puzzles, half of them for a model of :data:`LARGE` or more parameters."""
        return n // 2 if self.meta["parameters"] >= LARGE else n

    def chosen(self, n_wrong: int, n_right: int) -> pd.DataFrame:
        """The first `n_wrong` failures and `n_right` successes of the table, alternating.

        All of a kind where there are fewer.
        """
        right = self.table.correct
        kinds = [self.table[~right].head(n_wrong), self.table[right].head(n_right)]
        order = np.argsort(np.concatenate([np.arange(len(k)) for k in kinds]), kind="stable")
        return pd.concat(kinds).iloc[order].reset_index(drop=True)


def observed(
    model: Reasoner, boards: np.ndarray, solutions: np.ndarray, **options: Any
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """(one row a puzzle, the :func:`measure.rolled` it is read from, with ``right`` (B, T)).

    Outcome, accuracy, halting, logit and late drift in the end; the first right segment (0: none)
    and how often a right answer was left.
    """
    out = measure.rolled(model, boards, **options)
    cells = out["digits"] == solutions[:, None]  # (B, T, cells)
    right = cells.all(-1)
    seen = {
        "correct": right[:, -1],
        "token_acc": cells[:, -1].mean(-1).astype("float32"),
        "solved_at": measure.first(right),
        "left": (right[:, :-1] & ~right[:, 1:]).sum(1),
        "halted_at": measure.first(out["halts"][:, :-1]),
        "halts": out["halts"][:, -1],
        "q_halt": out["q"][:, -1, 0],
        "late": tables.late(out["drift_h"]),
    }
    return pd.DataFrame(seen), out | {"right": right}


def batches(work: Callable[[pd.DataFrame], pd.DataFrame], frame: pd.DataFrame, size: int) -> Units:
    """`work` on every `size` rows of `frame`, a unit each."""
    starts = range(0, len(frame), size)
    pieces = {i: frame.iloc[i : i + size].reset_index(drop=True) for i in starts}
    return {f"rows_{i:06d}": partial(work, piece) for i, piece in pieces.items()}


def run(name: str, run_name: str, command: str = "", device: str = "cpu") -> list[Path]:
    """Make study `name` of a run; the files written. What a killed call finished is kept."""
    if name not in NAMES:
        raise StudyError(f"unknown study {name!r}; known: {', '.join(NAMES)}")
    module, started = importlib.import_module(f"{__name__}.{name}"), time.monotonic()
    home, loaded = paths.run_dir(run_name), tables.load_run(run_name)
    if factory.stored(home) and not folder.recompute(run_name, 1).agrees.all():  # code of others
        changed = f"{run_name}: the code of its model gives other numbers than were measured"
        raise StudyError(f"{changed}; measure the run again with --replace")
    key = {"weights": tables.weights_digest(loaded.meta), "settings": module.SETTINGS}
    key |= {"of": {part: loaded.meta.get(part) for part in MEASURED}}
    model, out = folder.load(home, "float32", device), home / "studies"
    parts = folder.scratch(home, name, key | {"device": torch.device(device).type})
    units = module.units(Subject(home, loaded.meta, loaded.table, model, parts))
    if not units:
        raise StudyError(f"{run_name}: no puzzle or checkpoint of the kind that {name} follows")
    for unit, work in tqdm(units.items(), desc=name, unit="unit"):
        if not (parts / f"{unit}.parquet").exists():
            tables.write(work(), parts / f"{unit}.parquet")
    table = pd.concat([tables.read(parts / f"{unit}.parquet") for unit in units], ignore_index=True)
    tables.write(table, out / f"{name}.parquet")
    record = {"study": name, "run": run_name, **key, "rows": len(table), "units": len(units)}
    write_json(record | folder.environment(device, command, started), out / f"{name}.json")
    folder.discard(parts)
    with locked(home):  # another study may end at the same time
        folder.seal(home, read_json(home / "run.json"))
    return [out / f"{name}.parquet", out / f"{name}.json", home / "run.json"]
