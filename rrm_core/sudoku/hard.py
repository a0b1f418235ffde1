"""Hard 9x9 puzzles: minimal ones, made harder by exchanging givens, as collectors do.

A chain climbs from a random minimal puzzle while ``backtracks`` do not fall, then walks at about
that height, where every few moves a puzzle is kept. All puzzles of a chain have one solution grid.
"""

import numpy as np
import pandas as pd
from numba import njit
from tqdm.auto import tqdm

from rrm_core.sudoku.board import described, generate, geometry
from rrm_core.sudoku.kernels import draw, minimise, search, shuffle
from rrm_core.sudoku.symmetry import canonical

ROUNDS = 8_000  # proposals before a chain settles for what it has
GOAL = 110  # backtracks at which a chain stops climbing
FLOOR = 0.8  # a walking chain stays above this share of what it climbed to
PER_CHAIN, APART = 16, 12  # puzzles kept of a chain, taken proposals between them


def make(sizes: dict[str, int], seed: int = 0) -> dict[str, pd.DataFrame]:
    """{split: table} of hard 9x9 puzzles, canonical forms distinct, no chain in two splits.

    About a quarter of a second a puzzle. The same seed gives the same puzzles on every platform.
    """
    seen, out, number = set(), {}, 0
    with tqdm(total=sum(sizes.values()), unit="puzzle") as bar:
        for split, wanted in sizes.items():
            kept: list[tuple] = []
            while len(kept) < wanted:
                found, solution = chain(seed, number)
                number += 1
                for board, form in zip(found, canonical(found), strict=True):
                    if form.tobytes() not in seen and len(kept) < wanted:
                        seen.add(form.tobytes())
                        kept.append((board, solution))
                        bar.update()
            out[split] = described(*map(np.array, zip(*kept, strict=True)))
    return out


def chain(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """(at most PER_CHAIN puzzles (n, 81), their solution (81,)) of one chain; see the module."""
    (best,), (solution,) = generate(9, 1, [seed, number])
    rules, state, order = geometry(9), np.full(1, number + 1, np.uint64), np.arange(81)
    score = search(best, *rules, True, 1, state, False)[1]
    for _ in range(ROUNDS):
        if score >= GOAL:
            break
        trial, new = exchanged(best, solution, *rules, state, order)
        if new >= score:
            best, score = trial, new
    kept, moves, lowest = [best], 0, FLOOR * score
    for _ in range(ROUNDS):
        if len(kept) == PER_CHAIN:
            break
        trial, new = exchanged(best, solution, *rules, state, order)
        if new >= lowest:
            best, moves = trial, moves + 1
            if moves % APART == 0:
                kept.append(best)
    return np.array(kept), solution


@njit(cache=True)
def exchanged(board, solution, units, peers, state, order):
    """(a neighbour of `board` (81,), its ``backtracks``, -1 where it is not unique).

    One or two givens are removed, solution digits added where another solution differs until the
    puzzle is unique again, and all givens that are not needed removed.
    """
    trial, removed, left = board.copy(), 1 + draw(state, 2), 0
    shuffle(order, state)
    for cell in order:
        if left < removed and trial[cell]:
            trial[cell] = 0
            left += 1
    additions = removed + draw(state, 2)
    for i in range(additions + 1):
        if search(trial, units, peers, True, 2, state, True)[0] == 1:
            shuffle(order, state)
            minimise(trial, order, units, peers, state)
            return trial, search(trial, units, peers, True, 1, state, False)[1]
        if i < additions:
            add_given(trial, solution, units, peers, state, order)
    return trial, -1


@njit(cache=True)
def add_given(board, solution, units, peers, state, order):
    """Put a digit of `solution` where another solution of `board` differs, if there is one."""
    other = search(board, units, peers, True, 1, state, True)[2]
    for cell in range(len(board)):
        if (other == solution).all() and board[cell] == 0:
            barred = cell, solution[cell]
            found, _, answer = search(board, units, peers, True, 1, state, False, *barred)
            if found:
                other = answer
    shuffle(order, state)
    for cell in order:
        if board[cell] == 0 and other[cell] != solution[cell]:
            board[cell] = solution[cell]
            break
