"""What the signal is not: late drift or difficulty alone (paper section 3.2)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special
from scipy.stats import norm, rankdata

from rrm_core.analysis import cells
from rrm_core.analysis.stats import (
    MINIMUM,
    NAN,
    RESAMPLES,
    Estimate,
    auc,
    auc_row,
    resampled_auc,
    unmeasured,
)


def decile_auc(
    df: pd.DataFrame,
    values: np.ndarray,
    threshold: float,
    bins: int = 10,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[pd.DataFrame, Estimate]:
    """(rows, mean): AUC of -lambda_1 inside each equal-count bin of log late drift, unsettled puzzles (C and D) only.

    The mean is over bins with at least five of each outcome (column ``used``); its interval resamples puzzles within
    bins. Source: paper section 3.2; how the paper aggregates its deciles was not seen.
    """
    out = np.asarray(values) >= threshold
    score, correct, late = (
        -df.lambda_1.to_numpy("float64")[out],
        df.correct.to_numpy()[out],
        np.asarray(values)[out],
    )
    order = np.argsort(late, kind="stable")
    parts = [p for p in np.array_split(order, bins) if len(p)]
    rows = [
        auc_row(
            score[p],
            correct[p],
            bin=b + 1,
            drift_low=late[p].min(),
            drift_high=late[p].max(),
            n=len(p),
        )
        for b, p in enumerate(parts)
    ]
    table = pd.DataFrame(rows)
    if not len(table):
        return table, unmeasured(0, "matched AUC", "no unsettled puzzle")
    table["used"] = table[["n_correct", "n_wrong"]].min(axis=1) >= MINIMUM
    if not table.used.any():
        return table, unmeasured(
            len(late), "matched AUC", f"no bin holds {MINIMUM} of each outcome"
        )
    rng = np.random.default_rng(seed)
    draws = [
        resampled_auc(score[p][correct[p]], score[p][~correct[p]], resamples, rng)
        for p, used in zip(parts, table.used, strict=True)
        if used
    ]
    low, high = np.percentile(np.mean(draws, axis=0), [2.5, 97.5])
    return table, Estimate(
        float(table.auc[table.used].mean()),
        float(low),
        float(high),
        int(table.n[table.used].sum()),
        f"bootstrap within bins, {resamples} resamples",
    )


def binned_auc(df: pd.DataFrame, by: str, bins: int = 4) -> tuple[pd.DataFrame, Estimate]:
    """(rows, mean): AUC of -lambda_1 within bins of `by` (by mean rank), and their mean weighted by puzzles.

    A binning in which one bin holds over 80 % of the puzzles cannot be measured: it controls for nothing.
    """
    codes = np.floor((rankdata(df[by]) - 0.5) / len(df) * bins).astype(
        int
    )  # mean ranks: equal values stay together
    score, correct = -df.lambda_1.to_numpy("float64"), df.correct.to_numpy()
    rows = [
        auc_row(
            score[codes == c],
            correct[codes == c],
            bin=i,
            low_value=df[by][codes == c].min(),
            high_value=df[by][codes == c].max(),
            n=int((codes == c).sum()),
        )
        for i, c in enumerate(np.unique(codes), 1)
    ]
    table = pd.DataFrame(rows)
    table["used"] = table[["n_correct", "n_wrong"]].min(axis=1) >= MINIMUM
    largest = table.n.max() / len(df)
    if largest > 0.8:
        return table, unmeasured(
            len(df), "binned AUC", f"one bin of {by} holds {largest:.0%} of the puzzles"
        )
    if not table.used.any():
        return table, unmeasured(
            len(df), "binned AUC", f"no bin of {by} holds {MINIMUM} of each outcome"
        )
    used = table[table.used]
    weight = used.n / used.n.sum()
    logit = np.clip(used[["low", "high"]].to_numpy(), 1e-9, 1 - 1e-9)
    spread = np.diff(special.logit(logit), axis=1).ravel() / (2 * norm.ppf(0.975))
    value = float(weight @ used.auc)
    error = np.sqrt(np.sum((weight * spread * used.auc * (1 - used.auc)) ** 2))
    half = norm.ppf(0.975) * error / max(value * (1 - value), 1e-12)
    low, high = special.expit(
        special.logit(np.clip(value, 1e-9, 1 - 1e-9)) + np.array([-half, half])
    )
    return table, Estimate(
        value, float(low), float(high), int(used.n.sum()), "DeLong within bins, weighted mean"
    )


def nested_auc(
    df: pd.DataFrame, folds: int = 10, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Does lambda_1 add to late drift and the final q_halt, and they to it? One row a comparison of logistic models, additive in cubic splines of each signal.

    A straight line through a signal with two humps leaves something for any other signal to add. Scores are out of fold (stratified,
    shuffled by `seed`); the interval of the difference of AUCs resamples puzzles within outcomes, the same ones for both models. Columns: model, without, auc, auc_without, difference, low, high, reason.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    correct = df.correct.to_numpy()
    few = min(correct.sum(), (~correct).sum())
    pairs = [
        ("late drift + q_halt + λ1", "late drift + q_halt"),
        ("late drift + q_halt + λ1", "λ1"),
    ]
    if few < folds:
        nothing = dict.fromkeys(("auc", "auc_without", "difference", "low", "high"), NAN)
        return pd.DataFrame(
            [
                {
                    "model": a,
                    "without": b,
                    **nothing,
                    "reason": f"{few} puzzles of the rarer outcome, fewer than {folds} folds",
                }
                for a, b in pairs
            ]
        )
    signals = {
        "late drift": cells.late_drift(df),
        "q_halt": df.q_halt_16.to_numpy("float64"),
        "λ1": df.lambda_1.to_numpy("float64"),
    }
    model, split = (
        make_pipeline(
            SplineTransformer(n_knots=6, knots="quantile"),
            StandardScaler(),
            LogisticRegression(max_iter=1000),
        ),
        StratifiedKFold(folds, shuffle=True, random_state=seed),
    )

    def out_of_fold(names: str) -> np.ndarray:
        return cross_val_predict(
            model,
            np.stack([signals[n] for n in names.split(" + ")], 1),
            correct,
            cv=split,
            method="decision_function",
        )

    scores = {
        names: out_of_fold(names)
        for names in dict.fromkeys(name for pair in pairs for name in pair)
    }
    draws = {
        names: resampled_auc(s[correct], s[~correct], resamples, np.random.default_rng(seed))
        for names, s in scores.items()
    }
    rows = []
    for larger, smaller in pairs:
        low, high = np.percentile(draws[larger] - draws[smaller], [2.5, 97.5])
        a, b = (auc(scores[names], correct).value for names in (larger, smaller))
        rows.append(
            {
                "model": larger,
                "without": smaller,
                "auc": a,
                "auc_without": b,
                "difference": a - b,
                "low": float(low),
                "high": float(high),
                "reason": "",
            }
        )
    return pd.DataFrame(rows)
