"""Two phases, against an independent referee's figures, recomputed here with pandas alone."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rrm_core.analysis import controls, measures, phases, stats
from rrm_core.runs import tables
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


def late_answers(above=0.0, bend=0.0, times=range(1, 13), n=300, seed=0):
    """A run whose growth is a trend in the last wrong segment, failures `above` its end."""
    rng = np.random.default_rng(seed)
    last = rng.choice([*times], n)
    last[: n // 3] = 16
    right = np.arange(1, 17) > last[:, None]
    growth = 0.1 * last + bend * (last - 16) ** 2 + above * (last == 16) + rng.normal(0, 0.05, n)
    df = pd.DataFrame(right, columns=[f"correct_{t:02d}" for t in range(1, 17)])
    df = df.assign(lambda_1=growth / 6, correct=right[:, -1], solution=np.arange(n).astype(str))
    return SimpleNamespace(table=df, updates_per_segment=6)


@pytest.mark.parametrize(("degree", "bend"), [(1, 0.0), (2, 0.0), (2, 0.01)])
def test_failures_are_held_against_an_answer_at_the_last_segment(degree, bend, monkeypatch):
    monkeypatch.setattr(stats, "RESAMPLES", 400)
    stats.counts.cache_clear()
    for above in (0.0, -0.5):
        drawn = [late_answers(above, bend, seed=seed) for seed in range(40)]
        found = [phases.beyond_trend(run, degree) for run in drawn]
        assert sum(e.low < above < e.high for e in found) >= 34, "an interval of 95 % covers"
        assert max(e.high - e.low for e in found) < 0.2
    stats.counts.cache_clear()


def test_a_line_is_misled_by_a_trend_that_bends():
    found = phases.beyond_trend(late_answers(bend=0.01), 1)
    assert found.low > 0.1 or found.high < -0.1


def test_the_step_is_that_of_a_regression_by_hand(runs):
    run = runs["trm-9x9-brief"]
    df, last = run.table, phases.last_wrong(run.table)
    right = df.correct.to_numpy()
    growth = df.lambda_1.to_numpy("float64") * run.updates_per_segment
    line = np.polyfit(last[right], growth[right], 2)
    expected = growth[~right].mean() - np.polyval(line, 16)
    assert phases.beyond_trend(run, 2).value == pytest.approx(expected, abs=1e-6)


def test_failures_are_held_against_no_trend_of_one_time():
    assert "at 1 segments only" in phases.beyond_trend(late_answers(times=[5])).reason
    assert "(0)" in phases.beyond_trend(late_answers(times=[16])).reason


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


def test_a_run_without_exponents_says_so_in_every_estimate(run):
    df = run.table.assign(lambda_1=np.nan)
    bare = replace(run, table=df)
    made = [phases.stopwatch(df), phases.beyond_trend(bare), controls.matched_auc(df)]
    made += [controls.binned_auc(df, "givens")[1], controls.givens_gain(df)]
    made += [measures.growth(bare, True)]
    assert {str(e) for e in made} == {"cannot be measured: no puzzle has a value"}


def test_solved_at_one_segment_there_is_no_stopwatch(run):
    df = run.table.copy()
    for t, column in enumerate(tables.numbered(df, "correct"), 1):
        df.loc[df.correct, column] = t > 3
    reason = "cannot be measured: all were last wrong at segment 3"
    assert str(phases.stopwatch(df)) == reason


def test_failures_of_one_grid_are_too_few_grids_to_resample(run):
    df = run.table.copy()
    df.loc[~df.correct, "solution"] = df.solution[~df.correct].iloc[0]
    found = str(phases.beyond_trend(replace(run, table=df)))
    assert found == "cannot be measured: too few solution grids to resample"


def test_a_run_that_solves_nothing_has_no_stopwatch(run):
    failed = run.table[~run.table.correct]
    assert phases.stopwatch(failed).reason.startswith("n < 20 solved")
    assert np.isnan(phases.before_after(failed).growth[0])
