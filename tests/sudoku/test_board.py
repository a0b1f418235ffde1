"""Sudoku: what others published, brute force, symmetries, and every refusal."""

import gzip
import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrm_core.sudoku import board as sudoku
from rrm_core.sudoku import sets as puzzles
from rrm_core.sudoku.board import SudokuError

PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
ANSWER = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"


def all_solutions(board):
    """Every solution of a small board, by trying every digit everywhere."""
    side = sudoku.side_of(board)
    blanks = np.flatnonzero(board == 0)
    found = []
    for digits in product(range(1, side + 1), repeat=len(blanks)):
        full = board.copy()
        full[blanks] = digits
        if sudoku.is_solved(full):
            found.append(full)
    return found


def test_a_known_puzzle():
    solved = sudoku.solve(sudoku.parse(PUZZLE))
    assert sudoku.to_text(solved.solution) == ANSWER
    assert (solved.backtracks, solved.naked_backtracks) == (0, 0)  # singles alone solve it
    assert sudoku.count_solutions(sudoku.parse(PUZZLE)) == 1


def test_solutions_are_counted_as_brute_force_counts_them():
    rng = np.random.default_rng(1)
    grid = sudoku.generate(4, 1, 0)[1][0]
    for _ in range(20):
        board = grid.copy()
        board[rng.choice(16, 8, replace=False)] = 0
        assert sudoku.count_solutions(board, 100) == len(all_solutions(board))


def test_4x4_has_288_grids():
    assert sudoku.count_solutions(np.zeros(16, np.uint8), 1000) == 288


@pytest.mark.parametrize("side", [4, 6, 9])
def test_generated_puzzles_are_minimal_and_unique(side):
    boards, solutions = sudoku.generate(side, 20, seed=3)
    assert sudoku.is_solved(solutions).all()
    for board, solution in zip(boards, solutions, strict=True):
        assert sudoku.count_solutions(board) == 1
        assert (sudoku.solve(board).solution == solution).all()
        for cell in np.flatnonzero(board):
            fewer = board.copy()
            fewer[cell] = 0
            assert sudoku.count_solutions(fewer) == 2, "a given could be removed"
    again = sudoku.generate(side, 20, seed=3)[0]
    assert (again == boards).all() and (sudoku.generate(side, 20, seed=4)[0] != boards).any()


def test_extra_givens_are_digits_of_the_solution():
    boards, solutions = sudoku.generate(6, 10, seed=0)
    more = sudoku.add_givens(boards, solutions, np.full(10, 5), np.random.default_rng(0))
    assert ((more > 0).sum(1) - (boards > 0).sum(1) == 5).all()
    assert (more[boards > 0] == boards[boards > 0]).all() and (
        more[more > 0] == solutions[more > 0]
    ).all()


@pytest.mark.parametrize("side", [4, 6, 9])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_symmetries_keep_what_they_must(side, seed):
    boards, solutions = sudoku.generate(side, 2, seed=7)
    turned, turned_solutions = sudoku.augment(boards, solutions, np.random.default_rng(seed))
    assert sudoku.is_solved(turned_solutions).all()
    assert ((turned > 0).sum(1) == (boards > 0).sum(1)).all()
    assert [sudoku.count_solutions(b) for b in turned] == [1, 1]
    assert (sudoku.canonical(turned) == sudoku.canonical(boards)).all()


def test_canonical_tells_different_puzzles_apart():
    boards = sudoku.generate(6, 50, seed=0)[0]
    forms = sudoku.canonical(boards)
    assert len(np.unique(forms, axis=0)) == 50
    assert all(sudoku.count_solutions(f) == 1 for f in forms[:5])


@pytest.mark.parametrize(
    "splits", [("train", "test"), ("train", "validation"), ("test", "validation")]
)
def test_shipped_6x6_sets_share_no_canonical_form(splits):
    first, second = (sudoku.canonical(puzzles.read(f"6x6-{s}", 6)[0]) for s in splits)
    assert not {f.tobytes() for f in first} & {f.tobytes() for f in second}


