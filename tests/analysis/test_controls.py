"""Controls take away what they know, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from rrm_core.analysis import cells, controls, stats


def frame(late, growth, correct):
    """A table of puzzles on grids of their own, with this late drift."""
    n = len(late)
    drifts = {f"drift_h_{t:02d}": 10.0**late for t in range(1, 17)}
    return pd.DataFrame(
        drifts | {"lambda_1": growth, "correct": correct, "solution": [str(i) for i in range(n)]}
    )


def disguised(n=1500, seed=0):
    """Late drift alone decides the outcome; the exponent is late drift and a little noise."""
    rng = np.random.default_rng(seed)
    late = np.sort(rng.uniform(0, 1, n))
    return frame(late, late + rng.normal(0, 0.01, n), rng.uniform(size=n) > 0.05 + 0.9 * late)


def test_the_caliper_removes_what_late_drift_explains():
    df = disguised()
    assert stats.auc(-df.lambda_1, df.correct).value > 0.77
    found = controls.matched_auc(df, -1.0)
    assert found.low < 0.55 and 0.48 < found.value < 0.56  # what .05 decades leave in
    wide = controls.decile_auc(df, -1.0)[1]
    assert 0.5 < wide.value < 0.6


def test_the_caliper_keeps_what_is_more_than_late_drift():
    rng, n = np.random.default_rng(0), 1200
    growth = rng.normal(size=n)
    df = frame(rng.uniform(size=n), growth, rng.logistic(size=n) < -growth)
    found = controls.matched_auc(df, -1.0)
    assert found.value == pytest.approx(stats.auc(-growth, df.correct).value, abs=0.01)
    assert found.low < found.value < found.high < found.value + 0.05


def test_matched_auc_by_hand(runs):
    """The referee's figures: .86 [.76, .95] and .77, every success against the failures near it."""
    for name, value in (("trm-9x9-brief", 0.86), ("hrm-6x6-late", 0.77)):
        df = runs[name].table
        late = np.log10(df[[f"drift_h_{t}" for t in (13, 14, 15, 16)]].astype(float).mean(axis=1))
        above = late >= cells.band_of(runs[name]).otsu
        wins = []
        for i in df.index[df.correct & above]:
            near = df.lambda_1[~df.correct & above & ((late - late[i]).abs() <= 0.05)]
            if len(near):
                wins.append(np.mean((near > df.lambda_1[i]) + (near == df.lambda_1[i]) / 2))
        found = controls.matched_auc(df)
        assert found.value == pytest.approx(np.mean(wins)) == pytest.approx(value, abs=0.005)
    found = controls.matched_auc(runs["trm-9x9-brief"].table)
    assert (found.low, found.high) == pytest.approx((0.76, 0.95), abs=0.02)


def test_matching_needs_twenty_successes_that_meet_a_failure():
    df = disguised(300)
    assert controls.matched_auc(df, 2.0).reason.startswith("n < 20 successes")


@pytest.mark.parametrize(("grids", "told"), [(2, False), (6, False), (60, True)])
def test_matched_puzzles_on_few_of_many_grids_have_no_interval(grids, told):
    """A resample that draws none of their grids has no value; it made the verdict "fails"."""
    df, rest = disguised(300), disguised(600, seed=1)
    df["solution"] = [f"in the match {i % grids}" for i in range(len(df))]
    late = [c for c in rest if c.startswith("drift")]
    rest[late] = 1e-6  # settled, on grids of their own
    found = controls.matched_auc(pd.concat([df, rest], ignore_index=True), -1.0)
    assert bool(found.reason) != told
    if not told:
        assert found.reason == "too few solution grids to resample" and np.isnan(found.value)


