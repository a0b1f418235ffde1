"""Puzzle sets in data/puzzles: made from a seed, written, read as tables and as boards."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from rrm_core.store import paths
from rrm_core.store.files import write_bytes
from rrm_core.sudoku.board import COLUMNS, SudokuError, described, generate, parse
from rrm_core.sudoku.symmetry import canonical

SPLITS = ("train", "test", "validation")
VALIDATION = 256  # held-out puzzles to watch a training and choose its checkpoint; never measured
PATIENCE = 20  # puzzles drawn for each that is asked for, before there seem to be no more


def make(side: int, n_train: int, n_test: int, seed: int) -> dict[str, pd.DataFrame]:
    """{"train", "test", "validation"}: minimal puzzles, canonical forms distinct within and across.

    4x4 has only 36 essentially different minimal puzzles, so its sets are distinct as texts only
    and claim nothing.
    """
    sizes = {"train": n_train, "test": n_test, "validation": VALIDATION}
    wanted, found, drawn = sum(sizes.values()), dict[bytes, tuple](), 0
    with tqdm(total=wanted, unit="puzzle") as bar:
        for attempt in range(1000):
            if (missing := wanted - len(found)) == 0 or drawn > PATIENCE * wanted:
                break
            puzzles, solutions = generate(side, missing + missing // 10 + 16, [seed, attempt])
            forms = canonical(puzzles) if side > 4 else puzzles
            for form, puzzle, solution in zip(forms, puzzles, solutions, strict=True):
                if len(found) < wanted:
                    found.setdefault(form.tobytes(), (puzzle, solution))
            drawn += len(puzzles)
            bar.update(len(found) - bar.n)
    if len(found) < wanted:
        asked = f"{wanted} different puzzles of side {side}, {VALIDATION} of them for validation"
        raise SudokuError(f"{asked}: only {len(found)} among {drawn} drawn; ask for fewer")
    table = described(*map(np.array, zip(*found.values(), strict=True)))
    ends = np.cumsum(list(sizes.values()))
    return {
        name: table[end - size : end].reset_index(drop=True)
        for (name, size), end in zip(sizes.items(), ends, strict=True)
    }


def path_of(name: str) -> Path:
    """The file of the puzzle set `name`."""
    return paths.data_dir() / "puzzles" / f"{paths.safe_name(name)}.csv.gz"


def write(sets: dict[str, pd.DataFrame], replace: bool = False) -> list[Path]:
    """Write every {name: table} to its :func:`path_of`; returns the paths.

    The bytes are the same every time (gzip without a timestamp). A set of that name with other
    puzzles is refused unless `replace`; then none is written.
    """
    packed = {path_of(name): frame.to_csv(index=False).encode() for name, frame in sets.items()}
    other = [path for path, text in packed.items() if path.exists() and unpacked(path) != text]
    if other and not replace:
        there = f"{', '.join(map(str, other))}: there already, with other puzzles"
        raise SudokuError(f"{there}; add --replace to lose them, or choose another name")
    for path, text in packed.items():
        write_bytes(gzip.compress(text, 9, mtime=0), path)
    return list(packed)


def unpacked(path: Path) -> bytes:
    """The text of a gzipped file; empty where it is damaged."""
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error):
        return b""


def table(name: str) -> pd.DataFrame:
    """The puzzle set `name`, e.g. ``6x6-test``: at least the columns ``board.COLUMNS``."""
    path = path_of(name)
    if not path.exists():
        known = sorted(p.name.removesuffix(".csv.gz") for p in path.parent.glob("*.csv.gz"))
        names = f"known: {', '.join(known) or 'none'}. Make one with `rrm puzzles make`"
        raise SudokuError(f"unknown puzzle set {name!r}; {names}")
    try:
        frame = pd.read_csv(path, dtype={"puzzle": str, "solution": str})
        if missing := [c for c in COLUMNS if c not in frame]:
            raise ValueError(f"no column {missing[0]}")
        if frame.empty:
            raise ValueError("it holds no puzzle")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        hint = "restore it or make it again"
        raise SudokuError(f"{path}: cannot be read ({error}); {hint}") from None
    return frame


def boards(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions), each (B, cells) uint8, of a table's text columns."""
    puzzles, solutions = (np.stack([parse(t) for t in frame[c]]) for c in ("puzzle", "solution"))
    return puzzles, solutions


def read(name: str, side: int) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions) of the set `name`, refused unless its boards have `side`."""
    found = boards(table(name))
    if (cells := found[0].shape[1]) != side**2:
        raise SudokuError(f"set {name!r} has {cells} cells a board, the model wants {side}x{side}")
    return found
