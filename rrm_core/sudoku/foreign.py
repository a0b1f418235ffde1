"""Puzzles of others: files of nearly any layout; good rows are kept, bad ones named."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from rrm_core.sudoku.board import (
    BOXES,
    SudokuError,
    box_shape,
    check,
    described,
    parse,
    side_of,
    solve_many,
    to_text,
)

FIELDS = ("puzzle", "solution", "rating")
NAMES = {"question": "puzzle", "quizzes": "puzzle", "answer": "solution", "solutions": "solution"}
KINDS = (
    "a table (CSV, Parquet, JSON lines) with a column puzzle or question, a text with a puzzle a "
    "line, or an array of boards (.npy, .json); .gz and .zip are unpacked"
)
UNREADABLE = (OSError, EOFError, ValueError, TypeError, csv.Error, zlib.error, zipfile.BadZipFile)


def read(path: Path | str, limit: int | None = None) -> tuple[pd.DataFrame, list[str]]:
    """(table of the good rows, one sentence with its line number for each bad one) of a file.

    The table has ``board.COLUMNS`` and, where the file rates its puzzles, ``rating``: another
    solver's count, never mixed with ours, NaN where blank. `limit`: stop at so many good rows.
    """
    path = Path(path)
    if not path.is_file():
        raise SudokuError(f"{path}: no such file; expected {KINDS}")
    good, problems, lines, side = [], [], {}, None
    try:
        for line, *row in rows_of(path):
            if len(good) == limit:
                break
            try:
                board, solution, rating = checked(*row, side)
                text = to_text(board)
                if text in lines:
                    raise SudokuError(f"the same puzzle as line {lines[text]}")
            except ValueError as error:
                problems.append(f"line {line}: {error}")
                continue
            good.append((board, solution, rating))
            lines[text], side = line, side_of(board)
    except UNREADABLE as error:
        raise SudokuError(f"{path}: cannot be read ({error}); expected {KINDS}") from None
    if not good:
        raise SudokuError(f"{path}: no usable puzzle. {' '.join(problems[:3])}")
    boards, solutions, ratings = map(np.array, zip(*good, strict=True))
    table = described(boards, solutions)
    return table if np.isnan(ratings).all() else table.assign(rating=ratings), problems


def checked(
    puzzle: str, answer: str, rating: str, side: int | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """(board, solution, rating) of a good row; ValueError says what is wrong with a bad one.

    Good means: a board of `side`, where that is known, no digit twice in a unit, exactly one
    solution, which the answer, where given, agrees with.
    """
    answer = "".join(answer.split())
    if puzzle.isdigit():
        puzzle = puzzle.zfill(len(answer))  # a spreadsheet drops leading zeros
    board, number = parse(puzzle, side), float(rating or "nan")
    check(board)
    found = solve_many(board)
    if found["n_solutions"][0] != 1:
        count = "no" if found["n_solutions"][0] == 0 else "more than one"
        boxes = "boxes are {} rows by {} columns".format(*box_shape(side_of(board)))
        raise SudokuError(f"{count} solution; expected exactly one ({boxes})")
    if answer and answer != to_text(found["solution"][0]):
        raise SudokuError("the answer given is not the solution")
    return board, found["solution"][0], number


# --- files -----------------------------------------------------------------------------------


def rows_of(path: Path) -> Iterator[tuple[int, str, str, str]]:
    """(line, puzzle, answer, rating) of each row, as text; what the file does not say is empty."""
    with opened(path) as file:
        delimiter = max(",;\t", key=file.readline().count)
        file.seek(0)
        reader = csv.DictReader(file, delimiter=delimiter)
        header = [name.strip().lower() for name in reader.fieldnames or []]
        reader.fieldnames = [NAMES.get(name, name) for name in header]
        if "puzzle" in reader.fieldnames:
            for row in reader:
                yield reader.line_num, *(row.get(name) or "" for name in FIELDS)
        else:
            file.seek(0)
            yield from ((line, word, "", "") for line, word in words(file.read()))


def words(text: str) -> Iterator[tuple[int, str]]:
    """(line, its longest word); n lines of n cells are one word; # begins a comment."""
    for side in BOXES:
        row = rf"^[.0-9]{{{side}}}[^\S\n]*(?:\n|\Z)"
        text = re.sub(rf"(?m)(?:{row}){{{side}}}", one_line, text)
    for number, line in enumerate(text.splitlines(), 1):
        word = max(re.split(r"[\s,;:=?&<>\"']", line.split("#")[0]), key=len)
        if word:
            yield number, word


def one_line(grid: re.Match) -> str:
    """The lines of `grid` as one, and as many empty ones as keep the numbers of all lines below."""
    lines = grid[0].split()
    return "".join(lines) + "\n" * len(lines)


def opened(path: Path) -> TextIO:
    """A file of :data:`KINDS` as text: CSV of a table, a line for each row of an array."""
    kind = path.suffix.lower()
    if kind == ".parquet":
        return io.StringIO(pd.read_parquet(path).to_csv(index=False))
    if kind == ".jsonl":
        return io.StringIO(pd.read_json(path, lines=True, dtype=False).to_csv(index=False))
    if kind in (".npy", ".json"):
        cells = np.load(path) if kind == ".npy" else json.loads(path.read_bytes())
        cells = np.asarray(cells, dtype=np.int64)
        cells = cells - (cells.max() == 10)  # tokens of HRM: 1 for a blank, 2..10
        return io.StringIO("\n".join("".join(map(str, row)) for row in np.vstack(cells)))
    data = path.read_bytes()
    if kind == ".gz":
        data = gzip.decompress(data)
    elif kind == ".zip":
        with zipfile.ZipFile(path) as archive:
            data = archive.read(archive.namelist()[0])
    return io.StringIO(data.decode("utf-8-sig"), newline="")
