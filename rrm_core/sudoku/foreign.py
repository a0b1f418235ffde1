"""Puzzles of others: files of nearly any layout; good rows are kept, bad ones named."""

import csv
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from rrm_core.sudoku import board as rules
from rrm_core.sudoku.board import SudokuError

FIELDS = ("puzzle", "solution", "rating")
NAMES = {"question": "puzzle", "quizzes": "puzzle", "answer": "solution", "solutions": "solution"}
TABLES: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
}
ARRAYS: dict[str, Callable] = {".npy": np.load, ".json": lambda path: json.loads(path.read_bytes())}
KINDS = (
    "a table (CSV, Parquet, JSON lines) with a column puzzle or question, a text with a puzzle a "
    "line, or an array of boards (.npy, .json); .gz and .zip are unpacked"
)


def read(path: Path, limit: int | None = None) -> tuple[pd.DataFrame, list[str]]:
    """(table of the good rows, one sentence with its line number for each bad one) of a file.

    The table has ``board.COLUMNS`` and, where the file rates its puzzles, ``rating``: another
    solver's count, never mixed with ours, NaN where blank. `limit`: stop at so many good rows.
    """
    good: list[tuple] = []
    problems, lines, side = [], dict[str, int](), None
    try:
        for line, puzzle, answer, rated in rows_of(text_of(path)):
            if len(good) == limit:
                break
            try:
                board, solution, rating = checked(puzzle, answer, rated, side)
                text = rules.to_text(board)
                if text in lines:
                    raise SudokuError(f"the same puzzle as line {lines[text]}")
            except ValueError as error:
                problems.append(f"line {line}: {error}")
                continue
            good.append((board, solution, rating))
            lines[text], side = line, rules.side_of(board)
    except Exception as error:  # the readers fail on foreign bytes in every way there is
        raise SudokuError(f"{path}: cannot be read ({error}); expected {KINDS}") from None
    if not good:
        raise SudokuError(f"{path}: no usable puzzle. {' '.join(problems[:3])}")
    boards, solutions, ratings = map(np.array, zip(*good, strict=True))
    table = rules.described(boards, solutions)
    return table if np.isnan(ratings).all() else table.assign(rating=ratings), problems


def checked(
    puzzle: str, answer: str, rating: str, side: int | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """(board, solution, rating) of a good row; ValueError says what is wrong with a bad one."""
    answer = "".join(answer.split())
    if puzzle.isdigit():
        puzzle = puzzle.zfill(len(answer))  # a spreadsheet drops leading zeros
    board, number = rules.parse(puzzle, side), float(rating or "nan")
    rules.check(board)
    found = {name: values[0] for name, values in rules.solve_many(board).items()}
    if found["n_solutions"] != 1:
        count = "no" if found["n_solutions"] == 0 else "more than one"
        rows, columns = rules.box_shape(rules.side_of(board))
        boxes = f"boxes are {rows} rows by {columns} columns"
        raise SudokuError(f"{count} solution; expected exactly one ({boxes})")
    if answer and answer != rules.to_text(found["solution"]):
        raise SudokuError("the answer given is not the solution")
    return board, found["solution"], number


def text_of(path: Path) -> str:
    """A file of :data:`KINDS` as text: CSV of a table, a line for each row of an array."""
    kind = path.suffix.lower()
    if kind in TABLES:
        return TABLES[kind](path).to_csv(index=False)
    if kind in ARRAYS:
        cells = np.asarray(ARRAYS[kind](path), dtype=np.int64)
        cells = cells - (cells.max() == 10)  # tokens of HRM: 1 for a blank, 2..10
        return "\n".join("".join(map(str, row)) for row in np.vstack(cells))
    data = path.read_bytes()
    if kind == ".gz":
        data = gzip.decompress(data)
    elif kind == ".zip":
        with zipfile.ZipFile(path) as archive:
            data = archive.read(archive.namelist()[0])
    return data.decode("utf-8-sig")


def rows_of(text: str) -> Iterator[tuple[int, str, str, str]]:
    """(line, puzzle, answer, rating) of each row, as text; what the file does not say is empty.

    Without a header that names the puzzles, a puzzle is the longest word of a line or n lines of n
    cells, and # begins a comment.
    """
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = [name.strip().lower() for name in reader.fieldnames or []]
    reader.fieldnames = [NAMES.get(name, name) for name in header]
    if "puzzle" in reader.fieldnames:
        for cells in reader:
            puzzle, answer, rating = (cells.get(name) or "" for name in FIELDS)
            yield reader.line_num, puzzle, answer, rating
        return
    for side in rules.BOXES:
        row = rf"^[.0-9]{{{side}}}[^\S\n]*(?:\n|\Z)"
        grids = re.compile(rf"(?:{row}){{{side}}}", re.MULTILINE)
        text = grids.sub(lambda g: "".join(g[0].split()) + "\n" * g[0].count("\n"), text)
    for line, content in enumerate(text.splitlines(), 1):
        word = max(re.split(r"[\s,;:=?&<>\"']", content.split("#")[0]), key=len)
        if word:
            yield line, word, "", ""
