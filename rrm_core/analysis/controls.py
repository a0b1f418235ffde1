"""What the signal is not: late drift, difficulty, or drift at all (paper section 3.2).

Each control compares lambda_1 among puzzles that are alike in something else. The score is always
-lambda_1, so that 0.5 means that nothing is left of the signal.
"""

from __future__ import annotations

from itertools import compress

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, stats
from rrm_core.analysis.stats import Estimate, few, influence, lacking, units, unmeasured
from rrm_core.runs.tables import last_q_halt

CALIPER = 0.05  # decades of late drift within which two puzzles count as alike
MINIMUM = 5  # of each outcome, for a bin to count
LARGEST = 0.8  # share of the puzzles in one bin above which a binning controls for nothing
FOLDS = 10
CEILING = 0.995  # AUC without lambda_1 above which there is no room to add


def matched_auc(df: pd.DataFrame, threshold: float | None = None) -> Estimate:
    """P(lambda_1 of a failure is larger) among unsettled puzzles of the same late drift.

    Each success above `threshold` (by default Otsu's of the table) meets the failures within
    :data:`CALIPER` decades of its late drift; the value is the mean over successes that meet any.
    The interval resamples solution grids. Below 20 such successes it is not told.
    """
    late, unit = cells.late_drift(df), units(df)
    above = late >= (cells.band(late).otsu if threshold is None else threshold)
    good, bad = (np.flatnonzero(above & (df.correct == side)) for side in (True, False))
    near = np.abs(late[good][:, None] - late[bad]) <= CALIPER
    good, near = good[near.any(1)], near[near.any(1)]
    if refused := few(len(good), "caliper", "successes with a failure of the same late drift"):
        return refused
    growth = df.lambda_1.to_numpy("float64")
    if refused := lacking(growth, "caliper"):
        return refused
    wins = near * (np.sign(growth[bad] - growth[good][:, None]) + 1) / 2  # (successes, failures)
    drawn = stats.counts(unit.max() + 1)
    failures = drawn[:, unit[bad]]
    met = failures @ near.T.astype("float32")  # (10,000, successes)
    won = np.divide(failures @ wins.T.astype("float32"), met, where=met > 0, out=0 * met)
    weight = drawn[:, unit[good]] * (met > 0)
    total = weight.sum(1)
    means = (weight * won).sum(1) / np.where(total > 0, total, np.nan)
    used = unit[np.concatenate([good, bad[near.any(0)]])]
    value, n = (wins.sum(1) / near.sum(1)).mean(), len(used)
    return stats.drawn(value, means, n, "bootstrap", used)


def decile_auc(df: pd.DataFrame, threshold: float | None = None) -> tuple[pd.DataFrame, Estimate]:
    """(rows, mean): AUC in each of ten equal-count bins of late drift, unsettled puzzles.

    Unsettled: not below `threshold`, by default the strict one, Otsu's where that cannot be
    measured. Bins far wider than :data:`CALIPER` match little. How the paper aggregates its deciles
    was not seen.
    """
    late = cells.late_drift(df)
    order, cut = np.argsort(late, kind="stable"), cells.band(late).cut
    unsettled = order[late[order] >= (cut if threshold is None else threshold)]
    groups = [g for g in np.array_split(unsettled, 10) if len(g)]
    return in_bins(df, groups, pd.Series(late, name="late drift"), equal=True)[:2]


def binned_auc(df: pd.DataFrame, by: str) -> tuple[pd.DataFrame, Estimate]:
    """(rows, mean): AUC within :func:`quarters` of the column `by`, weighted by puzzles.

    One bin with over 80 % of the puzzles controls for nothing, and cannot be measured.
    """
    table, found, _ = in_bins(df, quarters(df[by]), df[by])
    if (largest := table.n.max() / len(df)) > LARGEST:
        reason = f"one bin of {by} holds {largest:.0%} of the puzzles"
        return table, unmeasured(len(df), found.method, reason)
    return table, found


def givens_gain(df: pd.DataFrame) -> Estimate:
    """AUC within quarters of givens minus that over all puzzles: paired, so of the same puzzles."""
    table, inside, part = in_bins(df, quarters(df.givens), df.givens)
    if np.isnan(inside.value) and table.used.all():
        return inside
    if not table.used.all():
        reason = f"a bin of givens holds fewer than {MINIMUM} of an outcome"
        return unmeasured(len(df), "paired DeLong", reason)
    correct = df.correct.to_numpy()
    value, rest = influence(-df.lambda_1.to_numpy("float64"), correct)
    return stats.paired(inside.value - value, part - rest, correct, units(df))


