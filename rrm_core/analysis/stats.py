"""Intervals and comparisons: AUC, proportions, medians, matched and binned AUC, the early window, the whole spectrum.

An estimate that cannot be made is NaN with a reason, never 0. Sources: Mann & Whitney 1947; DeLong et al. 1988 with the
fast form of Sun & Xu 2014; Clopper & Pearson 1934; paper sections 3.1-3.3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import special
from scipy.stats import binomtest, norm, rankdata

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


def resampled_auc(
    good: np.ndarray, bad: np.ndarray, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """(resamples,) AUC of resampled successes against resampled failures, sizes kept; through multinomial weights."""
    wins = (good[:, None] > bad).astype("float64") + 0.5 * (good[:, None] == bad)
    w = rng.multinomial(len(good), np.full(len(good), 1 / len(good)), size=resamples)
    v = rng.multinomial(len(bad), np.full(len(bad), 1 / len(bad)), size=resamples)
    return ((w @ wins) * v).sum(1) / (len(good) * len(bad))


@lru_cache(maxsize=8)
def counts(sizes: tuple[int, ...]) -> np.ndarray:
    """(10,000, sum of sizes) how often each puzzle stands in each bootstrap sample, drawn within groups of these sizes; seed 0."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) for n in sizes], axis=1
    ).astype("float32")


def mean(values: np.ndarray, weights: np.ndarray | None = None) -> Estimate:
    """Mean of one value a puzzle with a bootstrap interval; `weights` make a stratified sample stand for its population.

    Puzzles of one weight are one stratum, and are resampled within it: how many of each a sample holds was decided, not drawn.
    """
    if refused := few(len(values), "bootstrap"):
        return refused
    w = np.ones(len(values)) if weights is None else weights
    order, sizes = np.argsort(w, kind="stable"), tuple(np.unique(w, return_counts=True)[1].tolist())
    draws = counts(sizes)
    low, high = np.percentile((draws @ (w * values)[order]) / (draws @ w[order]), [2.5, 97.5])
    return Estimate(
        float(np.average(values, weights=w)),
        float(low),
        float(high),
        len(values),
        "bootstrap over puzzles",
    )
