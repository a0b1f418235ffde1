"""Puzzles of others: files of nearly any layout; good rows are kept, bad ones named."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice
from pathlib import Path
from statistics import mode
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from rrm_core.sudoku import board as rules
from rrm_core.sudoku.board import SudokuError
from rrm_core.sudoku.containers import SIZES, cells_of, is_board, opened
from rrm_core.sudoku.symmetry import classes

PUZZLES = "puzzle quiz question problem input board grid sudoku clue given start unsolved"
SOLUTIONS = "solution solved answer label output target result"
RATINGS = "rating difficulty"
KINDS = (
    "a table (CSV, Parquet, JSON) with a column of puzzles, a text with a puzzle a line or a line "
    "a row, or an array of boards (.npy, .npz); packed with gzip, bzip2, xz or zip, or not"
)
ROUNDED = re.compile(r"\d([.,]\d+)?[eE]\+?\d\d")  # a board that a spreadsheet took for a number
CELLS = re.compile(r"[.\d]+")
RULE = re.compile(r"[\s|+*:.'┼┃│╋╬║┌┐└┘├┤┬┴╔╗╚╝╠╣╦╩╟╢╤╧─━═=-]*")
SAMPLE = 200  # rows by which a file is understood
MANY = 5_000  # rows from which on a bar shows how far the reading is
SHOWN = 20  # reasons told one by one


class Row(NamedTuple):
    """What a file says of one puzzle, as text; what it does not say is empty."""

    place: str
    puzzle: str
    answer: str = ""
    rating: str = ""


def read(path: Path, limit: int | None = None) -> tuple[pd.DataFrame, list[str]]:
    """(table of the good rows, sentences about what was left out or changed) of a file.

    The table has ``board.COLUMNS``, ``grid`` and, where the file rates its puzzles, ``rating``:
    another solver's count, never mixed with ours, NaN where it is blank or no number. ``grid`` is
    the code of the essentially different solution grid: puzzles that share it are not independent.
    `limit`: stop at so many good rows.
    """
    try:
        content = opened(path)
        size = len(content) if isinstance(content, pd.DataFrame) else content.count("\n")
        head, rows = peeked(rows_of(content))
        tall = stands(head)
        bar = tqdm(rows, total=size, unit="row", desc="reading", disable=size <= MANY)
        good, reasons = kept(bar, tall, limit)
    except (SudokuError, FileNotFoundError, IsADirectoryError) as error:
        why = "a folder; give one file" if path.is_dir() else "no such file"
        raise SudokuError(f"{path}: {error if isinstance(error, SudokuError) else why}") from None
    except Exception as error:  # the readers fail on foreign bytes in every way there is
        why = "".join(c for c in " ".join(str(error).split())[:200] if c.isprintable())
        raise SudokuError(f"{path}: cannot be read ({why}); expected {KINDS}") from None
    notes = [f"{told(places)}: {reason}" for reason, places in reasons.items()]
    if not good:
        page = isinstance(content, str) and re.match(r"\s*<(!doctype )?html", content, re.I)
        found = "this is a web page" if page else "no board of 81, 36 or 16 cells was found"
        raise SudokuError(f"{path}: no usable puzzle. {' '.join(notes[:3]) or found}")
    boards, solutions, ratings = map(np.array, zip(*good.values(), strict=True))
    table = rules.described(boards, solutions).assign(grid=classes(solutions))
    if not (unrated := np.isnan(ratings)).all():
        table = table.assign(rating=ratings)
    if unrated.any() and any(row.rating.strip() for row in head):
        notes.append(f"{unrated.sum()} puzzles have no rating: blank or no number")
    if tall:
        notes.append("boxes were three rows by two columns: every board is transposed")
    more = len(notes) - SHOWN
    notes = notes[:SHOWN] + [f"and {more} more reasons"] * (more > 0)
    left = sum(map(len, reasons.values()))
    grids = f"essentially different solution grids: {table.grid.nunique()}"
    return table, [*notes, f"puzzles kept: {len(table)}; {grids}; rows left out: {left}"]


def kept(
    rows: Iterable[Row], tall: bool, limit: int | None
) -> tuple[dict[str, tuple], dict[str, list[str]]]:
    """({puzzle: (board, solution, rating)} of the good rows, {reason: places} of the others)."""
    good: dict[str, tuple] = {}
    reasons: dict[str, list[str]] = {}
    side = None
    for row in rows:
        if len(good) == limit:
            break
        try:
            board, solution = checked(row, side, tall)
            text = rules.to_text(board)
            if text in good:
                raise SudokuError("a puzzle that stands before, left out")
        except SudokuError as error:
            reasons.setdefault(str(error), []).append(row.place)
            continue
        good[text], side = (board, solution, number(row.rating)), rules.side_of(board)
    return good, reasons


def told(places: list[str]) -> str:
    """The places of one reason, or how many and the first."""
    return places[0] if len(places) == 1 else f"{len(places)} rows (the first is {places[0]})"


def number(text: str) -> float:
    """A rating, NaN where it is no number, or no finite one."""
    value = pd.to_numeric(text.replace(",", "."), errors="coerce") if text.strip() else np.nan
    return float(value) if np.isfinite(value) else np.nan


def checked(row: Row, side: int | None, tall: bool) -> tuple[np.ndarray, np.ndarray]:
    """(board, solution) of a good row; SudokuError says what is wrong with a bad one.

    `tall`: boxes of three rows by two columns, made two by three by transposing.
    """
    puzzle, answer = cells_of(row.puzzle), cells_of(row.answer)
    if ROUNDED.fullmatch(row.puzzle.strip()):
        lost = "a spreadsheet made a number of the puzzle and lost its digits"
        raise SudokuError(f"{lost} ({row.puzzle.strip()}); give the column the format text")
    if row.puzzle.isdigit() and len(puzzle) not in SIZES:  # a spreadsheet drops leading zeros
        puzzle = puzzle.rjust(min((n for n in SIZES if n > len(puzzle)), default=0), ".")
    board = rules.parse(puzzle, side)
    if board.all():
        raise SudokuError("a board without a blank is no puzzle")
    if tall and len(board) == 36:
        board, answer = flipped(board), flipped(list(answer))
    found = {name: values[0] for name, values in rules.solve_many(board).items()}
    if found["n_solutions"] != 1:
        rules.check(board)
        count = "no" if found["n_solutions"] == 0 else "more than one"
        rows, columns = rules.box_shape(rules.side_of(board))
        boxes = f"boxes are {rows} rows by {columns} columns"
        raise SudokuError(f"{count} solution; expected exactly one ({boxes})")
    given = "".join(answer)
    if re.search("[1-9]", given) and given != rules.to_text(found["solution"]):
        raise SudokuError("the answer given is not the solution")
    return board, found["solution"]


def flipped(cells):
    """The 6x6 board of cells (36,) transposed; what has another length stays."""
    return np.reshape(cells, (6, 6)).T.ravel() if len(cells) == 36 else cells


def stands(rows: list[Row]) -> bool:
    """Whether more of these rows are 6x6 puzzles with boxes of three rows by two columns."""
    six = [row for row in rows if len(cells_of(row.puzzle)) == 36]
    return len(kept(six, True, None)[0]) > len(kept(six, False, None)[0])


def peeked(rows: Iterator) -> tuple[list, Iterator]:
    """(the first rows, all rows)."""
    head = list(islice(rows, SAMPLE))
    return head, chain(head, rows)


def rows_of(content: str | pd.DataFrame) -> Iterator[Row]:
    """The rows of a table, or of a text: with separators and a column of puzzles, or a list."""
    if isinstance(content, pd.DataFrame):
        table = ((f"row {i}", list(v)) for i, v in enumerate(content.itertuples(index=False), 1))
        yield from tabled(list(map(str, content.columns)), *peeked(table))
        return
    lines = ["" if re.match(r"\s*(#|//|%)", x) else x for x in content.splitlines(keepends=True)]
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t|", key=first.count)
    reader = csv.reader(lines, delimiter=delimiter)
    drawn = ((f"line {reader.line_num}", row) for row in reader if not is_rule("".join(row), False))
    head, cells = peeked(drawn)
    names = [name.strip().lower() for name in head[0][1]] if head else []
    known = any(word in name for name in names if len(name) < 40 for word in PUZZLES.split())
    width = len(names) if delimiter in first else 0
    boards = sum(any(map(puzzling, row)) for _, row in head)
    if (known or width > 1) and boards >= len(head[1:]) / 2:
        if any(map(puzzling, names)):
            names = [""] * len(names)
        else:
            next(cells)
        yield from tabled(names, head, cells)
    else:
        yield from paired(listed(lines))


def puzzling(cell: str) -> bool:
    """Whether a cell looks like a puzzle, also one whose leading zeros are lost."""
    cells = cells_of(cell)
    lost = cell.isdigit() and len(cell) > 10
    return bool(ROUNDED.fullmatch(cell)) or ("." in cells and (is_board(cells) or lost))


def solved(cell: str) -> bool:
    """Whether a cell looks like a solution."""
    cells = cells_of(cell)
    return "." not in cells and is_board(cells)


def column(
    names: list[str], words: str, sample: list, like: Callable[[str], bool], but: int | None = None
) -> int | None:
    """The column whose cells are `like` it, those with one of `words` as name first."""
    scores = [sum(like(row[i]) for _, row in sample if i < len(row)) for i in range(len(names))]
    named = [any(word in name.lower() for word in words.split()) for name in names]
    fit = [i for i in range(len(names)) if i != but and (scores[i] or named[i])]
    return max(fit, key=lambda i: (scores[i] > 0, named[i], scores[i]), default=None)


def tabled(names: list[str], sample: list, cells: Iterator) -> Iterator[Row]:
    """The rows of a table (place, cells), its columns known by their content, then by name.

    Several columns of puzzles, none or more than one of them called that, are all read.
    """
    puzzle = column(names, PUZZLES, sample, puzzling)
    seen = [sum(puzzling(row[i]) for _, row in sample if i < len(row)) for i in range(len(names))]
    every = [i for i, n in enumerate(seen) if n >= max(1, len(sample) - 1)]  # a header is none
    called = [i for i in every if any(word in names[i].lower() for word in PUZZLES.split())]
    if len(every) > 1 and len(called) != 1:
        yield from (Row(f"{place}, {names[i]}", row[i]) for place, row in cells for i in every)
        return
    answer = column(names, SOLUTIONS, sample, solved, puzzle)
    rated = (column(names, word, sample, lambda cell: False, puzzle) for word in RATINGS.split())
    rating = next((i for i in rated if i is not None), None)
    for place, row in cells:
        row = [*row, *[""] * len(names)]
        yield Row(place, *("" if i is None else row[i] for i in (puzzle, answer, rating)))


def paired(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of a list; a board without a blank is the answer of the puzzle before it."""
    held = None
    for row in rows:
        if held and not held.answer and solved(row.puzzle):
            held = held._replace(answer=row.puzzle)
            continue
        if held:
            yield held
        held = row
    if held:
        yield held


