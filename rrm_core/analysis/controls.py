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
CEILING = 0.995  # an AUC to which the 0.005 of row N4 of the ledger cannot be added


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
    drawn = stats.draws(unit)
    met = drawn[:, bad] @ near.T.astype("float32")  # (10,000, successes)
    won = np.divide(drawn[:, bad] @ wins.T.astype("float32"), met, where=met > 0, out=0 * met)
    weight = drawn[:, good] * (met > 0)
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
    return in_bins(df, groups, pd.Series(late, df.index, name="late drift"), equal=True)


# --- in bins -------------------------------------------------------------------------------------


def binned_auc(df: pd.DataFrame, by: str, bins: int = 4) -> tuple[pd.DataFrame, Estimate]:
    """(rows, mean): AUC within bins of the column `by`, and their mean weighted by puzzles.

    Bins are cut by mean rank, so that equal values stay together. One bin with over 80 % of the
    puzzles controls for nothing, and cannot be measured.
    """
    codes = np.floor((rankdata(df[by]) - 0.5) / len(df) * bins)
    groups = [np.flatnonzero(codes == c) for c in np.unique(codes)]
    table, found = in_bins(df, groups, df[by])
    if (largest := table.n.max() / len(df)) > LARGEST:
        return table, unmeasured(
            len(df), found.method, f"one bin of {by} holds {largest:.0%} of the puzzles"
        )
    return table, found


def in_bins(
    df: pd.DataFrame, groups: list[np.ndarray], values: pd.Series, equal: bool = False
) -> tuple[pd.DataFrame, Estimate]:
    """(rows, mean AUC) within `groups` of row positions, those with five of each outcome ``used``.

    The mean weighs puzzles, or, if `equal`, bins. Rows: bin, start and end of `values`, AUC, n,
    used.
    """
    unit, columns = stats.units(df), ["auc", "n", "n_correct", "n_wrong"]
    score, correct = -df.lambda_1.to_numpy("float64"), df.correct.to_numpy()
    rows = [
        auc_row(score[g], correct[g], unit[g], bin=b, n=len(g))
        | {"start": values.iloc[g].min(), "end": values.iloc[g].max()}
        for b, g in enumerate(groups, 1)
    ]
    table = pd.DataFrame(rows, columns=None if rows else columns)
    table["used"] = table[["n_correct", "n_wrong"]].min(axis=1) >= MINIMUM
    used = [g for g, use in zip(groups, table.used, strict=True) if use]
    if not used:
        reason = f"no bin of {values.name} holds {MINIMUM} of each outcome"
        return table, unmeasured(sum(map(len, groups)), "DeLong within bins", reason)
    value, part = mean_auc(score, correct, used, [1 if equal else len(g) for g in used])
    at = np.concatenate(used)
    error, n = np.sqrt(stats.variance(part[at], correct[at], unit[at])), len(at)
    least = min(correct[at].sum(), (~correct[at]).sum())
    method = counted("DeLong within bins", n, unit[at])
    return table, Estimate(value, *stats.around(value, error, least), n, method)


def mean_auc(
    score: np.ndarray, correct: np.ndarray, groups: list[np.ndarray], weights: list[int]
) -> tuple[float, np.ndarray]:
    """(weighted mean of the AUC inside groups of rows, (B,) influence of each puzzle on it)."""
    value, part = 0.0, np.zeros(len(score))
    for g, w in zip(groups, np.array(weights) / sum(weights), strict=True):
        inside, parts = stats.influence(score[g], correct[g])
        value, part[g] = value + w * inside, w * parts
    return value, part


def givens_gain(df: pd.DataFrame) -> Estimate:
    """AUC within bins of givens minus that over all puzzles: paired, so of the same puzzles."""
    table, found = binned_auc(df, "givens")
    if not table.used.all() or np.isnan(found.value):
        reason = found.reason or f"a bin of givens holds fewer than {MINIMUM} of an outcome"
        return unmeasured(len(df), "paired DeLong", reason)
    score, correct, unit = -df.lambda_1.to_numpy("float64"), df.correct.to_numpy(), stats.units(df)
    codes = np.searchsorted(table.start.to_numpy(), df.givens, side="right")
    groups = [np.flatnonzero(codes == c) for c in table.bin]
    inside, part = mean_auc(score, correct, groups, list(map(len, groups)))
    value, rest = stats.influence(score, correct)
    half, gain = Z * np.sqrt(stats.variance(part - rest, correct, unit)), inside - value
    return Estimate(
        gain, gain - half, gain + half, len(df), counted("paired DeLong", len(df), unit)
    )


# --- nested models -------------------------------------------------------------------------------


def out_of_fold(signals: np.ndarray, df: pd.DataFrame) -> np.ndarray:
    """(B,) scores of a logistic model, additive in cubic splines of each of `signals` (B, S).

    A straight line through a signal with two humps leaves something for any other signal to add.
    Ten folds, stratified by outcome; puzzles of one solution grid stay in one fold.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    splines = SplineTransformer(n_knots=6, knots="quantile")
    model = make_pipeline(splines, StandardScaler(), LogisticRegression(max_iter=1000))
    unit, options = stats.units(df), {"shuffle": True, "random_state": 0}
    folds = StratifiedKFold(FOLDS, **options).split(signals, df.correct)
    if stats.repeated(unit):
        folds = StratifiedGroupKFold(FOLDS, **options).split(signals, df.correct, unit)
    correct, cv = df.correct.to_numpy(), list(folds)
    return cross_val_predict(model, signals, correct, cv=cv, method="decision_function")


def added(df: pd.DataFrame, signals: np.ndarray, others: np.ndarray) -> Estimate:
    """AUC that `signals` (B, S) add to `others` (B, S'): out of fold, of the same puzzles."""
    correct, unit = df.correct.to_numpy(), stats.units(df)
    if (least := min(correct.sum(), (~correct).sum())) < FOLDS:
        reason = f"{least} puzzles of the rarer outcome, fewer than {FOLDS} folds"
        return unmeasured(len(df), "paired DeLong", reason)
    larger = out_of_fold(np.column_stack([others, signals]), df)
    return stats.auc_gain(larger, out_of_fold(others, df), correct, unit)


def drift_history(df: pd.DataFrame) -> Estimate:
    """AUC that lambda_1 adds to the drift of all 16 segments."""
    return added(df, df[["lambda_1"]].to_numpy("float64"), log_drift(cells.drift(df)))


def beyond(df: pd.DataFrame) -> Estimate:
    """AUC that lambda_1 adds to late drift and the final q_halt, where these leave room for it."""
    rest = np.column_stack([cells.late_drift(df), df.q_halt_16.to_numpy("float64")])
    found = added(df, df[["lambda_1"]].to_numpy("float64"), rest)
    if np.isnan(found.value):
        return found
    alone = stats.influence(out_of_fold(rest, df), df.correct.to_numpy())[0]
    reason = f"at the ceiling: the AUC is {alone:.4f} without it"
    return unmeasured(len(df), found.method, reason) if alone >= CEILING else found