def test_bins_are_of_unsettled_puzzles_and_used_where_large_enough():
    for n, told in ((200, False), (600, True)):
        df = disguised(n)
        table, mean = controls.decile_auc(df, 0.5)
        assert table.n.sum() == (cells.late_drift(df) >= 0.5).sum() and len(table) == 10
        assert (table.used == (table[["n_correct", "n_wrong"]].min(axis=1) >= 5)).all()
        used = int(table.used.sum())
        assert 0 < used < 10 and told == (used >= 5)  # a mean of ten bins is not one of two
        if told:
            assert mean.value == pytest.approx(table.auc[table.used].mean())
        else:
            assert mean.reason == f"{used} of 10 bins of late drift hold 5 of each outcome"
    assert controls.decile_auc(df, 2.0)[1].reason == "no bin of late drift holds 5 of each outcome"


def test_bins_of_difficulty_keep_equal_values_together():
    df = disguised()
    late = cells.late_drift(df)
    df["givens"] = np.digitize(late, np.linspace(0, 1, 5)[1:-1]) + 20
    table, mean = controls.binned_auc(df, "givens")
    assert list(table.start) == list(table.end) == [20, 21, 22, 23]
    inside = [
        roc_auc_score(df.correct[b], -df.lambda_1[b]) for b in df.groupby("givens").groups.values()
    ]
    assert mean.value == pytest.approx(np.average(inside, weights=table.n))
    assert 0.5 < mean.value < stats.auc(-df.lambda_1, df.correct).value
    df["givens"] = 20
    assert "one bin of givens holds 100%" in controls.binned_auc(df, "givens")[1].reason
    df["givens"] = np.where(np.arange(len(df)) < 0.7 * len(df), 0, 3)
    assert list(controls.binned_auc(df, "givens")[0].n) == [1050, 450]


def test_the_change_within_givens_is_paired():
    """Bins that know nothing change nothing; the interval knows that puzzles are the same."""
    rng, n = np.random.default_rng(0), 1200
    growth = rng.normal(size=n)
    df = frame(rng.uniform(size=n), growth, rng.logistic(size=n) < -growth)
    df["givens"] = rng.integers(20, 28, n)
    gain, alone = controls.givens_gain(df), stats.auc(-growth, df.correct)
    whole = controls.binned_auc(df, "givens")[1].value - alone.value
    assert gain.value == pytest.approx(whole) and gain.low < 0 < gain.high
    assert gain.high - gain.low < 0.25 * (alone.high - alone.low)


def test_nested_models_see_what_is_new_and_what_is_not():
    rng, n = np.random.default_rng(0), 1500
    a, b = rng.normal(size=(2, n))
    halt = {"q_halt_16": rng.normal(size=n), "correct_16": True}
    known = frame(a, a, rng.logistic(size=n) < -2 * a).assign(**halt)
    new = frame(a, b, rng.logistic(size=n) < -2 * a - 2 * b).assign(**halt)

    def history(df):
        drifts = np.log10(cells.drift(df))
        return controls.added(df, df[["lambda_1"]].to_numpy(), drifts)

    for added in (controls.beyond, history):
        nothing, something = added(known), added(new)
        assert nothing.low < 0.005 and abs(nothing.value) < 0.01
        assert something.low > 0.05
        assert "fewer than 10 folds" in added(known[known.correct]).reason
        nine = known.assign(solution=np.arange(n) % 9)
        assert added(nine).reason == "9 solution grids of the rarer outcome, fewer than 10 folds"
    certain = frame(a, b, a < 0).assign(**halt)
    assert controls.beyond(certain).reason.startswith("at the ceiling")


def test_puzzles_of_one_grid_stay_in_one_fold():
    """A signal that is the grid's name, at random, foretells nothing unless a fold leaks."""
    rng, grids = np.random.default_rng(0), np.repeat(np.arange(60), 20)
    outcome = (rng.uniform(size=60) < 0.5)[grids]
    df = frame(rng.normal(size=1200), rng.normal(size=1200), outcome)
    df["solution"] = grids.astype(str)
    names = rng.normal(size=(60, 12))[grids]
    found = roc_auc_score(outcome, controls.out_of_fold(names, df))
    df["solution"] = [str(i) for i in range(1200)]
    leaked = roc_auc_score(outcome, controls.out_of_fold(names, df))
    assert found < 0.7 < 0.95 < leaked
