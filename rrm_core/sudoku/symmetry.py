"""Symmetries of Sudoku: a random one for each puzzle, and the canonical form under all of them.

The group: digits relabelled; bands, stacks, rows in a band and columns in a stack reordered; and,
where boxes are square, transposition.
"""

from functools import cache
from itertools import permutations, product

import numpy as np
import pandas as pd
from numba import njit

from rrm_core.sudoku.board import box_shape, side_of


def augment(
    puzzles: np.ndarray, solutions: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(puzzles, solutions) (B, cells), each row under a symmetry drawn uniformly from the group."""
    side, batch = side_of(puzzles), len(puzzles)
    height, width = box_shape(side)
    lines = []
    for block in (height, width):  # orders of the rows, then of the columns, that keep bands
        outer = rng.random((batch, side // block)).argsort(1)
        inner = rng.random((batch, side // block, block)).argsort(2)
        lines.append((outer[:, :, None] * block + inner).reshape(batch, side))
    cells = lines[0][:, :, None] * side + lines[1][:, None, :]
    if height == width:
        flip = rng.random(batch) < 0.5
        cells = np.where(flip[:, None, None], cells.transpose(0, 2, 1), cells)
    cells = cells.reshape(batch, side * side)
    digits = np.zeros((batch, side + 1), np.uint8)
    digits[:, 1:] = rng.random((batch, side)).argsort(1) + 1
    moved = [np.take_along_axis(boards, cells, 1) for boards in (puzzles, solutions)]
    puzzles, solutions = (np.take_along_axis(digits, boards, 1) for boards in moved)
    return puzzles, solutions


def canonical(boards: np.ndarray) -> np.ndarray:
    """(B, cells): the smallest image of each board (B, cells), digits labelled as they appear.

    Two boards are essentially the same exactly when their canonical forms are equal.
    """
    boards = np.ascontiguousarray(np.atleast_2d(boards), dtype=np.uint8)
    side = side_of(boards)
    height, width = box_shape(side)
    grids = boards.reshape(-1, 1, side, side)
    if height == width:
        grids = np.concatenate([grids, grids.transpose(0, 1, 3, 2)], 1)
    return smallest_images(grids, column_orders(side), height).reshape(boards.shape)


@cache
def column_orders(side: int) -> np.ndarray:
    """(orders, side) that keep stacks together: 8, 72, 1,296 at side 4, 6, 9."""
    width = box_shape(side)[1]
    stacks = np.array(list(permutations(range(side // width))))[:, None, :, None]
    within = np.array(list(product(permutations(range(width)), repeat=side // width)))
    return (stacks * width + within).reshape(-1, side)


@njit(cache=True)
def smallest_images(grids, columns, height):
    """(B, n, n): the smallest image of grids (B, transpositions, n, n), row after row."""
    side = grids.shape[-1]
    best = np.full((len(grids), side, side), 255, np.uint8)
    used, tried = np.zeros(side, np.bool_), np.zeros(side, np.int64)
    labels = np.zeros((side + 1, side + 1), np.uint8)
    for b in range(len(grids)):
        for grid in grids[b]:
            for order in columns:
                lower(best[b], grid, order, height, used, tried, labels)
    return best


@njit(cache=True)
def lower(best, grid, order, height, used, tried, labels):
    """Lower `best` to the smallest image of `grid` whose columns stand in `order`, if smaller.

    A search over the order of rows; a branch ends where its next row is larger than the best one.
    By depth, `tried` counts the rows looked at, `labels` the digits labelled, then has each label.
    """
    side, r, tried[0] = len(grid), 0, 0
    while r >= 0:
        row = tried[r]
        if row == side:
            r -= 1
            used[tried[r] - 1] = False
            continue
        tried[r] += 1
        band = row // height * height
        if used[row] or used[band : band + height].sum() != r % height:
            continue
        sign = label(best[r], grid[row], order, labels[r], labels[r + 1])
        if sign < 0:
            best[r + 1 :] = 255
        if sign <= 0 and r + 1 < side:
            used[row] = True
            r += 1
            tried[r] = 0


@njit(cache=True)
def label(best, row, order, before, after):
    """Lower `best` to the image of a row, columns in `order`, if smaller; the sign that tells."""
    sign, after[:] = 0, before
    for c in range(len(row)):
        digit = row[order[c]]
        if digit and after[digit] == 0:
            after[0] += 1
            after[digit] = after[0]
        image = after[digit] if digit else 0
        if sign == 0 and image != best[c]:
            sign = 1 if image > best[c] else -1
        if sign > 0:
            break
        best[c] = image
    return sign


def classes(grids: np.ndarray) -> np.ndarray:
    """(B,) int: the code of the essentially different grid of each full grid (B, cells).

    Codes count from 0 in order of appearance. Equal codes are exactly those of equal
    :func:`canonical` forms, found in a hundredth of the time: of the column orders and
    transpositions only those are tried that put invariants of the columns in ascending order.
    """
    distinct, where = np.unique(np.atleast_2d(grids), axis=0, return_inverse=True)
    side = side_of(distinct)
    height, orders = box_shape(side)[0], column_orders(side)
    forms = []
    for grid in distinct.reshape(-1, side, side).astype(np.uint8):
        views = [grid, grid.T] if height * height == side else [grid]
        keys = [column_keys(view, box_shape(side)[1]) for view in views]
        best = min(tuple(sorted(key)) for key in keys)
        images = []
        for view, key in zip(views, keys, strict=True):
            if tuple(sorted(key)) == best:
                ranked = np.unique(key, return_inverse=True)[1][orders]  # (orders, side)
                number = ranked @ (side ** np.arange(side)[::-1])
                chosen = orders[number == number.min()]
                views_of = np.ascontiguousarray(view)[None, None]
                images.append(smallest_images(views_of, chosen, height).tobytes())
        forms.append(min(images))
    return pd.factorize(np.array(forms, dtype=object)[where.ravel()])[0]


@njit(cache=True)
def column_keys(grid, width):
    """(n,) int64: invariants of the columns of a full grid, whatever its rows and digits are.

    Two columns pair the digits of each row; the lengths of the cycles of that permutation are the
    same under every symmetry. A key sums them over the columns of its stack and over the others.
    """
    side = len(grid)
    keys, to = np.zeros(side, np.int64), np.zeros(side + 1, np.int64)
    for a in range(side):
        for b in range(side):
            if a == b:
                continue
            for r in range(side):
                to[grid[r, a]] = grid[r, b]
            kind = 0
            for start in range(1, side + 1):
                length, digit = 1, to[start]
                while digit != start:
                    length, digit = length + 1, to[digit]
                kind += length**3
            same = a // width == b // width
            keys[a] += kind * kind % 1_000_003 * (1 if same else 1_009) + kind
    return keys
