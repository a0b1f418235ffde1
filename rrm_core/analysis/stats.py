"""Estimates with intervals: shares, AUC, medians and means, over puzzles or over what was drawn.

Puzzles that share a solution grid are not independent, so every function takes ``unit``, the code
of each puzzle's grid (:func:`units`), and where grids repeat its interval is one over grids. An
estimate that cannot be made is NaN with a reason, never 0. Sources: Mann & Whitney 1947; DeLong et
al. 1988 in the fast form of Sun & Xu 2014, for clusters Obuchowski 1997; Clopper & Pearson 1934,
for clusters Korn & Graubard 1998; Woodruff 1952; percentile bootstraps of 10,000 resamples, seed 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeGuard

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import betaincinv, expit, logit, ndtri, stdtrit

RESAMPLES = 10_000
LEVEL = 0.95
TAILS = [2.5, 97.5]
Z = float(ndtri(0.5 + LEVEL / 2))
SMALLEST = 20  # puzzles that a group needs for its AUC, share or median to be told
GRIDS = 10  # shared units that an interval needs: over 5 it covers 81 to 87 %, over 2 46 to 71 %
EQUIVALENT = 0.05  # an AUC or share this near to one half counts as knowing nothing
NAN = float("nan")
Units = np.ndarray | None  # (B,) the unit of each puzzle; none where each is its own


@dataclass(frozen=True)
class Estimate:
    """A value, its 95 % interval, the puzzles behind it, and how it was made or why it was not."""

    value: float
    low: float
    high: float
    n: int
    method: str
    reason: str = ""

    def __format__(self, spec: str) -> str:
        """ "0.984 [0.982, 0.987]", or the reason in words; `spec` is that of one number (.3f)."""
        if np.isnan(self.value):
            return f"cannot be measured: {self.reason}"
        return "{0:{3}} [{1:{3}}, {2:{3}}]".format(self.value, self.low, self.high, spec or ".3f")

    def __str__(self) -> str:
        return format(self, "")


def unmeasured(n: int, method: str, reason: str) -> Estimate:
    """The estimate that cannot be made."""
    return Estimate(NAN, NAN, NAN, n, method, reason)


def few(smallest: int, method: str, where: str = "", n: int | None = None) -> Estimate | None:
    """The refusal of a group (`where`) of fewer than :data:`SMALLEST` puzzles, else None."""
    reason = " ".join(filter(None, [f"n < {SMALLEST}", where, f"({smallest})"]))
    refused = unmeasured(smallest if n is None else n, method, reason)
    return refused if smallest < SMALLEST else None


def lacking(values: ArrayLike, method: str) -> Estimate | None:
    """The refusal of `values` that are all NaN, as exponents without tangents are, else None."""
    n = len(values := np.asarray(values))
    refused = unmeasured(n, method, "no puzzle has a value")
    return refused if n and np.isnan(values).all() else None


def units(df: pd.DataFrame, idx: np.ndarray | None = None) -> np.ndarray:
    """(B,) int: the code of each puzzle's solution grid; given `idx`, of these puzzles of `df`.

    Imported puzzles go by their essentially different grids, the column ``grid``: a generator may
    turn one grid into thousands of puzzles.
    """
    grids = df["grid" if "grid" in df else "solution"]
    return pd.factorize(grids if idx is None else grids.set_axis(df.idx).loc[np.asarray(idx)])[0]


def repeated(unit: Units) -> TypeGuard[np.ndarray]:
    """Whether some puzzles share their unit, so that they are not independent."""
    return unit is not None and len(np.unique(unit)) < len(unit)


def counted(method: str, n: int, unit: Units) -> str:
    """`method` with what it counts: "..., 398 puzzles on 151 grids" where grids repeat."""
    return f"{method}, {n} puzzles on {len(np.unique(unit))} grids" if repeated(unit) else method


def by_unit(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(G, ...) sums of `values` (B, ...) over each of the G units."""
    return pd.DataFrame(np.asarray(values)).groupby(np.asarray(unit)).sum().to_numpy()


def over(value: float, low: float, high: float, n: int, method: str, unit: Units) -> Estimate:
    """The estimate, its interval over units; not told where few of them are shared by many."""
    if repeated(unit) and (grids := len(np.unique(unit))) < GRIDS:
        return unmeasured(n, method, f"{grids} solution grids, fewer than {GRIDS}")
    return Estimate(float(value), float(low), float(high), n, counted(method, n, unit))


def drawn(value: float, draws: np.ndarray, n: int, method: str, unit: Units) -> Estimate:
    """`value` between the percentiles of `draws` (R,); not told where a resample has no value."""
    if not np.isfinite(draws).all():
        return unmeasured(n, method, "too few solution grids to resample")
    low, high = np.percentile(draws, TAILS)
    return over(value, low, high, n, method, unit)


