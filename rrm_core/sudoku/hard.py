"""Hard 9x9 puzzles: minimal puzzles made harder by exchanging givens, as collectors search the neighbourhood of hard ones.

A chain starts at a random minimal puzzle. Each proposal removes one or two givens, adds solution digits where another
solution differs until the puzzle is unique again, and minimises. Proposals that do not lower ``backtracks`` are taken
until a goal is reached; then the chain walks among puzzles of about that difficulty, and every few moves one is kept.
Puzzles of one chain share the solution grid and some givens, so training and held-out puzzles never share a chain.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numba import njit
from tqdm.auto import tqdm

from rrm_core.sudoku import board as sudoku
from rrm_core.sudoku.kernels import draw, minimise, search, shuffle

ROUNDS = 8_000  # proposals before a chain settles for what it has
GOAL = 110  # backtracks at which a chain stops climbing
FLOOR = 0.8  # a walking chain stays above this share of what it climbed to
PER_CHAIN, APART = 16, 12  # puzzles kept of a chain, taken proposals between them


@njit(cache=True)
def difficulty(board, units, peers, state):
    """``backtracks`` of a puzzle."""
    return search(board, units, peers, True, 1, state, False)[1]


@njit(cache=True)
def other_solution(board, solution, units, peers, state):
    """(a solution of `board` that is not `solution`, whether there is one)."""
    first = search(board, units, peers, True, 1, state, True)[2]
    for cell in range(len(board)):
        if first[cell] != solution[cell]:
            return first, True
    for cell in range(len(board)):
        if board[cell] == 0:
            found, _, other = search(
                board, units, peers, True, 1, state, False, cell, solution[cell]
            )
            if found:
                return other, True
    return first, False


@njit(cache=True)
def exchange(board, solution, units, peers, state, order):
    """`board` with one or two givens exchanged and minimised, in place; False when it did not become unique."""
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


@njit(cache=True)
def chain(board, solution, units, peers, seed, rounds, goal, floor, kept, apart):
    """(kept, cells) puzzles of one chain; see the module."""
    state, order = np.full(1, seed, np.uint64), np.arange(len(board))
    best, trial, out = board.copy(), board.copy(), np.empty((kept, len(board)), np.uint8)
    score = difficulty(best, units, peers, state)
    for _ in range(rounds):
        if score >= goal:
            break
        trial[:] = best
        if exchange(trial, solution, units, peers, state, order):
            new = difficulty(trial, units, peers, state)
            if new >= score:
                best[:], score = trial, new
    out[0] = best
    lowest, moves, i = floor * score, 0, 1
    for _ in range(rounds):
        if i == kept:
            break
        trial[:] = best
        if (
            exchange(trial, solution, units, peers, state, order)
            and difficulty(trial, units, peers, state) >= lowest
        ):
            best[:] = trial
            moves += 1
            if moves % apart == 0:
                out[i] = best
                i += 1
    return out[:i]


def make(
    sizes: dict[str, int],
    seed: int = 0,
    rounds: int = ROUNDS,
    goal: int = GOAL,
    progress: bool = True,
) -> dict[str, pd.DataFrame]:
    """{split: table} of hard 9x9 puzzles, all with distinct canonical forms, no chain in two splits.

    About a quarter of a second a puzzle. The same seed gives the same puzzles on every platform.
    """
    units, peers = sudoku.geometry(9)
    seen, out, number = set(), {}, 0
    with tqdm(total=sum(sizes.values()), unit="puzzle", disable=not progress) as bar:
        for split, wanted in sizes.items():
            boards, solutions = [], []
            while len(boards) < wanted:
                (start,), (solution,) = sudoku.generate(9, 1, [seed, number])
                found = chain(
                    start,
                    solution,
                    units,
                    peers,
                    np.uint64(number + 1),
                    rounds,
                    goal,
                    FLOOR,
                    PER_CHAIN,
                    APART,
                )
                number += 1
                for board, form in zip(found, sudoku.canonical(found), strict=True):
                    if form.tobytes() not in seen and len(boards) < wanted:
                        seen.add(form.tobytes())
                        boards.append(board)
                        solutions.append(solution)
                        bar.update()
            out[split] = sudoku.described(np.stack(boards), np.stack(solutions))
    return out
