"""Statistics against scikit-learn, scipy, the literature's worked values, and their own edges."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, norm
from sklearn.metrics import roc_auc_score

from rrm_core.analysis import controls, early, halting, spectrum, stats


def test_auc_is_scikit_learns(run):
    for score in (-run.table.lambda_1, run.table.q_halt_16, run.table.givens):
        assert stats.auc(score, run.table.correct).value == pytest.approx(
            roc_auc_score(run.table.correct, score), abs=1e-12
        )


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auc_counts_pairs_with_ties_half(rows):
    score, correct = np.array([s for s, _ in rows]), np.array([c for _, c in rows])
    found = stats.auc(score, correct)
    if correct.all() or not correct.any():
        assert np.isnan(found.value) and "one class only" in found.reason
        return
    pairs = [(a > b) + 0.5 * (a == b) for a in score[correct] for b in score[~correct]]
    assert (
        found.value == pytest.approx(np.mean(pairs))
        and 0 <= found.low <= found.value <= found.high <= 1
        and found.low < found.high
    )


def test_delong_interval_has_its_coverage():
    """Normal scores with a known AUC of Phi(1/sqrt 2 ... ) = Phi(d / sqrt 2): about 95 % of intervals hold it."""
    from scipy.stats import norm

    rng, d = np.random.default_rng(0), 1.0
    truth, labels = norm.cdf(d / np.sqrt(2)), np.repeat([True, False], 60)
    hits = [
        e.low <= truth <= e.high
        for e in (
            stats.auc(np.concatenate([rng.normal(d, 1, 60), rng.normal(0, 1, 60)]), labels)
            for _ in range(1000)
        )
    ]
    assert 0.93 < np.mean(hits) < 0.97


def test_delong_agrees_with_a_bootstrap(run):
    score, correct = -run.table.lambda_1.to_numpy(), run.table.correct.to_numpy()
    rng = np.random.default_rng(0)
    good, bad = score[correct], score[~correct]
    draws = stats.resampled_auc(good, bad, 2000, rng)
    e = stats.auc(score, correct)
    assert np.percentile(draws, [2.5, 97.5]) == pytest.approx([e.low, e.high], abs=0.004)


def test_clopper_pearson_of_the_papers_counts():
    for k, n, low, high in [
        (0, 254, 0, 0.0144),
        (21, 3894, 0.0033, 0.0082),
        (63, 3894, 0.0125, 0.0207),
        (5, 971, 0.0017, 0.0120),
    ]:
        e = stats.proportion(k, n)
        assert (e.value, e.low, e.high) == (
            pytest.approx(k / n),
            pytest.approx(low, abs=6e-5),
            pytest.approx(high, abs=6e-5),
        )
    assert stats.zero_bound(254) == pytest.approx(0.0117, abs=5e-5)
    assert np.isnan(stats.proportion(0, 0).value)
    with pytest.raises(ValueError, match="k=3 of n=2"):
        stats.proportion(3, 2)


def test_median_interval_is_scipys_bootstrap():
    values = np.random.default_rng(0).exponential(size=301)
    theirs = bootstrap(
        (values,), np.median, n_resamples=9999, method="percentile", rng=1
    ).confidence_interval
    e = stats.median(values)
    assert e.value == np.median(values) and (e.low, e.high) == pytest.approx(
        (theirs.low, theirs.high), rel=0.03
    )
    assert stats.median(values).low == e.low, "the seed is fixed"
    assert np.isnan(stats.median(np.array([1.0])).value)


def test_unmeasured_says_why():
    e = stats.auc(np.arange(3.0), np.ones(3, bool))
    assert str(e) == "cannot be measured: one class only (3 correct, 0 wrong)"
    with pytest.raises(ValueError, match="1 scores are NaN"):
        stats.auc(np.array([1.0, np.nan]), np.array([True, False]))


def test_spectrum_and_aggregates(run):
    table = spectrum.spectrum(run.table)
    assert list(table.i) == list(range(1, 9))
    assert table.auc[2] == pytest.approx(roc_auc_score(run.table.correct, -run.table.lambda_3))
    assert (table.gap == table.median_correct - table.median_wrong).all()
    mean = run.table[[f"lambda_{i}" for i in range(1, 9)]].astype("float64").mean(axis=1)
    assert spectrum.aggregates(run.table).auc[1] == pytest.approx(
        roc_auc_score(run.table.correct, -mean)
    )


def matched_frame(n=4000, seed=0):
    """The bin of late drift alone decides the outcome; the exponent is late drift and a little noise."""
    rng = np.random.default_rng(seed)
    late = np.sort(rng.uniform(0, 1, n))
    chance = 0.05 + 0.9 * np.repeat(np.linspace(0, 1, 10), n // 10)
    return pd.DataFrame(
        {
            "lambda_1": late + rng.normal(0, 0.01, n),
            "correct": rng.uniform(size=n) > chance,
            "idx": np.arange(n),
        }
    ), late


def test_matching_removes_what_drift_explains():
    df, late = matched_frame()
    assert stats.auc(-df.lambda_1, df.correct).value > 0.8
    table, mean = controls.decile_auc(df, late, -1.0, resamples=500)
    assert mean.low < 0.5 < mean.high and mean.high - mean.low < 0.1
    assert len(table) == 10 and table.n.sum() == len(df) and table.used.all()


def test_matching_uses_unsettled_puzzles_and_large_enough_bins():
    df, late = matched_frame(200)
    table, _ = controls.decile_auc(df, late, 0.5)
    assert (
        table.n.sum() == (late >= 0.5).sum()
        and (table.used == (table[["n_correct", "n_wrong"]].min(axis=1) >= 5)).all()
    )
    _, none = controls.decile_auc(df, late, 2.0)
    assert none.reason == "no unsettled puzzle"


def test_binned_auc():
    df, late = matched_frame()
    df["givens"] = np.digitize(late, np.linspace(0, 1, 5)[1:-1]) + 20
    table, mean = controls.binned_auc(df, "givens")
    assert (
        list(table.low_value) == [20, 21, 22, 23]
        and 0.5 < mean.value < stats.auc(-df.lambda_1, df.correct).value
    )
    df["givens"] = 20
    assert "one bin of givens holds 100%" in controls.binned_auc(df, "givens")[1].reason
    df["givens"] = np.where(np.arange(len(df)) < 0.7 * len(df), 0, 3)
    assert list(controls.binned_auc(df, "givens")[0].n) == [2800, 1200], (
        "equal values stay together"
    )


def test_early_window_reads_only_the_first_segments(run):
    h = 4
    table = early.early_window(run.table, run.updates_per_segment, h).set_index(
        ["subset", "signal"]
    )
    wrong = ~run.table.correct_04
    growth = np.max(
        [
            run.table[[f"growth_{i}_{t:02d}" for t in range(1, h + 1)]]
            .astype("float64")
            .sum(axis=1)
            for i in range(1, 9)
        ],
        axis=0,
    )
    assert table.auc["wrong at 4", "lambda1"] == pytest.approx(
        roc_auc_score(run.table.correct[wrong], -growth[wrong])
    )
    assert table.auc["wrong at 4", "drift_h"] == pytest.approx(
        roc_auc_score(run.table.correct[wrong], run.table.drift_h_04[wrong])
    )
    assert (
        table.n_correct["wrong at 4", "q_halt"] + table.n_wrong["wrong at 4", "q_halt"]
        == wrong.sum()
    )


def test_halting_curve_ends_at_full_accuracy(run):
    for rule in ("q_halt", "drift_h"):
        curve = halting.halting_curve(run.table, rule)
        longest = curve.loc[curve.segments.idxmax()]
        assert longest.segments > 15 and longest.accuracy == pytest.approx(
            run.table.correct.mean(), abs=0.01
        )
        assert curve.segments.between(1, 16).all()
    with pytest.raises(ValueError, match="rule='x'"):
        halting.halting_curve(run.table, "x")


def test_nested_models_see_what_is_new_and_what_is_not():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1500))
    base = {f"drift_h_{t:02d}": 10.0**a for t in range(1, 17)} | {
        "q_halt_16": rng.normal(size=1500)
    }
    known = pd.DataFrame(base | {"lambda_1": a, "correct": rng.logistic(size=1500) < -2 * a})
    new = pd.DataFrame(base | {"lambda_1": b, "correct": rng.logistic(size=1500) < -2 * a - 2 * b})
    nothing, something = (
        controls.nested_auc(known, resamples=500).iloc[0],
        controls.nested_auc(new, resamples=500).iloc[0],
    )
    assert nothing.low < 0.005 and abs(nothing.difference) < 0.01
    assert something.low > 0.05 and something.difference == pytest.approx(
        something.auc - something.auc_without
    )
    one = controls.nested_auc(known[known.correct])
    assert one.difference.isna().all() and one.reason.str.contains("fewer than 10 folds").all()


def test_below_the_calmest_failures():
    rng = np.random.default_rng(1)
    values, correct = (
        np.r_[rng.normal(0, 1, 300), rng.normal(2, 1, 40)],
        np.r_[np.ones(300, bool), np.zeros(40, bool)],
    )
    good, bad = values[:300], np.sort(values[300:])
    every = stats.below_failures(values, correct)
    exact = stats.proportion(int((good < bad[0]).sum()), 300)
    assert [every.value, every.low, every.high, every.n] == [
        exact.value,
        exact.low,
        exact.high,
        300,
    ] and every.method.endswith("given these failures")
    most = stats.below_failures(values, correct, 0.05)
    draws = [(rng.choice(good, 300) < np.sort(rng.choice(bad, 40))[2]).mean() for _ in range(4000)]
    assert most.value == (good < bad[2]).mean() > every.value and most.n == 300
    assert np.allclose([most.low, most.high], np.percentile(draws, [2.5, 97.5]), atol=0.02)
    assert "one class only (300 correct, 0 wrong)" in str(
        stats.below_failures(good, np.ones(300, bool))
    )


def test_the_interval_below_most_failures_covers_what_it_should():
    rng, truth, covered = np.random.default_rng(0), norm.cdf(norm.ppf(0.05, loc=2)), 0
    for _ in range(200):
        found = stats.below_failures(
            np.r_[rng.normal(0, 1, 400), rng.normal(2, 1, 200)],
            np.r_[np.ones(400, bool), np.zeros(200, bool)],
            0.05,
        )
        covered += found.low <= truth <= found.high
    assert 180 <= covered <= 200
