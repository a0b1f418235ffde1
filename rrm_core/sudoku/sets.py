"""Puzzle sets in data/puzzles: seeded, split, imported from others, and read as boards."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from rrm_core.store import paths
from rrm_core.store.files import write_bytes
from rrm_core.sudoku import board as sudoku

VALIDATION = (
    256  # held-out puzzles used to watch a training and to choose its checkpoint; never measured
)


def make(side: int, n_train: int, n_test: int, seed: int) -> dict[str, pd.DataFrame]:
    """{"train", "test", "validation"}: minimal puzzles with one solution; canonical forms distinct within and across.

    4x4 has only 36 essentially different minimal puzzles, so its sets are distinct as texts only and claim nothing.
    """
    wanted, found, solutions = n_train + n_test + VALIDATION, {}, []
    for attempt in range(1000):
        missing = wanted - len(found)
        if missing <= 0:
            break
        batch, solved = sudoku.generate(side, missing + missing // 10 + 16, [seed, attempt])
        for puzzle, solution, form in zip(
            batch, solved, sudoku.canonical(batch) if side > 4 else batch, strict=True
        ):
            if form.tobytes() not in found and len(found) < wanted:
                found[form.tobytes()] = puzzle
                solutions.append(solution)
    if len(found) < wanted:
        raise sudoku.SudokuError(
            f"{wanted} different puzzles of side {side} were asked for ({VALIDATION} of them for validation), {len(found)} found; ask for fewer"
        )
    table = sudoku.described(np.array(list(found.values())), np.array(solutions))
    cuts = {
        "train": table[:n_train],
        "test": table[n_train : n_train + n_test],
        "validation": table[n_train + n_test :],
    }
    return {name: part.reset_index(drop=True) for name, part in cuts.items()}


def write(sets: dict[str, pd.DataFrame], replace: bool = False) -> list[Path]:
    """Write ``data/puzzles/<name>.csv.gz`` for each name; returns their paths. Gzip without a timestamp: same bytes every time.

    A set of that name with other puzzles is refused unless `replace`; then none is written.
    """
    folder = paths.data_dir() / "puzzles"
    packed = {
        folder / f"{name}.csv.gz": frame.to_csv(index=False).encode()
        for name, frame in sets.items()
    }
    other = [path for path, text in packed.items() if path.exists() and unpacked(path) != text]
    if other and not replace:
        raise sudoku.SudokuError(
            f"{', '.join(map(str, other))}: there already, with other puzzles; add --replace to lose them, or choose another name"
        )
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
    """The puzzle set `name`, e.g. ``6x6-test``: columns puzzle, solution, givens, backtracks, naked_backtracks."""
    folder = paths.data_dir() / "puzzles"
    path = folder / f"{paths.safe_name(name)}.csv.gz"
    if not path.exists():
        known = sorted(p.name.removesuffix(".csv.gz") for p in folder.glob("*.csv.gz"))
        raise sudoku.SudokuError(
            f"unknown puzzle set {name!r}; known: {', '.join(known) or 'none'}. Make one with `rrm puzzles make`"
        )
    try:
        frame = pd.read_csv(path, dtype={"puzzle": str, "solution": str})
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise sudoku.SudokuError(
            f"{path}: cannot be read ({error}); restore it or make it again"
        ) from None
    missing = [c for c in sudoku.COLUMNS if c not in frame]
    if missing or not len(frame):
        raise sudoku.SudokuError(
            f"{path}: {f'no column {missing[0]}' if missing else 'no puzzle'}; expected a set made by `rrm puzzles make` or `import`"
        )
    return frame


def boards(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions), each (B, cells) uint8, of a table's text columns."""
    return tuple(
        np.stack([sudoku.parse(text) for text in frame[column]])
        for column in ("puzzle", "solution")
    )


