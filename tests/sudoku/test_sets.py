"""Puzzle sets: the shipped ones are what they say, and the same again from their seed."""

import gzip

import numpy as np
import pytest

from rrm_core.sudoku import sets
from rrm_core.sudoku.board import SudokuError, parse, solve_many
from rrm_core.sudoku.symmetry import canonical, classes


@pytest.mark.parametrize(
    "splits", [("train", "test"), ("train", "validation"), ("test", "validation")]
)
def test_shipped_6x6_sets_share_no_canonical_form(splits):
    first, second = (canonical(sets.read(f"6x6-{s}", 6)[0]) for s in splits)
    assert not {f.tobytes() for f in first} & {f.tobytes() for f in second}


@pytest.mark.parametrize("kind", ["9x9", "9x9-hard"])
def test_no_solution_grid_of_a_9x9_test_was_trained_on(kind):
    """Section 2 and the limitations say so, and that nearly all of 6x6 were."""
    grids = [np.unique(sets.table(f"{kind}-{s}").solution) for s in ("train", "test")]
    of = classes(np.stack([parse(text) for text in np.concatenate(grids)]))
    trained = set(of[: len(grids[0])])
    assert len(trained) == len(grids[0]) > 100 and not trained & set(of[len(grids[0]) :])


def test_nearly_all_solution_grids_of_the_6x6_test_were_trained_on():
    train, test = (sets.boards(sets.table(f"6x6-{s}"))[1] for s in ("train", "test"))
    of = classes(np.concatenate([train[:3_000], test]))
    assert np.isin(of[3_000:], of[:3_000]).mean() > 0.95


@pytest.mark.parametrize("name", ["6x6-test", "6x6-validation", "4x4-test"])
def test_shipped_sets_say_what_the_solver_says(name):
    table = sets.table(name).head(200)
    boards, solutions = sets.boards(table)
    found = solve_many(boards)
    assert (found["n_solutions"] == 1).all() and (found["solution"] == solutions).all()
    assert (found["backtracks"] == table.backtracks).all() and (
        found["naked_backtracks"] == table.naked_backtracks
    ).all()
    assert ((boards > 0).sum(1) == table.givens).all()


def test_training_set_has_15000_puzzles():
    assert len(sets.table("6x6-train")) == 15_000 and len(sets.table("6x6-test")) == 2_048


def test_an_unknown_set_lists_the_known_and_a_wrong_size_is_refused():
    with pytest.raises(SudokuError, match=r"unknown puzzle set '6x6-tset'; known: .*6x6-test"):
        sets.table("6x6-tset")
    with pytest.raises(SudokuError, match="36 cells a board"):
        sets.read("6x6-test", 9)


def test_the_shipped_4x4_sets_come_again_from_their_seed_byte_for_byte(data_copy):
    before = {p.name: gzip.decompress(p.read_bytes()) for p in data_copy.glob("puzzles/4x4-*")}
    made = {f"4x4-{split}": table for split, table in sets.make(4, 400, 256, 0).items()}
    written = sets.write(made)  # refused if the puzzles were others
    assert {p.name: gzip.decompress(p.read_bytes()) for p in written} == before


def test_more_puzzles_than_there_seem_to_be_are_refused_in_time(monkeypatch, capsys):
    """4x4 has some 85,000; a hundred thousand were sought for minutes, in silence."""
    monkeypatch.setattr(sets, "PATIENCE", 1)
    with pytest.raises(SudokuError, match=r"20256 different .* only 1[0-9]{4} among 22297 drawn"):
        sets.make(4, 20_000, 0, 0)
    assert "/20256 [" in capsys.readouterr().err


def test_a_set_with_other_puzzles_is_not_overwritten(data_copy):
    made = {"4x4-test": sets.make(4, 0, 8, 1)["test"]}
    with pytest.raises(SudokuError, match="there already, with other puzzles"):
        sets.write(made)
    sets.write(made, replace=True)
    assert len(sets.table("4x4-test")) == 8


def test_a_damaged_set_is_named(data_copy):
    path = sets.path_of("4x4-test")
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(SudokuError, match=r"4x4-test.csv.gz: cannot be read"):
        sets.table("4x4-test")
    path.write_bytes(gzip.compress(b"puzzle,solution\n"))
    with pytest.raises(SudokuError, match="no column givens"):
        sets.table("4x4-test")
