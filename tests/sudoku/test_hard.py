"""Hard puzzles: harder, minimal, unique, seeded, in families that no two splits share."""

import numpy as np

from rrm_core.sudoku import hard, sets
from rrm_core.sudoku.board import described, generate, solve_many
from rrm_core.sudoku.symmetry import canonical


def test_hard_puzzles_are_harder_minimal_unique_and_seeded(monkeypatch, count_solutions):
    monkeypatch.setattr(hard, "ROUNDS", 400)
    monkeypatch.setattr(hard, "GOAL", 12)
    made = hard.make({"train": 8, "test": 10}, seed=1)
    table = made["test"]
    ordinary = described(*generate(9, 200, seed=5)).backtracks.mean()
    assert table.backtracks.mean() > 1.5 * ordinary
    boards, solutions = sets.boards(table)
    assert (solve_many(boards)["solution"] == solutions).all()
    for board in boards:
        assert count_solutions(board) == 1
        for cell in np.flatnonzero(board):
            fewer = board.copy()
            fewer[cell] = 0
            assert count_solutions(fewer) == 2
    both = np.concatenate([boards, sets.boards(made["train"])[0]])
    assert len(np.unique(canonical(both), axis=0)) == 18
    assert not set(table.solution) & set(made["train"].solution), "a chain stands in two splits"
    assert hard.make({"train": 8}, seed=1)["train"].equals(made["train"])