def listed(lines: list[str]) -> Iterator[Row]:
    """The boards of a text: a word of a line, the pieces of a line, or a line a row.

    What else a line holds is no board; rules and headings stand between boards.
    """
    dashes = any(re.fullmatch(r"[-\d|, ]*(\d[ |,]*-|-[ |,]*\d)[-\d|, ]*\s*", x) for x in lines)
    filled = [x.rstrip("\r\n") for x in lines if x.strip()]
    width = max(map(len, filled), default=0)
    if width in SIZES and all(re.fullmatch("[1-9 ]+", x) for x in filled):  # stripped of blanks
        lines = [x.rstrip("\r\n").ljust(width) if x.strip() else x for x in lines]
    blocks = [len([*block]) for full, block in groupby(lines, lambda x: bool(x.strip())) if full]
    apart = bool(blocks) and mode(blocks) > max(box for box, _ in rules.BOXES.values())
    rows: list[str] = []
    for i, line in enumerate(lines, 1):
        line = line.split("#")[0].rstrip("\r\n")
        if rows and apart and not line.strip() and len(rows) != len(rows[0]):
            yield Row(f"line {i - 1}", "".join(rows))  # a blank line ends a board in this file
            rows = []
        if is_rule(line, dashes) and not (rows and re.fullmatch(f" {{{len(rows[0])}}}", line)):
            continue
        words = [cells_of(word) for word in re.split(r"[\s,;:=?&<>|()\[\]{}\"'/]", line)]
        boards = [word for word in words if is_board(word)] or [pieces(line)]
        row = boards[0] if len(boards[0]) in SIZES.values() else ""
        if rows and len(row) != len(rows[0]):
            yield Row(f"line {i - 1}", "".join(rows))
            rows = []
        if row:
            rows.append(row)
            if len(rows) == len(row):
                yield Row(f"line {i}", "".join(rows))
                rows = []
        elif is_board(boards[0]):
            longest = max(map(len, boards))
            yield from (Row(f"line {i}", board) for board in boards if len(board) == longest)
        elif len(bad := max(words, key=lambda word: len(word) * bool(CELLS.fullmatch(word)))) > 9:
            yield Row(f"line {i}", bad)
        elif len(re.findall(r"\d", line)) > 9 and not re.search(r"[^\W\d_]", line):
            yield Row(f"line {i}", cells_of(line))
    if rows:
        yield Row(f"line {len(lines)}", "".join(rows))


def is_rule(line: str, dashes: bool) -> bool:
    """Whether a line is empty or drawn between the rows of a board; `dashes`: - is a blank."""
    body = line.strip()
    drawn = re.search(r"[-=─━═]{3}", body) and RULE.fullmatch(body)
    return not body or bool(drawn and not (dashes and set(body) <= set("-| ")))


def pieces(line: str) -> str:
    """The cells of a line that holds nothing else, however they are spaced; else nothing.

    They are a row, or a whole board; a number before them counts them.
    """
    sizes = (*SIZES, *SIZES.values())
    for delimiter in ",;\t|":
        parts = [part.strip() or "." for part in line.split(delimiter)]
        if len(parts) in sizes and max(map(len, parts)) == 1:
            line = "".join(parts)
    if re.fullmatch(r"(?=.*[1-9])[1-9 ]*| *", line) and len(line) in sizes:
        return line.replace(" ", ".")
    for text in (line, re.sub(r"^\s*\d+\s*[.):]\s", "", line)):
        cells = cells_of(re.sub(r"[|,;:\[\]{}()\"'/│┃║]", " ", text).strip())
        if CELLS.fullmatch(cells) and len(cells) in sizes:
            return cells
    return ""
