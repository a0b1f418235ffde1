"""Puzzle sets in data/puzzles: seeded, split, and read as boards."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core import paths, sudoku
from rrm_core.files import write_bytes

VALIDATION = 256  # held-out puzzles used to watch a training and to choose its checkpoint; never measured


def make(side: int, n_train: int, n_test: int, seed: int) -> dict[str, pd.DataFrame]:
    """{"train", "test", "validation"}: minimal puzzles with one solution; canonical forms distinct within and across.

    4x4 has only 36 essentially different minimal puzzles, so its sets are distinct as texts only and claim nothing.
    """
    train, held_out = sudoku.make_split(side, n_train, n_test + VALIDATION, seed, distinct=side > 4)
    return {"train": train, "test": held_out[:n_test], "validation": held_out[n_test:].reset_index(drop=True)}


def write(name: str, frames: dict[str, pd.DataFrame]) -> list:
    """Write ``data/puzzles/<name>-<split>.csv.gz`` files; returns their paths. Gzip without a timestamp: same bytes every time."""
    import gzip

    folder = paths.data_dir() / "puzzles"
    out = []
    for split, frame in frames.items():
        out.append(folder / f"{name}-{split}.csv.gz")
        write_bytes(gzip.compress(frame.to_csv(index=False).encode(), 9, mtime=0), out[-1])
    return out


def table(name: str) -> pd.DataFrame:
    """The puzzle set `name`, e.g. ``6x6-test``: columns puzzle, solution, givens, backtracks, naked_backtracks."""
    folder = paths.data_dir() / "puzzles"
    path = folder / f"{name}.csv.gz"
    if not path.exists():
        known = sorted(p.name.removesuffix(".csv.gz") for p in folder.glob("*.csv.gz"))
        raise sudoku.SudokuError(f"unknown puzzle set {name!r}; known: {', '.join(known) or 'none'}. Make one with `rrm puzzles make`")
    return pd.read_csv(path, dtype={"puzzle": str, "solution": str})


def boards(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions), each (B, cells) uint8, of a table's text columns."""
    return tuple(np.stack([sudoku.parse(text) for text in frame[column]]) for column in ("puzzle", "solution"))


def read(name: str, side: int) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions) of the set `name`, refused unless its boards have `side`."""
    found = boards(table(name))
    if found[0].shape[1] != side**2:
        raise sudoku.SudokuError(f"puzzle set {name!r} has {found[0].shape[1]} cells a board, the model wants {side}x{side}")
    return found