@pytest.mark.parametrize("name", ["6x6-test", "6x6-validation", "4x4-test"])
def test_shipped_sets_say_what_the_solver_says(name):
    table = puzzles.table(name).head(200)
    boards, solutions = puzzles.boards(table)
    found = sudoku.solve_many(boards)
    assert (found["n_solutions"] == 1).all() and (found["solution"] == solutions).all()
    assert (found["backtracks"] == table.backtracks).all() and (
        found["naked_backtracks"] == table.naked_backtracks
    ).all()
    assert ((boards > 0).sum(1) == table.givens).all()


def test_training_set_has_15000_puzzles():
    assert len(puzzles.table("6x6-train")) == 15_000 and len(puzzles.table("6x6-test")) == 2_048


@pytest.mark.parametrize(
    "text, message",
    [
        ("1" * 35, "35 characters"),
        ("1" * 1_000_000, "1000000 characters"),
        ("7" + "." * 35, "row 1, column 1"),
        ("." * 15 + "x", "character 'x' at row 4, column 4"),
        ("", "0 characters"),
    ],
)
def test_bad_text_is_refused(text, message):
    with pytest.raises(SudokuError, match=message):
        sudoku.parse(text)


def test_two_equal_digits_in_a_row_are_named():
    with pytest.raises(SudokuError, match="digit 5 stands twice in row 1"):
        sudoku.check(sudoku.parse("5.......5" + "." * 72))
    with pytest.raises(SudokuError, match="digit 2 stands twice in column 3"):
        sudoku.solve(sudoku.parse("..2..." + "." * 12 + "..2..." + "." * 12))


def test_an_unsolvable_puzzle_is_refused():
    board = sudoku.parse("123." + "...4" + "." * 8)
    with pytest.raises(SudokuError, match="has no solution"):
        sudoku.solve(board)
    assert sudoku.count_solutions(board) == 0


def test_unknown_sides_and_sets_are_refused():
    with pytest.raises(SudokuError, match="side=5"):
        sudoku.box_shape(5)
    with pytest.raises(SudokuError, match="unknown puzzle set '6x6-tset'; known: .*6x6-test"):
        puzzles.table("6x6-tset")
    with pytest.raises(SudokuError, match="36 cells a board"):
        puzzles.read("6x6-test", 9)


def test_hard_puzzles_are_harder_minimal_unique_and_seeded():
    from rrm_core.sudoku import hard

    options = {"rounds": 400, "goal": 12, "progress": False}
    made = hard.make({"train": 8, "test": 10}, seed=1, **options)
    table = made["test"]
    ordinary = sudoku.described(*sudoku.generate(9, 200, seed=5)).backtracks.mean()
    assert table.backtracks.mean() > 1.5 * ordinary
    boards, solutions = puzzles.boards(table)
    assert (sudoku.solve_many(boards)["solution"] == solutions).all()
    for board in boards:
        assert sudoku.count_solutions(board) == 1
        for cell in np.flatnonzero(board):
            fewer = board.copy()
            fewer[cell] = 0
            assert sudoku.count_solutions(fewer) == 2
    both = np.concatenate([boards, puzzles.boards(made["train"])[0]])
    assert len(np.unique(sudoku.canonical(both), axis=0)) == 18
    assert not set(table.solution) & set(made["train"].solution), "a chain stands in two splits"
    assert hard.make({"train": 8}, seed=1, **options)["train"].equals(made["train"])


FOLDER = os.environ.get("RRM_PUZZLES")


@pytest.mark.skipif(
    not FOLDER, reason="RRM_PUZZLES does not name a folder with puzzle collections of others"
)
def test_1000_puzzles_with_17_clues_are_unique():
    path = next(Path(FOLDER).glob("*17_clue*"))
    with gzip.open(path, "rt") as file:
        lines = [
            line.strip() for line in file if len(line.strip()) == 81 and not line.startswith("#")
        ]
    chosen = np.random.default_rng(0).choice(len(lines), 1000, replace=False)
    boards = np.stack([sudoku.parse(lines[i]) for i in chosen])
    assert ((boards > 0).sum(1) == 17).all()
    found = sudoku.solve_many(boards)
    assert (found["n_solutions"] == 1).all() and sudoku.is_solved(found["solution"]).all()
    assert (found["solution"][boards > 0] == boards[boards > 0]).all()
