"""Statistics against scikit-learn, scipy, the literature's worked values, and their own edges."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap, norm
from sklearn.metrics import roc_auc_score

from rrm_core.analysis import early, selection, stats


def drawn_auc(score, correct, unit, resamples=2000):
    """The 2.5 and 97.5 percentiles of scikit-learn's AUC of samples of whole units."""
    rng, groups = np.random.default_rng(1), pd.Series(range(len(score))).groupby(unit).apply(list)
    samples = (np.concatenate(rng.choice(groups, len(groups)).tolist()) for _ in range(resamples))
    return np.percentile([roc_auc_score(correct[s], score[s]) for s in samples], [2.5, 97.5])


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
    assert found.value == pytest.approx(np.mean(pairs))
    assert 0 <= found.low <= found.value <= found.high <= 1 and found.low < found.high


def test_delong_interval_has_its_coverage():
    """Normal scores, d = 1 apart, have an AUC of Phi(1 / sqrt 2): 95 % of the intervals hold it."""
    rng, truth, labels = np.random.default_rng(0), norm.cdf(1 / np.sqrt(2)), np.repeat([1, 0], 60)
    scores = (np.r_[rng.normal(1, 1, 60), rng.normal(0, 1, 60)] for _ in range(1000))
    hits = [e.low <= truth <= e.high for e in (stats.auc(s, labels) for s in scores)]
    assert 0.93 < np.mean(hits) < 0.97


def test_delong_agrees_with_a_bootstrap(run):
    score, correct = -run.table.lambda_1.to_numpy(), run.table.correct.to_numpy()
    e = stats.auc(score, correct)
    drawn = drawn_auc(score, correct, np.arange(len(score)), 500)
    assert drawn == pytest.approx([e.low, e.high], abs=0.006)


def test_auc_over_grids_agrees_with_drawing_grids(runs):
    df = runs["trm-9x9-brief"].table
    wrong = df[~df.correct_04]
    score, correct = -wrong.lambda_1.to_numpy(), wrong.correct.to_numpy()
    unit = stats.units(wrong)
    e = stats.auc(score, correct, unit)
    assert drawn_auc(score, correct, unit, 1000) == pytest.approx([e.low, e.high], abs=0.006)
    assert e.method == f"Obuchowski, {len(wrong)} puzzles on {wrong.solution.nunique()} grids"
    alone = stats.auc(score, correct)
    assert alone.value == e.value and "grids" not in alone.method


def test_imported_puzzles_go_by_their_essentially_different_grids():
    df = pd.DataFrame({"idx": [4, 5, 6], "solution": ["12", "21", "12"], "grid": [0, 0, 1]})
    assert stats.units(df).tolist() == [0, 0, 1]
    assert stats.units(df, np.array([6, 4])).tolist() == [0, 1]
    assert stats.units(df.drop(columns="grid")).tolist() == [0, 1, 0]


def test_copies_of_puzzles_do_not_narrow_an_interval():
    """Each puzzle four times is no more than once, if the copies share their unit."""
    rng = np.random.default_rng(0)
    score, correct = rng.normal(size=80), rng.uniform(size=80) < 0.4
    copies, unit = np.repeat(np.arange(80), 4), np.repeat(np.arange(80), 4)
    once, often = stats.auc(score, correct), stats.auc(score[copies], correct[copies], unit)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.03)
    once, often = stats.share(correct), stats.share(correct[copies], unit)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.03)
    once, often = stats.median(score), stats.median(score[copies], unit)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.15)
    once, often = stats.mean(score), stats.mean(score[copies], unit=unit)
    assert often.high - often.low == pytest.approx(once.high - once.low, rel=0.03)