def quarters(values: pd.Series) -> list[np.ndarray]:
    """Row positions of each quarter that is not empty; cut by mean rank, so equal values stay."""
    codes = np.floor((stats.ranks(values) - 0.5) / len(values) * 4)
    return [np.flatnonzero(codes == c) for c in np.unique(codes)]


def in_bins(
    df: pd.DataFrame, groups: list[np.ndarray], values: pd.Series, equal: bool = False
) -> tuple[pd.DataFrame, Estimate, np.ndarray]:
    """(rows, mean AUC, (B,) influence on it) within `groups` of row positions.

    Rows: bin, n, AUC, n_correct, n_wrong, start and end of `values`, ``used``: five of either.
    The mean over these weighs puzzles, or, if `equal`, bins, of which half must be used.
    """
    score, correct, unit = -df.lambda_1.to_numpy("float64"), df.correct.to_numpy(), units(df)
    enough = [min(correct[g].sum(), (~correct[g]).sum()) >= MINIMUM for g in groups]
    rows = [
        {"bin": b, "n": len(g), **stats.auc_row(score[g], correct[g], unit[g])}
        | {"start": values.iloc[g].min(), "end": values.iloc[g].max(), "used": enough[b - 1]}
        for b, g in enumerate(groups, 1)
    ]
    table, method = pd.DataFrame(rows or {"used": []}), "DeLong within bins"
    part = np.zeros(len(df))
    if refused := lacking(score, method):
        return table, refused, part
    used, value = list(compress(groups, enough)), 0.0
    if len(used) < max(1, len(groups) * equal / 2):
        told = (f"{len(used)} of {len(groups)} bins", "hold") if used else ("no bin", "holds")
        reason = f"{told[0]} of {values.name} {told[1]} {MINIMUM} of each outcome"
        return table, unmeasured(sum(map(len, groups)), method, reason), part
    at = np.concatenate(used)
    for g in used:
        weight = 1 / len(used) if equal else len(g) / len(at)
        inside, parts = influence(score[g], correct[g])
        value, part[g] = value + weight * inside, weight * parts
    least = min(correct[at].sum(), (~correct[at]).sum())
    bounds = stats.around(value, stats.error(part[at], correct[at], unit[at]), least)
    return table, stats.over(value, *bounds, len(at), method, unit[at]), part


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
    unit, correct = units(df), df.correct.to_numpy()
    kind, groups = (GroupKFold, unit) if stats.repeated(unit) else (StratifiedKFold, None)
    folds = kind(FOLDS, shuffle=True, random_state=0).split(signals, correct, groups)
    return cross_val_predict(model, signals, correct, cv=list(folds), method="decision_function")


def added(
    df: pd.DataFrame, signals: np.ndarray, others: np.ndarray, ceiling: float = 1.0
) -> Estimate:
    """AUC that `signals` (B, S) add to `others` (B, S'): out of fold, of the same puzzles.

    Not told where the others alone have more than `ceiling`, and so leave no room.
    """
    correct, n, unit = df.correct.to_numpy(), len(df), units(df)
    what = "solution grids" if stats.repeated(unit) else "puzzles"
    least = min(len(np.unique(unit[correct == side])) for side in (True, False))
    if least < FOLDS:
        reason = f"{least} {what} of the rarer outcome, fewer than {FOLDS} folds"
        return unmeasured(n, "paired DeLong", reason)
    if not np.isfinite(np.column_stack([others, signals])).all():
        return unmeasured(n, "paired DeLong", "the run was measured without one of the signals")
    alone, rest = influence(out_of_fold(others, df), correct)
    if alone > ceiling:
        return unmeasured(n, "paired DeLong", f"at the ceiling: the AUC is {alone:.4f} without it")
    value, part = influence(out_of_fold(np.column_stack([others, signals]), df), correct)
    return stats.paired(value - alone, part - rest, correct, unit)


def beyond(df: pd.DataFrame) -> Estimate:
    """AUC that lambda_1 adds to late drift and the final q_halt, where these leave room."""
    rest = np.column_stack([cells.late_drift(df), last_q_halt(df)])
    return added(df, df[["lambda_1"]].to_numpy("float64"), rest, CEILING)
