"""Settled or not: Otsu, the band, cells and their edges."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rrm_core.analysis import cells
from rrm_core.analysis.cells import CellError


def two_humps(n=400, gap=4.0, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(0, 0.3, n), rng.normal(gap, 0.3, n)])


def test_otsu_cuts_between_two_humps():
    split = cells.otsu(two_humps())
    assert 0.8 < split.threshold < 3.2 and split.separability > 0.95


def test_otsu_is_the_best_of_all_cuts():
    values = np.random.default_rng(3).gamma(2.0, size=500)
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    pooled = np.repeat(centres, counts)

    def between(c):
        low, high = pooled[pooled <= c], pooled[pooled > c]
        return (
            len(low) * len(high) * (low.mean() - high.mean()) ** 2
            if len(low) and len(high)
            else 0.0
        )

    assert cells.otsu(values).threshold == centres[np.argmax([between(c) for c in centres])]


def test_values_that_round_off_alone_tells_apart_have_no_cut():
    assert np.isnan(cells.otsu(np.array([-3.0, np.nextafter(-3.0, 0), -3.0])).threshold)
    assert cells.otsu(np.array([-3.0, -3.0 + 1e-9])).separability == pytest.approx(1)


def test_separability_of_a_uniform_distribution_is_three_quarters():
    assert cells.otsu(np.linspace(0, 1, 100_000)).separability == pytest.approx(0.75, abs=1e-3)


def test_a_band_needs_two_humps():
    assert cells.band(two_humps()).exists
    none = cells.band(np.random.default_rng(0).normal(size=1000))
    assert not none.exists and none.reason == "late drift is not bimodal"
    same = cells.band(np.full(10, 2.0))
    assert not same.exists and np.isnan(same.otsu) and "fewer than two values" in same.reason


def test_strict_percentile_is_80_percent_of_the_settled_share_rounded_to_5():
    values = two_humps()
    band = cells.band(values)
    assert band.strict_percentile == 40.0  # half settle: 0.8 x 50
    assert band.strict == np.percentile(values, 40)
    assert cells.band(values, 60).strict == np.percentile(values, 60)
    for bad in (0, 100, -3, 101):
        with pytest.raises(CellError, match="strict_percentile"):
            cells.band(values, bad)


def test_settled_means_strictly_below():
    assert list(
        cells.assign(np.array([1.0, 1.0, 2.0, 0.5]), np.array([True, False, False, False]), 1.0)
    ) == ["C", "D", "D", "B"]
    with pytest.raises(CellError, match="no band"):
        cells.assign(np.zeros(2), np.ones(2, bool), np.nan)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.booleans()), min_size=1, max_size=50), st.floats(-6, 6)
)
def test_cells_partition_the_puzzles(rows, threshold):
    values, correct = np.array([v for v, _ in rows]), np.array([c for _, c in rows])
    n = cells.count(cells.assign(values, correct, threshold))
    assert (
        sum(n.values()) == len(rows)
        and n["A"] + n["C"] == correct.sum()
        and n["A"] + n["B"] == (values < threshold).sum()
    )


def test_nan_drift_is_refused():
    with pytest.raises(CellError, match="NaN or infinite in 1 rows"):
        cells.band(np.array([0.0, 1.0, np.nan]))


def test_late_drift_is_the_mean_of_the_last_four(run):
    df = run.table
    expected = np.log10(
        df[["drift_h_13", "drift_h_14", "drift_h_15", "drift_h_16"]].to_numpy("float64").mean(1)
    )
    assert np.allclose(cells.late_drift(df), expected, atol=1e-12)
    both = 10 ** cells.late_drift(df, "both")
    assert (both >= 10 ** cells.late_drift(df, "h") - 1e-9).all()
    with pytest.raises(CellError, match="state='x'"):
        cells.late_drift(df, "x")


def test_late_drift_is_clipped_at_the_floor():
    df = pd.DataFrame({f"drift_h_{t:02d}": [0.0] for t in range(1, 17)})
    assert cells.late_drift(df)[0] == -12


def test_settled_failures_or_the_nearest(run):
    values = cells.late_drift(run.table)
    inside = cells.settled_failures(run.table, float(np.max(values)) + 1)
    assert (
        len(inside) == (~run.table.correct).sum()
        and (inside.cell == "B").all()
        and inside.late_drift.is_monotonic_increasing
    )
    assert (inside.selector_blind == (inside.halted_at > 0)).all()
    none = cells.settled_failures(run.table, float(np.min(values)) - 1)
    assert len(none) == 5 and (none.cell == "D").all() and not none.selector_blind.any()
    assert list(none.idx) == list(inside.idx[:5])


def test_sweep_rises_from_nothing_to_everything(run):
    table = cells.sweep(cells.late_drift(run.table), run.table.correct)
    assert (
        table.settled_failures.is_monotonic_increasing
        and (table[["A", "B", "C", "D"]].sum(axis=1) == len(run.table)).all()
    )


def test_a_strict_threshold_does_not_cut_round_off(runs):
    """Half of the puzzles rest within rounding of one value: percentiles of it mean nothing."""
    rng = np.random.default_rng(0)
    moving = rng.normal(0, 0.3, 400)
    spike = cells.band(np.r_[rng.normal(-4.1, 0.002, 400), moving])
    assert spike.exists and np.isnan(spike.strict) and spike.cut == spike.otsu
    assert spike.strict_reason == "below the floor of float32"
    spread = cells.band(np.r_[rng.normal(-4.1, 0.3, 400), moving])
    assert spread.strict == spread.cut and spread.strict_reason == ""
    band = cells.band_of(runs["trm-9x9-brief"])
    assert np.isnan(band.strict) and band.exists
    assert np.isfinite(cells.band_of(runs["hrm-6x6-late"]).strict)


def test_cells_at_otsu_are_those_of_the_band_and_without_one_nothing_settles(run):
    found, band = cells.at_otsu(run.table)
    late = cells.late_drift(run.table)
    assert (found == cells.assign(late, run.table.correct, band.otsu)).all() and band == cells.band(
        late
    )
    still = run.table.head(40).assign(**{f"drift_h_{t:02d}": 1.0 for t in range(1, 17)})
    found, band = cells.at_otsu(still)
    assert np.isnan(band.otsu) and (found == np.where(still.correct, "C", "D")).all()


def test_over_an_empty_gap_the_cut_is_its_middle_and_the_papers_stands_beside_it():
    values = np.concatenate([np.linspace(-4, -3, 50), np.linspace(1, 2, 50)])
    split = cells.otsu(values)
    width = np.ptp(values) / cells.BINS
    assert split.threshold == pytest.approx(-1, abs=width)
    assert split.first == pytest.approx(-3, abs=width) and split.first < split.threshold


def test_ties_at_the_floor_of_float32_are_no_second_hump():
    rng = np.random.default_rng(0)
    tied = np.round(rng.normal(-4.1, 0.01, 1000), 2)  # one hump of a few distinct values
    found = cells.band(tied)
    assert np.isnan(found.dip_p) and found.separability < cells.UNIFORM and not found.exists


@pytest.mark.parametrize(
    ("steps", "shares"),
    [
        ([0, 0.01], [0.97, 0.03]),
        ([0, 0.01], [0.5, 0.5]),
        ([1, 2], [0.9, 0.1]),
        ([1, 2, 3], [0.8, 0.1, 0.1]),
        ([1, 2, 3, 4], [0.1, 0.5, 0.3, 0.1]),
        ([1, 2, 3, 4, 5, 6], [0.3, 0.3, 0.2, 0.1, 0.05, 0.05]),
    ],
)
def test_one_hump_of_a_few_values_has_no_band(steps, shares):
    """At the floor a drift is the root of a few units of rounding: -7, -7 + log10(2) / 2, ..."""
    levels = -7 + (np.log10(steps) / 2 if steps[0] else np.array(steps))
    found = cells.band(np.repeat(levels, np.round(1000 * np.array(shares)).astype(int)))
    assert np.isnan(found.dip_p) and not found.exists and found.reason


def test_two_humps_of_a_few_values_each_have_a_band():
    low = -7 + np.log10([1, 2, 3]) / 2
    assert cells.band(np.repeat(np.r_[low, low + 4], 100)).exists
    assert cells.band(np.repeat([-3.0, 0.5], [970, 30])).exists


@pytest.mark.parametrize("distance", [6, 8, 10, 20])
def test_the_smallest_share_that_is_seen_is_where_the_band_begins(distance):
    share = cells.smallest_share(distance)
    rng = np.random.default_rng(0)

    def seen(part):
        far = round(20_000 * part)
        return cells.otsu(
            np.r_[rng.normal(0, 1, 20_000 - far), rng.normal(distance, 1, far)]
        ).separability

    assert seen(0.7 * share) < cells.UNIFORM < seen(1.3 * share)
    assert np.isnan(cells.smallest_share(3.4)) and 0.4 < cells.smallest_share(3.5) < 0.5