def test_few_grids_shared_by_many_puzzles_carry_no_interval():
    """Over five grids a nominal 95 % interval covers 81 to 87 %; over one it has no width."""
    rng = np.random.default_rng(0)
    score, correct = rng.normal(size=90), rng.uniform(size=90) < 0.5
    _, part = stats.influence(score, correct)
    for grids, reason in (
        (1, "1 solution grids, fewer than 10"),
        (9, "9 solution grids"),
        (10, ""),
    ):
        unit = np.arange(90) % grids
        found = [stats.auc(score, correct, unit), stats.mean(score, unit=unit)]
        found += [stats.paired(0.1, part, correct, unit)]
        assert all(e.reason.startswith(reason) and bool(e.reason) == bool(reason) for e in found)
        assert [np.isnan(e.low) for e in found] == [grids < 10] * 3
    few = np.arange(5)  # five puzzles, each on a grid of its own, share none
    assert stats.paired(0.1, part[:5], correct[:5], few).reason == ""


def test_a_share_over_grids_covers_what_it_should():
    """Puzzles of a grid fail together: Clopper-Pearson covers too little, Korn-Graubard enough."""
    rng, truth, unit = np.random.default_rng(0), 0.1, np.repeat(np.arange(100), 5)
    drawn = [np.repeat(rng.uniform(size=100) < truth, 5) for _ in range(300)]
    over, alone = ([stats.share(hits, u) for hits in drawn] for u in (unit, None))
    assert np.mean([e.low <= truth <= e.high for e in over]) > 0.93
    assert np.mean([e.low <= truth <= e.high for e in alone]) < 0.75


@pytest.mark.parametrize("grids", [3, 5, 10])
def test_a_share_over_few_grids_covers_what_it_should(grids):
    """Without the t quantiles: .87, .92 and .95 of these."""
    rng, unit = np.random.default_rng(0), np.repeat(np.arange(grids), 30)
    truth = 0.4  # of beta(2, 3)
    rates = rng.beta(2, 3, size=(1000, grids)).repeat(30, 1)
    found = [stats.share(hits, unit) for hits in rng.uniform(size=rates.shape) < rates]
    assert np.mean([e.low <= truth <= e.high for e in found]) > 0.94


@pytest.mark.parametrize("hit", [False, True])
def test_none_or_all_of_many_puzzles_on_two_grids_is_two_cases(hit):
    found = stats.share(np.full(100, hit), np.arange(100) % 2)
    two = stats.proportion(2 * hit, 2)
    assert (found.value, found.low, found.high) == pytest.approx((two.value, two.low, two.high))
    assert found.n == 100 and found.method.endswith("100 puzzles on 2 grids")
    alone = stats.share(np.full(100, hit))
    assert alone.high - alone.low == pytest.approx(0.0362, abs=1e-4)


def test_a_resample_without_a_value_is_a_reason_and_no_interval():
    found = stats.drawn(0.5, np.array([0.1, np.nan, 0.9]), 60, "bootstrap", np.arange(60))
    assert str(found) == "cannot be measured: too few solution grids to resample"
    assert np.isnan([found.low, found.high]).all() and found.n == 60


def test_clopper_pearson_of_the_papers_counts():
    for k, n, low, high in [
        (0, 254, 0, 0.0144),
        (21, 3894, 0.0033, 0.0082),
        (63, 3894, 0.0125, 0.0207),
        (5, 971, 0.0017, 0.0120),
    ]:
        e = stats.proportion(k, n)
        assert e.value == pytest.approx(k / n)
        assert (e.low, e.high) == pytest.approx((low, high), abs=6e-5)
        theirs = binomtest(k, n).proportion_ci(0.95, "exact")
        assert (e.low, e.high) == pytest.approx((theirs.low, theirs.high), abs=1e-10)
    assert np.isnan(stats.proportion(0, 0).value)
    with pytest.raises(ValueError, match="k=3 of n=2"):
        stats.proportion(3, 2)


