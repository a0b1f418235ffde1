"""What the signal is not: late drift, difficulty, or drift at all (paper section 3.2).

Each control compares lambda_1 among puzzles that are alike in something else. The score is always
-lambda_1, so that 0.5 means that nothing is left of the signal.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from rrm_core.analysis import cells, stats
from rrm_core.analysis.stats import TAILS, Estimate, Z, auc_row, counted, few, unmeasured
from rrm_core.runs.tables import log_drift

CALIPER = 0.05  # decades of late drift within which two puzzles count as alike
MINIMUM = 5  # of each outcome, for a bin to count
LARGEST = 0.8  # share of the puzzles in one bin above which a binning controls for nothing
FOLDS = 10


# --- matched on late drift -----------------------------------------------------------------------


def matched_auc(df: pd.DataFrame, threshold: float | None = None) -> Estimate:
    """P(lambda_1 of a failure is larger) among unsettled puzzles of the same late drift.

    Each success above `threshold` (by default Otsu's of the table) meets the failures within
    :data:`CALIPER` decades of its late drift; the value is the mean over successes that meet any.
    The interval resamples solution grids. Below 20 such successes it is not told.
    """
    late, unit = cells.late_drift(df), stats.units(df)
    above = late >= (cells.band(late).otsu if threshold is None else threshold)
    good, bad = (np.flatnonzero(above & (df.correct == side)) for side in (True, False))
    near = np.abs(late[good][:, None] - late[bad]) <= CALIPER
    good, near = good[near.any(1)], near[near.any(1)]
    if refused := few(len(good), "caliper", "successes with a failure of the same late drift"):
        return refused
    growth = df.lambda_1.to_numpy("float64")
    wins = near * (np.sign(growth[bad] - growth[good][:, None]) + 1) / 2
    drawn = stats.counts((len(np.unique(unit)),))
    met = drawn[:, unit[bad]] @ near.T.astype("float32")  # (10,000, successes)
    won = np.divide(drawn[:, unit[bad]] @ wins.T.astype("float32"), met, where=met > 0, out=0 * met)
    weight = drawn[:, unit[good]] * (met > 0)
    low, high = np.percentile((weight * won).sum(1) / weight.sum(1), TAILS)
    value, n = (wins.sum(1) / near.sum(1)).mean(), len(good) + int(near.any(0).sum())
    used = unit[np.concatenate([good, bad[near.any(0)]])]
    return Estimate(float(value), float(low), float(high), n, counted("bootstrap", n, used))


def decile_auc(df: pd.DataFrame, threshold: float | None = None) -> tuple[pd.DataFrame, Estimate]:
    """(rows, mean): AUC in each of ten equal-count bins of late drift, unsettled puzzles.

    Unsettled: not below `threshold`, by default the strict one, Otsu's where that cannot be
    measured. Bins far wider than :data:`CALIPER` match little. How the paper aggregates its deciles
    was not seen.
    """
    late, band = cells.late_drift(df), cells.band(cells.late_drift(df))
    if threshold is None:
        threshold = band.otsu if np.isnan(band.strict) else band.strict
    order = np.argsort(late, kind="stable")
    groups = [g for g in np.array_split(order[late[order] >= threshold], 10) if len(g)]
    return in_bins(df, groups, pd.Series(late, name="late drift"), equal=True)[:2]


# --- in bins -------------------------------------------------------------------------------------


def binned_auc(df: pd.DataFrame, by: str) -> tuple[pd.DataFrame, Estimate]:
    """(rows, mean): AUC within quarters of the column `by`, and their mean weighted by puzzles.

    Quarters are cut by mean rank, so that equal values stay together. One bin with over 80 % of the
    puzzles controls for nothing, and cannot be measured.
    """
    table, found, _ = in_bins(df, quarters(df[by]), df[by])
    largest = table.n.max() / len(df)
    if largest > LARGEST:
        reason = f"one bin of {by} holds {largest:.0%} of the puzzles"
        return table, unmeasured(len(df), found.method, reason)
    return table, found


def quarters(values: pd.Series) -> list[np.ndarray]:
    """Row positions of each quarter of `values` that is not empty."""
    codes = np.floor((rankdata(values) - 0.5) / len(values) * 4)
    return [np.flatnonzero(codes == c) for c in np.unique(codes)]


def in_bins(
    df: pd.DataFrame, groups: list[np.ndarray], values: pd.Series, equal: bool = False
) -> tuple[pd.DataFrame, Estimate, np.ndarray]:
    """(rows, mean AUC, (B,) influence on it) within `groups` of row positions.

    Rows: bin, start and end of `values`, AUC, n_correct, n_wrong, n, and whether five of each
    outcome make it ``used``. The mean over these weighs puzzles, or, if `equal`, bins.
    """
    score, correct, unit = -df.lambda_1.to_numpy("float64"), df.correct.to_numpy(), stats.units(df)
    rows = [
        auc_row(score[g], correct[g], unit[g], bin=b, n=len(g))
        | {"start": values.iloc[g].min(), "end": values.iloc[g].max()}
        for b, g in enumerate(groups, 1)
    ]
    table = pd.DataFrame(rows, columns=[*rows[0]] if rows else ["n", "n_correct", "n_wrong"])
    table["used"] = table[["n_correct", "n_wrong"]].min(axis=1) >= MINIMUM
    used, value, part = table[table.used], 0.0, np.zeros(len(df))
    if used.empty:
        reason = f"no bin of {values.name} holds {MINIMUM} of each outcome"
        return table, unmeasured(int(table.n.sum()), "DeLong within bins", reason), part
    weights = np.full(len(used), 1 / len(used)) if equal else used.n / used.n.sum()
    for b, weight in zip(used.bin, weights, strict=True):
        g = groups[b - 1]
        inside, parts = stats.influence(score[g], correct[g])
        value, part[g] = value + weight * inside, weight * parts
    at = np.concatenate([groups[b - 1] for b in used.bin])
    error, least = (
        np.sqrt(stats.variance(part[at], correct[at], unit[at])),
        used[["n_correct", "n_wrong"]].sum().min(),
    )
    method = counted("DeLong within bins", len(at), unit[at])
    return table, Estimate(float(value), *stats.around(value, error, least), len(at), method), part


def givens_gain(df: pd.DataFrame) -> Estimate:
    """AUC within quarters of givens minus that over all puzzles: paired, so of the same puzzles."""
    table, inside, part = in_bins(df, quarters(df.givens), df.givens)
    if not table.used.all():
        reason = f"a bin of givens holds fewer than {MINIMUM} of an outcome"
        return unmeasured(len(df), "paired DeLong", reason)
    correct, unit = df.correct.to_numpy(), stats.units(df)
    value, rest = stats.influence(-df.lambda_1.to_numpy("float64"), correct)
    half, gain = Z * np.sqrt(stats.variance(part - rest, correct, unit)), inside.value - value
    return Estimate(
        gain, gain - half, gain + half, len(df), counted("paired DeLong", len(df), unit)
    )


# --- nested models -------------------------------------------------------------------------------


def out_of_fold(signals: np.ndarray, df: pd.DataFrame) -> np.ndarray:
    """(B,) scores of a logistic model, additive in cubic splines of each of `signals` (B, S).

    A straight line through a signal with two humps leaves something for any other signal to add.
    Ten folds; puzzles of one solution grid stay in one, else folds are stratified by outcome.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    splines = SplineTransformer(n_knots=6, knots="quantile")
    model = make_pipeline(splines, StandardScaler(), LogisticRegression(max_iter=1000))
    unit, correct = stats.units(df), df.correct.to_numpy()
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(signals, correct)
    if stats.repeated(unit):
        folds = GroupKFold(FOLDS, shuffle=True, random_state=0).split(signals, correct, unit)
    return cross_val_predict(model, signals, correct, cv=list(folds), method="decision_function")


def added(
    df: pd.DataFrame, signals: np.ndarray, others: np.ndarray, ceiling: float = 1.0
) -> Estimate:
    """AUC that `signals` (B, S) add to `others` (B, S'): out of fold, of the same puzzles.

    Not told where the others alone have more than `ceiling`, and so leave no room.
    """
    correct, unit, n = df.correct.to_numpy(), stats.units(df), len(df)
    least = min(correct.sum(), (~correct).sum())
    if least < FOLDS:
        reason = f"{least} puzzles of the rarer outcome, fewer than {FOLDS} folds"
        return unmeasured(n, "paired DeLong", reason)
    smaller = out_of_fold(others, df)
    alone = stats.influence(smaller, correct)[0]
    if alone > ceiling:
        reason = f"at the ceiling: the AUC is {alone:.4f} without it"
        return unmeasured(n, "paired DeLong", reason)
    return stats.auc_gain(
        out_of_fold(np.column_stack([others, signals]), df), smaller, correct, unit
    )


def drift_history(df: pd.DataFrame) -> Estimate:
    """AUC that lambda_1 adds to the drift of all 16 segments."""
    return added(df, df[["lambda_1"]].to_numpy("float64"), log_drift(cells.drift(df)))


def beyond(df: pd.DataFrame) -> Estimate:
    """AUC that lambda_1 adds to late drift and the final q_halt, where these leave room."""
    rest = np.column_stack([cells.late_drift(df), df.q_halt_16.to_numpy("float64")])
    return added(df, df[["lambda_1"]].to_numpy("float64"), rest, ceiling=0.995)
