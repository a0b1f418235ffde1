"""The contract of a measurement table and every way to break it, told by column and row."""

import numpy as np
import pytest

from rrm_core.runs import schema, tables
from rrm_core.runs.schema import TableError


@pytest.fixture
def df(runs):
    return runs["trm-6x6"].table.head(20).copy()


def broken(df, **changes):
    """`df` with these values in its fourth row."""
    for column, value in changes.items():
        df.loc[df.index[3], column] = value
    return df


def test_a_valid_table_passes_unchanged(df):
    before = df.copy()
    assert schema.validate(df, "here", updates_per_segment=8, k=8) is df
    assert df.equals(before)


@pytest.mark.parametrize(
    "breakage, message",
    [
        (lambda df: df.drop(columns="drift_h_07"), "missing column drift_h_07; measure the run"),
        (lambda df: df.drop(columns="lambda_2"), "missing column lambda_2"),
        (lambda df: broken(df, drift_h_13=np.nan), "drift_h_13 is NaN or infinite at idx 3; mea"),
        (lambda df: broken(df, q_halt_02=np.inf), "q_halt_02 is NaN or infinite at idx 3"),
        (lambda df: broken(df, drift_l_01=-1.0), "drift_l_01 is negative at idx 3; a drift is a"),
        (lambda df: broken(df, idx=2), "duplicated idx 2; expected one row a puzzle"),
        (
            lambda df: df.assign(correct=~df.correct),
            "that of the last segment at idx 0, 1, 2, 3, 4 and 15 more",
        ),
        (
            lambda df: df.assign(correct=df.correct.astype(int)),
            "correct holds int64, expected bool",
        ),
        (lambda df: df.assign(q_halt_01="0.5"), "column q_halt_01 holds str, expected float32"),
        (lambda df: broken(df, solution="1" * 16), "differ in length at idx 3"),
        (lambda df: broken(df, puzzle="<b>" * 12), "puzzle holds no board at idx 3; expected 16"),
        (lambda df: broken(df, puzzle=None), "puzzle holds no board at idx 3"),
        (lambda df: df.assign(lambda_1=-df.lambda_1.abs() - 9), "idx 0, 1, 2, 3, 4 and 15 more"),
        (lambda df: df.assign(lambda_1=df.lambda_1 + 1), "not the sum of growths / 128 updates"),
        (lambda df: df.rename(columns={"lambda_1": "lambda_2", "lambda_2": "lambda_1"}), "sum of"),
        (lambda df: df.iloc[:0], "no rows"),
    ],
)
def test_a_broken_table_is_refused_by_column_and_row(df, breakage, message):
    with pytest.raises(TableError, match=f"^here: .*{message}"):
        schema.validate(breakage(df), "here", updates_per_segment=8, k=8)


def test_of_an_hrm_all_of_q_continue_must_be_there(runs):
    df = runs["hrm-6x6"].table.head(20)
    assert schema.validate(df, "here", updates_per_segment=6, k=8) is df
    with pytest.raises(TableError, match="missing column q_continue_09"):
        schema.validate(df.drop(columns="q_continue_09"), "here", 6, 8)


def test_one_class_only_is_a_table_like_any_other(runs):
    solved = runs["trm-6x6"].table.query("correct").head(60).reset_index(drop=True)
    assert schema.validate(solved, "here", updates_per_segment=8, k=8) is solved


def test_decoded_boards_that_are_none_are_refused(data_copy, root):
    folder = data_copy / "runs" / "trm-6x6"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    good = tables.read(root / "data" / "runs" / "trm-6x6" / "trajectories.parquet").head(9)
    path = folder / "trajectories.parquet"
    for bad, message in (
        (good.drop(columns="answer_07"), "missing column answer_07"),
        (good.assign(idx="a"), "column idx holds str, expected int64"),
        (broken(good.copy(), answer_16="<img>"), "column answer_16 holds no board at idx 3"),
    ):
        tables.write(bad, path)
        with pytest.raises(TableError, match=message):
            tables.read_trajectories("trm-6x6")