def test_median_interval_is_scipys_bootstrap():
    values = np.random.default_rng(0).exponential(size=301)
    theirs = bootstrap((values,), np.median, n_resamples=9999, method="percentile", rng=1)
    low, high = theirs.confidence_interval
    e = stats.median(values)
    assert e.value == np.median(values) and (e.low, e.high) == pytest.approx((low, high), rel=0.03)
    assert stats.median(values).low == e.low, "the seed is fixed"
    assert np.isnan(stats.median(np.array([1.0])).value)


def test_a_median_of_many_equal_values_has_the_interval_of_its_mirror():
    values = np.repeat([0.0, 1.0, 2.0], [60, 120, 20])
    one, mirror = stats.median(values), stats.median(-values)
    assert (one.value, one.low, one.high) == (1, 1, 1)
    assert (mirror.value, mirror.low, mirror.high) == (-1, -1, -1)
    few = np.repeat([0.0, 1.0], [101, 99])
    assert (stats.median(few).low, stats.median(few).high) == (0, 1)


def test_what_was_not_measured_is_a_reason_in_every_estimate():
    none = np.full(40, np.nan)
    for made in (stats.auc(none, np.arange(40) < 20), stats.median(none)):
        assert str(made) == "cannot be measured: no puzzle has a value" and made.n == 40


def test_means_resample_within_strata():
    values, w = np.r_[np.zeros(40), np.ones(40)], np.repeat([0.5, 1.5], 40)
    found = stats.mean(values, w)  # within a stratum all values are equal, so nothing varies
    assert found.value == found.low == found.high == 0.75
    assert stats.mean(values).low < 0.45 and stats.mean(values).high > 0.55
    assert np.isnan(stats.mean(np.ones(5)).value)


def test_unmeasured_says_why():
    e = stats.auc(np.arange(3.0), np.ones(3, bool))
    assert str(e) == "cannot be measured: one class only (3 correct, 0 wrong)"
    with pytest.raises(ValueError, match="1 scores are NaN"):
        stats.auc(np.array([1.0, np.nan]), np.array([True, False]))


def test_early_window_reads_only_the_first_segments(run):
    every = early.horizons(run.table, run.updates_per_segment)
    table = every[every.h == 4].set_index("signal")
    wrong = run.table[~run.table.correct_04]
    names = [[f"growth_{i}_{t:02d}" for t in range(1, 5)] for i in range(1, 9)]
    growth = np.max([wrong[n].astype("float64").sum(axis=1) for n in names], axis=0)
    assert table.auc["lambda1"] == pytest.approx(roc_auc_score(wrong.correct, -growth))
    assert table.auc["drift_h"] == pytest.approx(roc_auc_score(wrong.correct, wrong.drift_h_04))
    assert table.n_correct["q_halt"] + table.n_wrong["q_halt"] == len(wrong)
    assert list(every.h.unique()) == list(range(1, 16))


def test_halting_curve_ends_at_full_accuracy(run):
    for rule in ("q_halt", "drift_h"):
        curve = selection.halting_curve(run.table, rule)
        longest = curve.loc[curve.segments.idxmax()]
        assert longest.segments > 15 and curve.segments.between(1, 16).all()
        assert longest.accuracy == pytest.approx(run.table.correct.mean(), abs=0.01)
    with pytest.raises(ValueError, match="rule='x'"):
        selection.halting_curve(run.table, "x")


def test_calmer_than_every_failure_is_exact_given_the_failures():
    rng = np.random.default_rng(1)
    values, correct = np.r_[rng.normal(0, 1, 300), rng.normal(2, 1, 40)], np.arange(340) < 300
    found = stats.below_failures(values, correct)
    exact = stats.proportion(int((values[:300] < values[300:].min()).sum()), 300)
    assert (found.value, found.low, found.high) == (exact.value, exact.low, exact.high)
    assert found.n == 300 and found.method.endswith("given these failures")
    grids = stats.below_failures(values, correct, np.arange(340) // 20)  # 15 and 2
    assert grids.value == found.value and grids.high - grids.low > found.high - found.low
    assert "one class only" in str(stats.below_failures(values[:300], correct[:300]))
