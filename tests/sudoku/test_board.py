"""Boards: what others published, brute force, and every refusal."""

from itertools import product

import numpy as np
import pytest

from rrm_core.sudoku.board import (
    SudokuError,
    add_givens,
    box_shape,
    check,
    generate,
    geometry,
    parse,
    side_of,
    solve,
    to_text,
)

PUZZLE = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
ANSWER = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"


def is_solved(boards):
    """Whether every row, column and box of full boards holds each digit once."""
    digits = np.arange(1, side_of(boards) + 1)
    return (np.sort(boards[..., geometry(len(digits))[0]], -1) == digits).all((-1, -2))


def solutions_by_trying(board):
    """Number of solutions of a small board: every digit everywhere."""
    blanks = np.flatnonzero(board == 0)
    digits = list(product(range(1, side_of(board) + 1), repeat=len(blanks)))
    full = np.tile(board, (len(digits), 1))
    full[:, blanks] = digits
    return is_solved(full).sum()


def test_a_known_puzzle(count_solutions):
    solved = solve(parse(PUZZLE))
    assert to_text(solved["solution"]) == ANSWER
    assert (solved["backtracks"], solved["naked_backtracks"]) == (0, 0)  # singles alone solve it
    assert count_solutions(parse(PUZZLE)) == 1


def test_solutions_are_counted_as_brute_force_counts_them(count_solutions):
    rng = np.random.default_rng(1)
    grid = generate(4, 1, 0)[1][0]
    for _ in range(20):
        board = grid.copy()
        board[rng.choice(16, 8, replace=False)] = 0
        assert count_solutions(board, 100) == solutions_by_trying(board)


def test_4x4_has_288_grids(count_solutions):
    assert count_solutions(np.zeros(16, np.uint8), 1000) == 288


@pytest.mark.parametrize("side", [4, 6, 9])
def test_generated_puzzles_are_minimal_and_unique(side, count_solutions):
    boards, solutions = generate(side, 20, seed=3)
    assert is_solved(solutions).all()
    for board, solution in zip(boards, solutions, strict=True):
        assert count_solutions(board) == 1
        assert (solve(board)["solution"] == solution).all()
        for cell in np.flatnonzero(board):
            fewer = board.copy()
            fewer[cell] = 0
            assert count_solutions(fewer) == 2, "a given could be removed"
    again = generate(side, 20, seed=3)[0]
    assert (again == boards).all() and (generate(side, 20, seed=4)[0] != boards).any()


def test_extra_givens_are_digits_of_the_solution():
    boards, solutions = generate(6, 10, seed=0)
    more = add_givens(boards, solutions, np.full(10, 5), np.random.default_rng(0))
    assert ((more > 0).sum(1) - (boards > 0).sum(1) == 5).all()
    assert (more[boards > 0] == boards[boards > 0]).all() and (
        more[more > 0] == solutions[more > 0]
    ).all()


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
        parse(text)


def test_two_equal_digits_in_a_row_are_named():
    with pytest.raises(SudokuError, match="digit 5 stands twice in row 1"):
        check(parse("5.......5" + "." * 72))
    with pytest.raises(SudokuError, match="digit 2 stands twice in column 3"):
        solve(parse("..2..." + "." * 12 + "..2..." + "." * 12))


def test_an_unsolvable_puzzle_is_refused(count_solutions):
    board = parse("123." + "...4" + "." * 8)
    with pytest.raises(SudokuError, match="has no solution"):
        solve(board)
    assert count_solutions(board) == 0


def test_an_unknown_side_is_refused():
    with pytest.raises(SudokuError, match="side=5"):
        box_shape(5)
