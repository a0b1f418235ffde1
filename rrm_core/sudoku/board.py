"""Sudoku boards of side 4, 6 and 9: parse, print, check, solve, count, generate, symmetries, canonical form.

A board is a uint8 array (side * side,), row by row, 0 blank, digits 1..side; a batch is (B, side * side). Boxes are 2x2
at side 4, two rows by three columns at side 6, 3x3 at side 9.
"""

from __future__ import annotations

from functools import cache
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
import pandas as pd

from rrm_core.sudoku import kernels

BOXES = {4: (2, 2), 6: (2, 3), 9: (3, 3)}


class SudokuError(ValueError):
    """A board, puzzle or request that makes no sense; the message names the value, what was expected, how to mend it."""


class Solution(NamedTuple):
    """What :func:`solve` returns."""

    solution: np.ndarray  # (cells,) uint8
    backtracks: int  # wrong guesses with naked and hidden singles
    naked_backtracks: int  # wrong guesses with naked singles only


def box_shape(side: int) -> tuple[int, int]:
    """(rows, columns) of a box at `side`."""
    if side not in BOXES:
        raise SudokuError(f"side={side!r}: expected one of {sorted(BOXES)}")
    return BOXES[side]


def side_of(boards: np.ndarray) -> int:
    """The side of a board (cells,) or batch (B, cells)."""
    side = {s * s: s for s in BOXES}.get(np.shape(boards)[-1] if np.ndim(boards) else 0)
    if side is None:
        raise SudokuError(
            f"board of shape {np.shape(boards)}: expected a last axis of {', '.join(str(s * s) for s in BOXES)} cells"
        )
    return side


@cache
def geometry(side: int) -> tuple[np.ndarray, np.ndarray]:
    """(units (3 side, side), peers (cells, number of peers)): the cells of each row, column and box, and who sees whom."""
    height, width = box_shape(side)
    grid = np.arange(side * side).reshape(side, side)
    boxes = (
        grid.reshape(side // height, height, side // width, width)
        .transpose(0, 2, 1, 3)
        .reshape(side, side)
    )
    units = np.concatenate([grid, grid.T, boxes])
    seen = [
        sorted(set(units[(units == cell).any(1)].ravel()) - {cell}) for cell in range(side * side)
    ]
    return np.ascontiguousarray(units), np.array(seen)


# --- text and checks ---------------------------------------------------------------------------------------------


def parse(text: str, side: int | None = None) -> np.ndarray:
    """The board (cells,) of a text of digits with '.' or '0' for blanks; white space is ignored.

    Raises :class:`SudokuError` for a wrong length or character. The rules are checked by :func:`check`, not here.
    """
    cells = "".join(str(text).split())
    sides = [side] if side else sorted(BOXES)
    found = next((s for s in sides if box_shape(s) and len(cells) == s * s), None)
    if found is None:
        wanted = " or ".join(str(s * s) for s in sides)
        raise SudokuError(
            f"board of {len(cells)} characters ({cells[:20]!r}...): expected {wanted}, one for each cell, '.' or '0' for a blank"
        )
    alphabet = ".0" + "123456789"[:found]
    for i, character in enumerate(cells):
        if character not in alphabet:
            raise SudokuError(
                f"character {character!r} at row {i // found + 1}, column {i % found + 1}: expected '.', '0' or a digit 1..{found}"
            )
    return np.array([0 if c == "." else int(c) for c in cells], dtype=np.uint8)


def to_text(board: np.ndarray) -> str:
    """The board as one line of digits, '.' for blanks."""
    side_of(board)
    return "".join("." if v == 0 else str(v) for v in board)


def check(board: np.ndarray) -> None:
    """Raise :class:`SudokuError` naming the digit and the row, column or box that holds it twice."""
    side = side_of(board)
    if np.max(board) > side:
        raise SudokuError(f"digit {np.max(board)} on a board of side {side}: expected 0..{side}")
    for i, unit in enumerate(geometry(side)[0]):
        digits, counts = np.unique(board[unit][board[unit] > 0], return_counts=True)
        if (counts > 1).any():
            where = f"{('row', 'column', 'box')[i // side]} {i % side + 1}"
            raise SudokuError(
                f"digit {digits[counts > 1][0]} stands twice in {where}: expected each digit at most once; blank one of them"
            )


def is_solved(boards: np.ndarray) -> np.ndarray:
    """(...,) bool: full boards in which every row, column and box holds each digit once."""
    boards, side = np.asarray(boards), side_of(boards)
    return (np.sort(boards[..., geometry(side)[0]], -1) == np.arange(1, side + 1)).all((-1, -2))


# --- solving -----------------------------------------------------------------------------------------------------


def solve_many(boards: np.ndarray) -> dict[str, np.ndarray]:
    """solution (B, cells), n_solutions (B,) up to 2, backtracks (B,), naked_backtracks (B,) of boards (B, cells).

    ``backtracks`` counts wrong guesses until the first solution with naked and hidden singles to a fixpoint, then the
    cell with fewest candidates (ties: lowest index), digits ascending; ``naked_backtracks`` the same with naked singles
    only. Where n_solutions is 0, the solution is the board and the counts are the guesses of the whole search.
    """
    boards = np.ascontiguousarray(np.atleast_2d(boards), dtype=np.uint8)
    names = ("solution", "n_solutions", "backtracks", "naked_backtracks")
    return dict(zip(names, kernels.solve_all(boards, *geometry(side_of(boards))), strict=True))


def solve(board: np.ndarray) -> Solution:
    """The first solution of `board` and its two difficulty counts; :class:`SudokuError` when there is none."""
    check(board)
    found = solve_many(board)
    if found["n_solutions"][0] == 0:
        raise SudokuError(
            f"{to_text(board)} has no solution: expected a puzzle with one; a given must be wrong"
        )
    return Solution(
        found["solution"][0], int(found["backtracks"][0]), int(found["naked_backtracks"][0])
    )


def count_solutions(board: np.ndarray, limit: int = 2) -> int:
    """Number of solutions of `board`, counted up to `limit`; a board that breaks the rules has none."""
    if limit < 1:
        raise SudokuError(f"limit={limit}: expected at least 1")
    board = np.ascontiguousarray(board, dtype=np.uint8)
    return int(
        kernels.search(
            board, *geometry(side_of(board)), True, limit, np.zeros(1, np.uint64), False
        )[0]
    )


# --- making ------------------------------------------------------------------------------------------------------


def generate(side: int, n: int, seed: int | list[int]) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions), each (n, cells): minimal puzzles with one solution, the same for the same seed everywhere.

    Each starts from a random full grid; givens are removed in random order while the solution stays unique, so that in
    the end none can be removed; :func:`add_givens` puts some back. About 1 ms each at 9x9.
    """
    box_shape(side)
    if n < 1:
        raise SudokuError(f"n={n}: expected n >= 1")
    seeds = np.random.default_rng(seed).integers(0, 2**63, size=n, dtype=np.uint64)
    return kernels.generate_all(seeds, *geometry(side))


def add_givens(
    puzzles: np.ndarray, solutions: np.ndarray, extra: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Puzzles (B, cells) with ``extra[b]`` random blanks of row b filled from its solution (all of them, if there are fewer)."""
    keys = np.where(puzzles > 0, 2.0, rng.random(puzzles.shape))
    rank = keys.argsort(1).argsort(1)
    reveal = (puzzles == 0) & (rank < np.asarray(extra)[:, None])
    return np.where(reveal, solutions, puzzles)


