"""Intervals and comparisons: AUC, proportions, medians, matched and binned AUC, the early window, the whole spectrum.

An estimate that cannot be made is NaN with a reason, never 0. Sources: Mann & Whitney 1947; DeLong et al. 1988 with the
fast form of Sun & Xu 2014; Clopper & Pearson 1934; paper sections 3.1-3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import special
from scipy.stats import binomtest, norm, rankdata

from rrm_core.analysis import cells
from rrm_core.runs.tables import K, columns, exponents, log_drift, signals_at

RESAMPLES = 10_000
LEVEL = 0.95
MINIMUM = 5  # of each outcome, for a bin to count
EQUIVALENT = 0.05  # an AUC or share this near to one half counts as knowing nothing
SMALLEST = 20  # puzzles that a group needs for its AUC, share or median to be told
NAN = float("nan")


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, the number of puzzles behind it, and how it was made or why it could not be."""

    value: float
    low: float
    high: float
    n: int
    method: str
    reason: str = ""

    def __format__(self, spec: str) -> str:
        """ "0.984 [0.982, 0.987]", or the reason in words; `spec` formats the numbers (default .3f)."""
        if np.isnan(self.value):
            return f"cannot be measured: {self.reason}"
        spec = spec or ".3f"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"

    def __str__(self) -> str:
        return format(self, "")


def unmeasured(n: int, method: str, reason: str) -> Estimate:
    """The estimate that cannot be made."""
    return Estimate(NAN, NAN, NAN, n, method, reason)


def few(smallest: int, method: str, where: str = "", n: int | None = None) -> Estimate | None:
    """The estimate that is not told because a group holds fewer than :data:`SMALLEST` puzzles, naming the group (`where`); None where it holds enough."""
    return (
        unmeasured(
            smallest if n is None else n,
            method,
            f"n < {SMALLEST}{where and f' {where}'} ({smallest})",
        )
        if smallest < SMALLEST
        else None
    )


# --- proportions -------------------------------------------------------------------------------------------------


def proportion(k: int, n: int) -> Estimate:
    """k / n with the exact (Clopper-Pearson) 95 % interval."""
    if not 0 <= k <= n:
        raise ValueError(f"k={k} of n={n}: expected 0 <= k <= n")
    if n == 0:
        return unmeasured(0, "Clopper-Pearson", "no puzzle to count")
    interval = binomtest(int(k), int(n)).proportion_ci(LEVEL, "exact")
    return Estimate(k / n, float(interval.low), float(interval.high), int(n), "Clopper-Pearson")


