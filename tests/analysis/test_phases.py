"""Two phases, against an independent referee's figures, recomputed here with pandas alone."""

import numpy as np
import pandas as pd
import pytest

from rrm_core.analysis import phases
from rrm_core.store import paths

EXPECTED = {  # R2 of lambda_1 on the last wrong segment, growth before, after, of failures
    "trm-9x9-brief": (0.964, 1.52, -3.70, 1.25),
    "hrm-9x9-brief": (0.747, 0.28, -2.41, -0.15),
    "hrm-6x6-late": (0.546, None, None, None),
    "hrm-9x9-small": (0.305, None, None, None),
}


def by_hand(name):
    """The same four figures from the Parquet file, by pandas and numpy."""
    df = pd.read_parquet(paths.data_dir() / "runs" / name / "measurements.parquet")
    segments = range(1, 17)
    right = df[[f"correct_{t:02d}" for t in segments]].set_axis(segments, axis=1)
    last = (~right).mul(np.arange(1, 17)).max(axis=1)
    r2 = df.lambda_1[df.correct].astype(float).corr(last[df.correct].astype(float)) ** 2
    long = df[[f"growth_1_{t:02d}" for t in segments]].astype(float).set_axis(segments, axis=1)
    long = long.rename_axis(columns="segment").stack().rename("growth").reset_index("segment")
    long = long.join(pd.DataFrame({"last": last, "solved": df.correct}))
    late = long[long.segment >= 3]
    before = late[late.solved & (late.segment <= late["last"])].growth.median()
    after = late[late.solved & (late.segment > late["last"] + 1)].growth.median()
    return r2, before, after, late[~late.solved].growth.median()


@pytest.mark.parametrize("name", EXPECTED)
def test_the_referees_figures_are_in_the_tables(name):
    for found, expected in zip(by_hand(name), EXPECTED[name], strict=True):
        if expected is not None:
            assert found == pytest.approx(expected, abs=0.0051 if abs(expected) > 0.1 else 0.001)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_phases_are_those_of_the_tables(runs, name):
    r2, *growth = by_hand(name)
    df = runs[name].table
    found = phases.stopwatch(df)
    assert found.value == pytest.approx(r2, abs=1e-9) and found.low < r2 < found.high
    assert ("grids" in found.method) == (df[df.correct].solution.nunique() < found.n)
    table = phases.before_after(df).set_index("phase")
    assert table.growth[["before", "after", "failures"]].tolist() == pytest.approx(growth)


def test_last_wrong_is_the_last_and_not_the_first():
    right = np.ones((3, 16), dtype=bool)
    right[1, [0, 4]] = False  # right, left again in segment 5
    right[2, 15] = False
    df = pd.DataFrame(right, columns=[f"correct_{t:02d}" for t in range(1, 17)])
    assert phases.last_wrong(df).tolist() == [0, 5, 16]


def test_groups_by_solving_time_are_medians_of_their_puzzles(run):
    table = phases.by_solving_time(run.table)
    assert list(table.group.unique()) == [
        "wrong for 2 segments",
        "wrong for 4 segments",
        "wrong for 8 segments",
        "failures",
    ]
    four = run.table[phases.last_wrong(run.table) == 4]
    row = table[(table.group == "wrong for 4 segments") & (table.segment == 7)].iloc[0]
    assert row.n == len(four) and row.growth == pytest.approx(
        four.growth_1_07.astype(float).median()
    )


def test_a_run_that_solves_nothing_has_no_stopwatch(run):
    failed = run.table[~run.table.correct]
    assert phases.stopwatch(failed).reason.startswith("n < 20 solved")
    assert np.isnan(phases.before_after(failed).growth[0])