def line_orders(batch: int, side: int, block: int, rng: np.random.Generator) -> np.ndarray:
    """(batch, side) random orders of rows or columns that keep blocks of `block` lines together."""
    outer = rng.random((batch, side // block)).argsort(1)
    inner = rng.random((batch, side // block, block)).argsort(2)
    return (outer[:, :, None] * block + inner).reshape(batch, side)


def augment(
    puzzles: np.ndarray, solutions: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions) under one random symmetry for each row, drawn uniformly from the whole group.

    Digit relabelling, orders of bands, stacks, rows in a band, columns in a stack; transposition where boxes are square.
    """
    side, batch = side_of(puzzles), len(puzzles)
    height, width = box_shape(side)
    rows, columns = line_orders(batch, side, height, rng), line_orders(batch, side, width, rng)
    cells = rows[:, :, None] * side + columns[:, None, :]
    if height == width:
        flip = rng.random(batch) < 0.5
        cells = np.where(flip[:, None, None], cells.transpose(0, 2, 1), cells)
    cells = cells.reshape(batch, side * side)
    digits = np.zeros((batch, side + 1), np.uint8)
    digits[:, 1:] = rng.random((batch, side)).argsort(1) + 1
    return tuple(
        np.take_along_axis(digits, np.take_along_axis(boards, cells, 1), 1)
        for boards in (puzzles, solutions)
    )


@cache
def column_orders(side: int) -> np.ndarray:
    """(orders, side) every order of columns that keeps stacks together: 8, 72, 1,296 at side 4, 6, 9."""
    width = box_shape(side)[1]
    inner = list(permutations(range(width)))
    outer = permutations(range(side // width))
    return np.array(
        [
            [s * width + c for s, order in zip(stacks, orders, strict=True) for c in order]
            for stacks, orders in product(outer, list(product(inner, repeat=side // width)))
        ]
    )


def canonical(boards: np.ndarray) -> np.ndarray:
    """(B, cells): the smallest image of each board under all its symmetries, digits relabelled by first appearance.

    Two boards are essentially the same exactly when their canonical forms are equal. Exact: rows are chosen one after
    another and only the choices with the smallest board so far are kept. About 0.1 ms at 6x6, some ms at 9x9.
    """
    boards = np.ascontiguousarray(np.atleast_2d(boards), dtype=np.uint8)
    side = side_of(boards)
    height, width = box_shape(side)
    return kernels.smallest_images(boards, side, height, column_orders(side), int(height == width))


COLUMNS = ("puzzle", "solution", "givens", "backtracks", "naked_backtracks")


def described(
    puzzles: np.ndarray, solutions: np.ndarray, found: dict[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """Table of :data:`COLUMNS`, boards as texts; `found` is :func:`solve_many` of the puzzles, if known."""
    found = solve_many(puzzles) if found is None else found
    values = (
        [to_text(b) for b in puzzles],
        [to_text(b) for b in solutions],
        (puzzles > 0).sum(1),
        found["backtracks"],
        found["naked_backtracks"],
    )
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
