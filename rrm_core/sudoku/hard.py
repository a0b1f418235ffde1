"""Hard 9x9 puzzles: minimal ones, made harder by exchanging givens.

This is how collectors search the neighbourhood of hard puzzles. A chain starts at a random minimal
puzzle. Each proposal removes one or two givens, adds solution digits where another solution differs
until the puzzle is unique again, and minimises. Proposals that do not lower ``backtracks`` are
taken until a goal is reached; then the chain walks among puzzles of about that difficulty, and
every few moves one is kept. Puzzles of one chain share the solution grid and some givens, so
training and held-out puzzles never share a chain.
"""

from __future__ import annotations

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
            kept = []
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
    score = difficulty(best, *rules)
    for _ in range(ROUNDS):
        if score >= GOAL:
            break
        trial, new = proposal(best, solution, *rules, state, order)
        if new >= score:
            best, score = trial, new
    kept, moves, lowest = [best], 0, FLOOR * score
    for _ in range(ROUNDS):
        if len(kept) == PER_CHAIN:
            break
        trial, new = proposal(best, solution, *rules, state, order)
        if new >= lowest:
            best, moves = trial, moves + 1
            if moves % APART == 0:
                kept.append(best)
    return np.array(kept), solution


@njit(cache=True)
def difficulty(board, units, peers):
    """``backtracks`` of a puzzle."""
    return search(board, units, peers, True, 1, np.zeros(1, np.uint64), False)[1]


@njit(cache=True)
def proposal(board, solution, units, peers, state, order):
    """(`board` with one or two givens exchanged, minimised; its difficulty, -1 if not unique)."""
    trial = board.copy()
    unique = exchange(trial, solution, units, peers, state, order)
    return trial, difficulty(trial, units, peers) if unique else -1


@njit(cache=True)
def other_solution(board, solution, units, peers, state):
    """(a solution of `board` that is not `solution`, whether there is one)."""
    first = search(board, units, peers, True, 1, state, True)[2]
    for cell in range(len(board)):
        if first[cell] != solution[cell]:
            return first, True
    for cell in range(len(board)):
        if board[cell] == 0:
            barred = cell, solution[cell]
            found, _, other = search(board, units, peers, True, 1, state, False, *barred)
            if found:
                return other, True
    return first, False


@njit(cache=True)
def exchange(board, solution, units, peers, state, order):
    """Exchange one or two givens of `board` and minimise, in place; False if not made unique."""
    removed, left = 1 + draw(state, 2), 0
    shuffle(order, state)
    for cell in order:
        if left < removed and board[cell]:
            board[cell] = 0
            left += 1
    added = removed + draw(state, 2)
    for i in range(added + 1):
        if search(board, units, peers, True, 2, state, True)[0] == 1:
            shuffle(order, state)
            minimise(board, order, units, peers, state)
            return True
        if i < added:
            other, differs = other_solution(board, solution, units, peers, state)
            shuffle(order, state)
            for cell in order:
                if differs and board[cell] == 0 and other[cell] != solution[cell]:
                    board[cell] = solution[cell]
                    break
    return False