def read(name: str, side: int) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions) of the set `name`, refused unless its boards have `side`."""
    found = boards(table(name))
    if found[0].shape[1] != side**2:
        raise sudoku.SudokuError(
            f"puzzle set {name!r} has {found[0].shape[1]} cells a board, the model wants {side}x{side}"
        )
    return found


# --- puzzles of others -------------------------------------------------------------------------------------------

HUGGING_FACE = "sapientinc/sudoku-extreme"
FETCH_HELP = (
    f"install the extra with `pip install huggingface_hub`, or download test.csv from https://huggingface.co/datasets/{HUGGING_FACE} on a "
    "machine that can, put it anywhere here, and run `rrm puzzles import test.csv --name sudoku-extreme`"
)


def rows_of(path: Path) -> Iterator[tuple[int, str, str | None, str | None]]:
    """(line number, puzzle, answer or None, rating or None) of a CSV with a ``question`` column or of one puzzle a line.

    The CSV is Sudoku-Extreme's (source, question, answer, rating); lines are tdoku's text files or any plain list: the
    first word counts, ``#`` begins a comment. ``.gz`` is unpacked.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as file:
        header = next(csv.reader([file.readline()]), [])
        file.seek(0)
        if "question" in [name.strip().lower() for name in header]:
            reader = csv.DictReader(file)
            for row in reader:
                row = {str(k).strip().lower(): v for k, v in row.items()}
                yield (
                    reader.line_num,
                    row.get("question") or "",
                    row.get("answer"),
                    row.get("rating"),
                )
            return
        for number, line in enumerate(file, 1):
            text = line.split("#")[0].strip()
            if text:
                yield number, re.split(r"[\s,;:]", text)[0], None, None


def import_file(path: Path | str, limit: int | None = None) -> tuple[pd.DataFrame, list[str]]:
    """(table of the good rows, one sentence with its line number for each bad one) of a file of puzzles.

    Good means: a board of the first good row's size, no digit twice in a unit, exactly one solution, which the answer (where
    given) agrees with. ``rating`` stays its own column: it is another solver's count and never mixed with ours.
    """
    path = Path(path)
    if not path.is_file():
        raise sudoku.SudokuError(
            f"{path}: no such file; expected a CSV with a question column or a text file with one puzzle a line"
        )
    rows, problems, side = [], [], None
    try:
        for number, text, answer, rating in rows_of(path):
            if limit is not None and len(rows) >= limit:
                break
            try:
                board = sudoku.parse(text, side)
                sudoku.check(board)
                rating = None if rating is None else float(rating)
            except ValueError as error:
                problems.append(f"line {number}: {error}")
                continue
            side = sudoku.side_of(board)
            rows.append((number, board, answer, rating))
    except (OSError, csv.Error, EOFError, zlib.error) as error:
        raise sudoku.SudokuError(f"{path}: cannot be read ({error})") from None
    if not rows:
        raise sudoku.SudokuError(f"{path}: no usable puzzle. {' '.join(problems[:3])}")
    boards = np.stack([row[1] for row in rows])
    found = sudoku.solve_many(boards)
    keep = []
    for i, (number, _, answer, _) in enumerate(rows):
        if found["n_solutions"][i] != 1:
            problems.append(
                f"line {number}: {'no' if found['n_solutions'][i] == 0 else 'more than one'} solution; expected exactly one"
            )
        elif answer is not None and answer.strip() != sudoku.to_text(found["solution"][i]):
            problems.append(f"line {number}: the answer given is not the solution")
        else:
            keep.append(i)
    if not keep:
        raise sudoku.SudokuError(f"{path}: no usable puzzle. {' '.join(problems[:3])}")
    table = sudoku.described(
        boards[keep],
        found["solution"][keep],
        {name: values[keep] for name, values in found.items()},
    )
    ratings = [rows[i][3] for i in keep]
    if all(r is not None for r in ratings):
        table["rating"] = ratings
    return table, sorted(problems, key=lambda line: int(line[5 : line.index(":")]))


def fetch(filename: str = "test.csv") -> Path:
    """Download a file of Sudoku-Extreme through huggingface_hub (an optional extra); offline, say what to place where."""
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise sudoku.SudokuError(f"fetching needs huggingface_hub: {FETCH_HELP}") from None
    try:
        return Path(hf_hub_download(HUGGING_FACE, filename, repo_type="dataset"))
    except Exception as error:  # whatever the network does, the reader needs the way around it
        raise sudoku.SudokuError(
            f"could not download {filename} ({type(error).__name__}): {FETCH_HELP}"
        ) from None
