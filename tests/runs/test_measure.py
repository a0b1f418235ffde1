"""Rows of the table: independent of order, and each column what its name says."""

import numpy as np
import pandas as pd
import pytest
import torch

from rrm_core.dynamics.rollout import unroll
from rrm_core.models.recursive import tokens
from rrm_core.models.weights import load_model
from rrm_core.runs import measure, schema
from rrm_core.runs.measure import MeasureError
from rrm_core.sudoku import sets
from rrm_core.training.saving import checkpoints


@pytest.fixture(scope="module")
def model(smoke_training):
    torch.set_num_threads(1)
    return load_model(checkpoints(smoke_training)[120])


@pytest.fixture(scope="module")
def frame():
    return measure.subset("4x4-test", 50)


def test_order_does_not_matter(model, frame):
    table, texts = measure.rows(model, frame, k=3)
    order = np.random.default_rng(0).permutation(len(frame))
    shuffled, shuffled_texts = measure.rows(model, frame.iloc[order], k=3)
    pd.testing.assert_frame_equal(table.iloc[order].reset_index(drop=True), shuffled)
    pd.testing.assert_frame_equal(texts.iloc[order].reset_index(drop=True), shuffled_texts)


def test_columns_mean_what_they_say(model, frame):
    table, texts = measure.rows(model, frame, k=2)
    boards, solutions = sets.boards(frame)
    alone = unroll(model, tokens(boards), k=0)
    answer = alone.answer.numpy() - 1
    assert (table.correct == (answer[:, -1] == solutions).all(-1)).all()
    assert np.allclose(table.drift_h_03, alone.drift_h[:, 2], rtol=1e-3)
    blank = [
        (cells == solution)[board == 0].mean()
        for cells, solution, board in zip(answer[:, -1], solutions, boards, strict=True)
    ]
    assert np.allclose(table.blank_acc, blank, atol=1e-6)
    assert list(texts) == ["idx"] + [f"answer_{t:02d}" for t in range(1, 17)]


def test_the_last_states_are_kept_as_asked(model, frame):
    boards, _ = sets.boards(frame)
    assert unroll(model, tokens(boards), k=0).recent.shape[1] == 0
    kept = unroll(model, tokens(boards), k=0, keep=3)
    assert kept.recent.shape[1] == 3 and (kept.recent[:, -1] == kept.state[0]).all()
    moved = (kept.recent[:, 1:] - kept.recent[:, :-1]).double().flatten(2).norm(dim=2)
    assert np.allclose(moved, kept.drift_h[:, -2:])


@pytest.mark.parametrize("dtype, k", [(torch.bfloat16, 0), (torch.float64, 1)])
def test_every_dtype_gives_a_table_that_holds(model, frame, dtype, k, smoke_training):
    other = load_model(checkpoints(smoke_training)[120], dtype)
    table, _ = measure.rows(other, frame.head(8), k=k)
    assert schema.exponents(table) == k
    schema.validate(table, "here", updates_per_segment=3, k=k)
    base, _ = measure.rows(model, frame.head(8), k=k)
    assert np.allclose(table.drift_h_01, base.drift_h_01, rtol=0.05)
    assert not table.drift_h_16.equals(base.drift_h_16)


def test_more_puzzles_than_there_are_is_refused():
    with pytest.raises(MeasureError, match=r"n=257: '4x4-test' has 256 puzzles; ask for 1..256"):
        measure.subset("4x4-test", 257)


@pytest.mark.parametrize("extra_givens", [0, 3])
def test_the_grid_of_an_imported_puzzle_goes_with_it(extra_givens, data_copy):
    table = sets.table("4x4-test").head(3).assign(grid=[0, 1, 1], rating=1.5)
    sets.write({"mine": table})
    frame = measure.subset("mine", 2, extra_givens)
    assert frame.grid.tolist() == [0, 1] and ("rating" in frame) == (extra_givens == 0)


def test_tangents_that_do_not_fit_the_memory_are_refused_in_words(smoke_training):
    model = load_model(smoke_training / "checkpoints" / "step_000120")

    def full(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 TB")

    model.embed = full
    with pytest.raises(measure.MeasureError, match="not enough memory for 32 puzzles and k=3"):
        measure.roll(model, np.zeros((1, 16), np.uint8), k=3)
