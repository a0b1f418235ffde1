"""Symmetries keep what they must; the canonical form tells puzzles apart."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rrm_core.sudoku.board import generate, solve_many
from rrm_core.sudoku.symmetry import augment, canonical, classes


@pytest.mark.parametrize("side", [4, 6, 9])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_symmetries_keep_what_they_must(side, seed, count_solutions):
    boards, solutions = generate(side, 2, seed=7)
    turned, turned_solutions = augment(boards, solutions, np.random.default_rng(seed))
    assert (turned_solutions > 0).all()
    assert (solve_many(turned_solutions)["n_solutions"] == 1).all()
    assert ((turned > 0).sum(1) == (boards > 0).sum(1)).all()
    assert [count_solutions(b) for b in turned] == [1, 1]
    assert (canonical(turned) == canonical(boards)).all()


def test_canonical_tells_different_puzzles_apart(count_solutions):
    boards = generate(6, 50, seed=0)[0]
    forms = canonical(boards)
    assert len(np.unique(forms, axis=0)) == 50
    assert all(count_solutions(f) == 1 for f in forms[:5])


def test_the_canonical_form_is_the_smallest_image_of_all():
    """By brute force at 4x4: 2 transpositions, 8 orders of columns, 8 of rows."""
    orders = [[a, b, c, d] for a, b, c, d in permutations(range(4)) if a // 2 == b // 2]
    for board in generate(4, 5, seed=1)[0]:
        grid, images = board.reshape(4, 4), []
        for turned in (grid, grid.T):
            for rows, columns in product(orders, orders):
                cells = turned[rows][:, columns].ravel().tolist()
                labels = dict.fromkeys(digit for digit in cells if digit)
                labels = {digit: i for i, digit in enumerate(labels, 1)} | {0: 0}
                images.append([labels[digit] for digit in cells])
        assert canonical(board)[0].tolist() == min(images)


@pytest.mark.parametrize(("side", "n", "known"), [(4, 100, 2), (6, 2_000, 49), (9, 20, 20)])
def test_classes_are_those_of_the_canonical_form(side, n, known):
    """There are 2 essentially different grids of side 4 and 49 of side 6 (Russell and Jarvis)."""
    solutions = generate(side, n, seed=1)[1]
    both = np.concatenate([solutions, augment(solutions, solutions, np.random.default_rng(0))[0]])
    codes = classes(both)
    assert codes.max() + 1 == known and (codes[:n] == codes[n:]).all()
    forms = np.unique(canonical(both), axis=0, return_inverse=True)[1].ravel()
    assert len(set(zip(codes, forms, strict=True))) == len(set(forms)) == known


def test_a_grid_with_many_symmetries_has_a_class_too():
    grid = np.array([(3 * (r % 3) + r // 3 + c) % 9 + 1 for r in range(9) for c in range(9)])
    grids = np.stack([grid] * 8).astype(np.uint8)
    turned = augment(grids, grids, np.random.default_rng(1))[0]
    assert (classes(np.concatenate([grids[:1], turned])) == 0).all()
