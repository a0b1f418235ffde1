"""Sudoku boards of side 4, 6 and 9: parse, print, check, solve, count, generate.

A board is a uint8 array (side * side,), row by row, 0 blank, digits 1..side; a batch is
(B, side * side). Boxes are 2x2 at side 4, two rows by three columns at side 6, 3x3 at side 9.
"""

import math
from functools import cache

import numpy as np
import pandas as pd

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}  # side: (rows, columns) of a box
FREE = (-1, 0)  # no cell is barred; said because numba calls slowly with defaults
COLUMNS = ("puzzle", "solution", "givens", "backtracks", "naked_backtracks")


class SudokuError(ValueError):
    """A board, puzzle or request that makes no sense; the message says how to mend it."""


def box_shape(side: int) -> tuple[int, int]:
    """(rows, columns) of a box at `side`."""
    if side not in BOXES:
        raise SudokuError(f"side={side!r}: expected one of {sorted(BOXES)}")
    return BOXES[side]


def side_of(boards: np.ndarray) -> int:
    """The side of a board (cells,) or batch (B, cells)."""
    return math.isqrt(np.shape(boards)[-1])


@cache
def geometry(side: int) -> tuple[np.ndarray, np.ndarray]:
    """(units (3 side, side), peers (cells, peers of each)): the cells of every row, column and
    box, in this order, and the cells that each cell sees."""
    height, width = box_shape(side)
    cells = np.arange(side * side)
    grid = cells.reshape(side, side)
    boxes = grid.reshape(side // height, height, side // width, width).transpose(0, 2, 1, 3)
    units = np.concatenate([grid, grid.T, boxes.reshape(side, side)])
    peers = [sorted({*units[(units == cell).any(1)].ravel()} - {cell}) for cell in cells]
    return units, np.array(peers)


def parse(text: str, side: int | None = None) -> np.ndarray:
    """The board (cells,) of digits with '.' or '0' for blanks; white space is ignored."""
    cells = "".join(text.split())
    sides = [side] if side else sorted(BOXES)
    found = next((s for s in sides if len(cells) == s * s), None)
    if found is None:
        wanted = f"expected {' or '.join(str(s * s) for s in sides)}, '.' or '0' for a blank"
        raise SudokuError(f"board of {len(cells)} characters ({cells[:20]!r}...): {wanted}")
    if strange := set(cells) - set(".0123456789"[: found + 2]):
        i = next(i for i, character in enumerate(cells) if character in strange)
        where = f"row {i // found + 1}, column {i % found + 1}"
        expected = f"expected '.', '0' or a digit 1..{found}"
        raise SudokuError(f"character {cells[i]!r} at {where}: {expected}")
    return np.frombuffer(cells.replace(".", "0").encode(), np.uint8) - ord("0")


def to_text(board: np.ndarray) -> str:
    """The board as one line of digits, '.' for blanks."""
    return (np.asarray(board, np.uint8) + ord("0")).tobytes().decode().replace("0", ".")


def check(board: np.ndarray) -> None:
    """Raise :class:`SudokuError` naming the digit and the row, column or box that has it twice."""
    side = side_of(board)
    for i, unit in enumerate(geometry(side)[0]):
        digits, counts = np.unique(board[unit][board[unit] > 0], return_counts=True)
        if (counts > 1).any():
            where = f"{('row', 'column', 'box')[i // side]} {i % side + 1}"
            twice = f"digit {digits[counts > 1][0]} stands twice in {where}"
            raise SudokuError(f"{twice}: expected each digit at most once; blank one of them")


def solve_many(boards: np.ndarray) -> dict[str, np.ndarray]:
    """solution (B, cells); n_solutions up to 2, backtracks, naked_backtracks (B,) of boards.

    ``backtracks`` counts wrong guesses until the first solution with naked and hidden singles to a
    fixpoint, then the cell with fewest candidates (ties: lowest index), digits ascending;
    ``naked_backtracks`` the same with naked singles only. Where n_solutions is 0, the solution is
    the board and the counts are the guesses of the whole search.
    """
    from rrm_core.sudoku import kernels  # numba: a fifth of a second that no table needs

    boards = np.ascontiguousarray(np.atleast_2d(boards), dtype=np.uint8)
    rules, state = geometry(side_of(boards)), np.zeros(1, np.uint64)
    found = [kernels.search(board, *rules, True, 2, state, False, *FREE) for board in boards]
    naked = [kernels.search(board, *rules, False, 1, state, False, *FREE)[1] for board in boards]
    columns = *zip(*found, strict=True), naked
    names = ("n_solutions", "backtracks", "solution", "naked_backtracks")
    return {name: np.array(column) for name, column in zip(names, columns, strict=True)}


def solve(board: np.ndarray) -> dict:
    """:func:`solve_many` of one board (cells,); :class:`SudokuError` where it has no solution."""
    check(board)
    if not (found := {name: x[0] for name, x in solve_many(board).items()})["n_solutions"]:
        raise SudokuError(f"{to_text(board)} has no solution: a given must be wrong")
    return found


def described(puzzles: np.ndarray, solutions: np.ndarray) -> pd.DataFrame:
    """Table of :data:`COLUMNS` of puzzles and solutions (B, cells), boards as texts."""
    texts = [to_text(b) for b in puzzles], [to_text(b) for b in solutions]
    found = solve_many(puzzles)
    counts = (puzzles > 0).sum(1), found["backtracks"], found["naked_backtracks"]
    return pd.DataFrame(dict(zip(COLUMNS, texts + counts, strict=True)))


def generate(side: int, n: int, seed: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions) (n, cells): minimal puzzles with one solution, the same everywhere.

    Each starts from a random full grid; givens are removed in random order while the solution
    stays unique, until none can be removed. 1 ms each at 9x9.
    """
    from rrm_core.sudoku import kernels

    rules = geometry(side)
    seeds = np.random.default_rng(seed).integers(0, 2**63, size=n, dtype=np.uint64)
    puzzles = np.zeros((n, side * side), np.uint8)
    solutions = puzzles.copy()
    for puzzle, solution, start in zip(puzzles, solutions, seeds, strict=True):
        state, order = np.full(1, start), np.arange(side * side)
        solution[:] = kernels.search(puzzle, *rules, True, 1, state, True, *FREE)[2]
        puzzle[:] = solution
        kernels.shuffle(order, state)
        kernels.minimise(puzzle, order, *rules, state)
    return puzzles, solutions


def add_givens(
    puzzles: np.ndarray, solutions: np.ndarray, extra: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Puzzles (B, cells) with ``extra[b]`` random blanks of row b, or all, filled as solved."""
    keys = np.where(puzzles > 0, 2.0, rng.random(puzzles.shape))
    reveal = (puzzles == 0) & (keys.argsort(1).argsort(1) < extra[:, None])
    return np.where(reveal, solutions, puzzles)