@lru_cache(maxsize=4)
def counts(*sizes: int) -> np.ndarray:
    """(10,000, sum of sizes) how often a bootstrap draws each item, within groups of a size."""
    rng, out = np.random.default_rng(0), np.empty((RESAMPLES, sum(sizes)), "float32")
    for n, end in zip(sizes, np.cumsum(sizes), strict=True):
        for some in np.split(out, 100):  # in a cache: an eighth of a multinomial's time
            kinds = rng.integers(n, size=(len(some), n)) + n * np.arange(len(some))[:, None]
            some[:, end - n : end] = np.bincount(kinds.ravel(), None, n * len(some)).reshape(-1, n)
    return out


def resampled(values: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """(10,000, C) column sums of `values` (B, C) in bootstrap samples of whole units."""
    sums = by_unit(values, unit)
    return counts(len(sums)) @ sums


def clopper_pearson(k: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) exact 95 % bounds of k of n; an effective k and n may be no integers."""
    k, rest = np.asarray(k), np.asarray(n) - np.asarray(k)
    low = betaincinv(k, rest + 1, (1 - LEVEL) / 2)  # quantiles of beta distributions
    high = betaincinv(k + 1, rest, (1 + LEVEL) / 2)
    return np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=1.0)  # NaN at k = 0 and k = n


def proportion(k: int, n: int) -> Estimate:
    """k / n of independent puzzles with the exact (Clopper-Pearson) 95 % interval."""
    if not 0 <= k <= n:
        raise ValueError(f"k={k} of n={n}: expected 0 <= k <= n")
    if n == 0:
        return unmeasured(0, "Clopper-Pearson", "no puzzle to count")
    low, high = map(float, clopper_pearson(k, n))
    return Estimate(k / n, low, high, int(n), "Clopper-Pearson")


def share(hits: np.ndarray, unit: Units = None) -> Estimate:
    """Share of `hits` (B,) bool: :func:`proportion`, with as many puzzles as units are worth.

    Where units repeat, n is divided by the design effect: the variance over units of the share over
    that of independent puzzles, at least 1, and by what few units know of it, the squared ratio of
    t quantiles. Where none or all are hit nothing varies, and a unit counts as one puzzle.
    """
    hits, n = np.asarray(hits, dtype=bool), len(hits)
    found = proportion(int(hits.sum()), n)
    if not repeated(unit):
        return found
    off = by_unit(hits - found.value, unit).ravel()
    free, spread = max(len(off) - 1, 1), found.value * (1 - found.value) / n
    variance = (off @ off) / n**2 * len(off) / free
    unsure = (stdtrit(free, 0.5 + LEVEL / 2) / stdtrit(n - 1, 0.5 + LEVEL / 2)) ** 2
    worth = n / max(1.0, variance / spread) / unsure if spread else len(off)
    low, high = map(float, clopper_pearson(found.value * worth, worth))
    return Estimate(found.value, low, high, n, counted("Korn-Graubard", n, unit))


def below_failures(values: np.ndarray, correct: np.ndarray, unit: Units = None) -> Estimate:
    """Share of the successes whose value is below that of every failure.

    The exact interval is *given these failures*: no resampling draws a failure below the smallest
    seen, so a bootstrap of a minimum covers far too little, and more failures can only lower it.
    """
    values, correct = np.asarray(values, dtype="float64"), np.asarray(correct, dtype=bool)
    if correct.all() or not correct.any():
        return unmeasured(len(values), "Clopper-Pearson", one_class(correct))
    below = share(values[correct] < values[~correct].min(), unit if unit is None else unit[correct])
    return replace(below, method=f"{below.method}, given these failures")


def one_class(correct: np.ndarray) -> str:
    """The reason why outcomes of one kind alone cannot be compared."""
    return f"one class only ({int(correct.sum())} correct, {int((~correct).sum())} wrong)"


def ranks(values: ArrayLike) -> np.ndarray:
    """(B,) ranks from 1; equal values share their mean rank."""
    return pd.Series(values).rank().to_numpy()


def influence(score: np.ndarray, correct: np.ndarray) -> tuple[float, np.ndarray]:
    """(AUC, (B,) what each puzzle adds to its error): the structural components of DeLong et al."""
    m, n = int(correct.sum()), int((~correct).sum())
    joint = ranks(score)
    above = (joint[correct] - ranks(score[correct])) / n
    below = 1 - (joint[~correct] - ranks(score[~correct])) / m
    out, value = np.empty(len(score)), float(above.mean())
    out[correct], out[~correct] = (above - value) / m, (below - value) / n
    return value, out


def error(part: np.ndarray, correct: np.ndarray, unit: Units = None) -> float:
    """Standard error of an AUC, or of a difference of AUCs, from its :func:`influence` (B,)."""
    if repeated(unit):  # Obuchowski: what a unit adds is one draw
        draws = [by_unit(part, unit).ravel()]
    else:
        draws = [side for side in (part[correct], part[~correct]) if len(side) > 1]
    return float(np.sqrt(sum(x @ x * len(x) / max(len(x) - 1, 1) for x in draws)))


def around(value: float, error: float, least: int) -> tuple[float, float]:
    """(low, high) of an AUC with a standard error, symmetric on the logit scale.

    Where nothing varies, as at 0 and 1, it is that of a share of `least`, the smaller class.
    """
    if value in (0.0, 1.0) or error == 0 or least < 2:
        edge = proportion(round(value * least), int(least))
        return min(edge.low, value), max(edge.high, value)
    half = Z * error / (value * (1 - value))
    return float(expit(logit(value) - half)), float(expit(logit(value) + half))


def auc(score: np.ndarray, correct: np.ndarray, unit: Units = None) -> Estimate:
    """P(score of a success > score of a failure), ties half, of `score` and `correct` (B,).

    The interval is DeLong's, where units repeat Obuchowski's over units, both by :func:`around`.
    Scores that are all NaN, as without exponents, cannot be measured; some that are is an error.
    """
    score, correct = np.asarray(score, dtype="float64"), np.asarray(correct, dtype=bool)
    n, bad = len(score), int((~np.isfinite(score)).sum())
    if refused := lacking(score, "DeLong"):
        return refused
    if bad:
        raise ValueError(f"AUC: {bad} scores are NaN or infinite; measure these rows again")
    if correct.all() or not correct.any():
        return unmeasured(n, "DeLong", one_class(correct))
    value, part = influence(score, correct)
    bounds = around(value, error(part, correct, unit), min(correct.sum(), (~correct).sum()))
    method = "Obuchowski" if repeated(unit) else "DeLong"
    return over(value, *bounds, n, method, unit)


def auc_row(score: np.ndarray, correct: np.ndarray, unit: Units = None) -> dict:
    """:func:`auc` as columns of a tidy table: auc, low, high, n_correct, n_wrong, reason."""
    e, solved = auc(score, correct, unit), int(np.sum(correct))
    n = {"n_correct": solved, "n_wrong": len(correct) - solved}
    return {"auc": e.value, "low": e.low, "high": e.high, **n, "reason": e.reason}


def paired(value: float, part: np.ndarray, correct: np.ndarray, unit: Units) -> Estimate:
    """A difference of AUCs on the same puzzles, `part` (B,) the difference of influences."""
    half, n = Z * error(part, correct, unit), len(part)
    return over(value, value - half, value + half, n, "paired DeLong", unit)


def median(values: np.ndarray, unit: Units = None) -> Estimate:
    """The median, between quantiles as far from one half as the bounds of a :func:`share` of it."""
    values, n = np.asarray(values, dtype="float64"), len(values)
    if n < 2:
        return unmeasured(n, "Woodruff", f"{n} puzzles; a median interval needs at least 2")
    if refused := lacking(values, "Woodruff"):
        return refused
    half = share(np.argsort(np.argsort(values, kind="stable")) < n / 2, unit)  # also where many tie
    ends = 0.5 + np.array([half.low, half.high]) - half.value
    low, high = np.quantile(values, np.clip(ends, 0, 1))
    middle, method = float(np.median(values)), counted("Woodruff", n, unit)
    return Estimate(middle, float(low), float(high), n, method)


def mean(values: np.ndarray, weights: np.ndarray | None = None, unit: Units = None) -> Estimate:
    """Mean of one value a puzzle with a bootstrap interval; `weights` undo a stratified draw.

    Puzzles of one weight are one stratum and are resampled within it: how many of each a sample
    holds was decided, not drawn. Where units repeat they are resampled instead, across the strata.
    """
    n = len(values)
    if refused := few(n, "bootstrap"):
        return refused
    w = np.ones(n) if weights is None else weights
    pairs = np.stack([w * values, w], 1)
    if repeated(unit):
        sums = resampled(pairs, unit)
    else:
        sizes = np.unique(w, return_counts=True)[1]
        sums = counts(*sizes) @ pairs[np.argsort(w, kind="stable")]
    value, draws = np.average(values, weights=w), sums[:, 0] / sums[:, 1]
    return drawn(value, draws, n, "bootstrap over puzzles", unit)