def bounds(n: int) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), each (n + 1,): the intervals of :func:`proportion` for every k = 0..n at once, from the beta quantiles."""
    if n < 1:
        return np.empty(0), np.empty(0)
    k, tail = np.arange(n + 1), (1 - LEVEL) / 2
    low, high = np.zeros(n + 1), np.ones(n + 1)
    low[1:] = special.betaincinv(k[1:], n - k[1:] + 1, tail)
    high[:-1] = special.betaincinv(k[:-1] + 1, n - k[:-1], 1 - tail)
    return low, high


def zero_bound(n: int) -> float:
    """One-sided exact 95 % upper bound of a share of which 0 of n was seen: 1 - 0.05^(1/n)."""
    return 1 - 0.05 ** (1 / n) if n else NAN


def below_failures(values: np.ndarray, correct: np.ndarray, spare: float = 0.0) -> Estimate:
    """Share of the successes whose value is below that of every failure but the lowest `spare` of them (a share, 0: below every one).

    With `spare` the interval is a bootstrap over both outcomes (10,000 resamples, seed 0): the failure of rank k of m is, in a resample, the one of
    rank floor(m u), u from Beta(k + 1, m - k). Without, it is the exact one *given these failures*: resampling never draws a failure below the
    smallest seen, so a bootstrap of a minimum covers far too little, and more failures can only lower the share.
    """
    values, correct = np.asarray(values, dtype="float64"), np.asarray(correct, dtype=bool)
    failures, n = np.sort(values[~correct]), int(correct.sum())
    if not len(failures) or not n:
        return unmeasured(
            len(values), "bootstrap", f"one class only ({n} correct, {len(failures)} wrong)"
        )
    below = np.searchsorted(np.sort(values[correct]), failures)
    m, rank = len(failures), int(spare * len(failures))
    if not rank:
        return replace(proportion(int(below[0]), n), method="Clopper-Pearson, given these failures")
    rng = np.random.default_rng(0)
    drawn = np.floor(m * rng.beta(rank + 1, m - rank, RESAMPLES)).astype(int)
    low, high = np.percentile(rng.binomial(n, below[drawn] / n) / n, [2.5, 97.5])
    return Estimate(
        float(below[rank] / n),
        float(low),
        float(high),
        n,
        f"bootstrap of both outcomes, {RESAMPLES} resamples",
    )


# --- AUC ---------------------------------------------------------------------------------------------------------


def auc(score: np.ndarray, correct: np.ndarray) -> Estimate:
    """P(score of a success > score of a failure), ties half, with DeLong's interval on the logit scale.

    Where the AUC is 0 or 1 DeLong's variance is 0; the interval is then the exact one of n_min of n_min, n_min being
    the size of the smaller class: conservative, never of zero width.
    """
    score, correct = np.asarray(score, dtype="float64"), np.asarray(correct, dtype=bool)
    m, n = int(correct.sum()), int((~correct).sum())
    if not np.isfinite(score).all():
        raise ValueError(
            f"AUC: {int((~np.isfinite(score)).sum())} scores are NaN or infinite; measure these rows again"
        )
    if m == 0 or n == 0:
        return unmeasured(m + n, "DeLong", f"one class only ({m} correct, {n} wrong)")
    joint = rankdata(score)
    above = (joint[correct] - rankdata(score[correct])) / n
    below = 1 - (joint[~correct] - rankdata(score[~correct])) / m
    value = float(above.mean())
    variance = (above.var(ddof=1) / m if m > 1 else 0.0) + (below.var(ddof=1) / n if n > 1 else 0.0)
    if value in (0.0, 1.0) or variance == 0 or min(m, n) < 2:
        edge = proportion(round(value * min(m, n)), min(m, n))
        return Estimate(
            value,
            min(edge.low, value),
            max(edge.high, value),
            m + n,
            "Clopper-Pearson on the smaller class",
        )
    half = norm.ppf(0.5 + LEVEL / 2) * np.sqrt(variance) / (value * (1 - value))
    low, high = special.expit(special.logit(value) + np.array([-half, half]))
    return Estimate(value, float(low), float(high), m + n, "DeLong, logit scale")


def auc_row(score: np.ndarray, correct: np.ndarray, **labels: object) -> dict:
    """One tidy row: labels, auc, low, high, n_correct, n_wrong, reason."""
    e, correct = auc(score, correct), np.asarray(correct, dtype=bool)
    return {
        **labels,
        "auc": e.value,
        "low": e.low,
        "high": e.high,
        "n_correct": int(correct.sum()),
        "n_wrong": int((~correct).sum()),
        "reason": e.reason,
    }


# --- medians -----------------------------------------------------------------------------------------------------


def median(values: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> Estimate:
    """The median with a percentile bootstrap interval (10,000 resamples, seed 0)."""
    values = np.sort(np.asarray(values, dtype="float64"))
    n = len(values)
    if n < 2:
        return unmeasured(n, "bootstrap", f"{n} puzzles; a median interval needs at least 2")
    rng = np.random.default_rng(seed)
    chunk = max(1, 4_000_000 // n)
    medians = np.concatenate(
        [
            np.median(values[rng.integers(n, size=(min(chunk, resamples - i), n))], axis=1)
            for i in range(0, resamples, chunk)
        ]
    )
    low, high = np.percentile(medians, [2.5, 97.5])
    return Estimate(
        float(np.median(values)), float(low), float(high), n, f"bootstrap, {resamples} resamples"
    )


def spectrum(df: pd.DataFrame) -> pd.DataFrame:
    """One row an exponent: i, AUC of -lambda_i for correct with interval, median of successes and of failures, their gap."""
    correct = df.correct.to_numpy()
    rows = []
    for i in range(1, exponents(df) + 1):
        values = df[f"lambda_{i}"].to_numpy("float64")
        good, bad = (float(np.median(values[m])) if m.any() else NAN for m in (correct, ~correct))
        rows.append(
            auc_row(-values, correct, i=i)
            | {"median_correct": good, "median_wrong": bad, "gap": good - bad}
        )
    return pd.DataFrame(rows)


def aggregates(df: pd.DataFrame) -> pd.DataFrame:
    """AUC of minus lambda_1, minus the spectral mean, minus the sum of positive exponents; the last two want all K exponents."""
    values = df[[f"lambda_{i}" for i in range(1, exponents(df) + 1)]].to_numpy("float64")
    scores = {
        "lambda_1": values[:, 0],
        "spectral mean": values.mean(1),
        "sum of positive exponents": values.clip(min=0).sum(1),
    }
    out = pd.DataFrame(
        [auc_row(-score, df.correct, aggregate=name) for name, score in scores.items()]
    )
    if values.shape[1] < K:
        out.loc[1:, ["auc", "low", "high"]] = NAN
        out.loc[1:, "reason"] = f"{values.shape[1]} of {K} exponents measured"
    return out


# --- what the signal is not --------------------------------------------------------------------------------------


def matched_auc(
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


def resampled_auc(
    good: np.ndarray, bad: np.ndarray, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """(resamples,) AUC of resampled successes against resampled failures, sizes kept; through multinomial weights."""
    wins = (good[:, None] > bad).astype("float64") + 0.5 * (good[:, None] == bad)
    w = rng.multinomial(len(good), np.full(len(good), 1 / len(good)), size=resamples)
    v = rng.multinomial(len(bad), np.full(len(bad), 1 / len(bad)), size=resamples)
    return ((w @ wins) * v).sum(1) / (len(good) * len(bad))


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


# --- when the signal exists --------------------------------------------------------------------------------------


def early_window(
    df: pd.DataFrame, updates_per_segment: int, h: int = 4, threshold: float | None = None
) -> pd.DataFrame:
    """One row a signal and subset: AUC for the outcome at 16 of what is known after `h` segments.

    Subsets: all puzzles; those whose decoded answer is wrong at h (the paper's restricted set, our reading); those not
    below the settled band at h, given a `threshold` on log10 drift. lambda1@h is the largest cumulative growth over
    segments 1..h per update, drift@h that of segment h alone. Source: paper section 3.3.
    """
    subsets = {
        "all": np.ones(len(df), dtype=bool),
        f"wrong at {h}": ~df[f"correct_{h:02d}"].to_numpy(),
    }
    if threshold is not None and np.isfinite(threshold):
        subsets[f"not settled at {h}"] = log_drift(df[f"drift_h_{h:02d}"].to_numpy()) >= threshold
    scores = signals_at(df, h, updates_per_segment)
    return pd.DataFrame(
        [
            auc_row(score[rows], df.correct.to_numpy()[rows], h=h, signal=name, subset=subset)
            for subset, rows in subsets.items()
            for name, score in scores.items()
        ]
    )


# --- what a halting rule costs -----------------------------------------------------------------------------------


def halting_curve(df: pd.DataFrame, rule: str, thresholds: int = 41) -> pd.DataFrame:
    """Accuracy against mean segments spent when every puzzle stops at its first segment past a threshold, else at 16.

    ``rule`` is "q_halt" (stop when q_halt is at least the threshold) or "drift_h" (stop when drift is at most it). One
    row a threshold, so many quantiles of the signal: threshold, segments, accuracy.
    """
    if rule not in ("q_halt", "drift_h"):
        raise ValueError(f"rule={rule!r}: expected q_halt or drift_h")
    signal = df[columns(rule)].to_numpy("float64") * (1 if rule == "q_halt" else -1)
    right = df[columns("correct")].to_numpy()
    rows = []
    for threshold in np.quantile(signal, np.linspace(0, 1, thresholds)):
        fires = signal >= threshold
        fires[:, -1] = True
        stop = fires.argmax(1)
        rows.append(
            {
                "rule": rule,
                "threshold": float(abs(threshold) if rule == "drift_h" else threshold),
                "segments": float(stop.mean() + 1),
                "accuracy": float(right[np.arange(len(df)), stop].mean()),
            }
        )
    return pd.DataFrame(rows)
