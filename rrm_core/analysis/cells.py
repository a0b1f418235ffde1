"""Settled or not, by correct or not: late drift, the settled band, cells A, B, C and D.

A settled and correct, B settled and wrong, C unsettled and correct, D unsettled and wrong. Settled
means log10 late drift < threshold, here and in the browser alike. Otsu's threshold is the cut of
the text. Sources: paper section 2.3; Otsu 1979; Hartigan & Hartigan 1985.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from rrm_core.runs.tables import Run, late, numbered

BINS = 256  # of the histogram that Otsu's threshold is found on
BARS = 60  # of the histogram that is drawn
UNIFORM = 0.75  # Otsu's separability of a uniform distribution
DIP = 0.05  # largest p of the dip test that rejects one hump
DISTINCT = 0.9  # least share of distinct values for the dip test, which was made for a continuum
STEP = np.log10(2) / 2  # decades from a drift of one unit of rounding to the next, root two larger
SPIKE = 0.05  # decades about a threshold in which half of the settled puzzles are a spike
CELLS = ("A", "B", "C", "D")
STATES = ("h", "l", "both")


class CellError(ValueError):
    """A threshold, state or table from which no cells can be made."""


def drift(df: pd.DataFrame, state: str = "h") -> np.ndarray:
    """(B, T) drift of z_H ("h"), of z_L ("l") or of the joint state ("both", our reading)."""
    if state not in STATES:
        raise CellError(f"state={state!r}: expected one of {', '.join(STATES)}")
    if state == "both":
        return np.hypot(drift(df, "h"), drift(df, "l"))
    return df[numbered(df, f"drift_{state}")].to_numpy("float64")


def late_drift(df: pd.DataFrame, state: str = "h") -> np.ndarray:
    """(B,) float64: log10 of the mean drift over the last four segments, clipped at 1e-12."""
    return late(drift(df, state))


class Split(NamedTuple):
    """A threshold and the variance between its two sides over the total variance, 0..1."""

    threshold: float
    separability: float
    first: float  # the lowest bin centre that does as well: the paper's rule


def otsu(values: np.ndarray) -> Split:
    """The bin centre that maximises the between-class variance of `values` (Otsu 1979).

    Over an empty gap many do; the middle of these is taken. NaN for fewer than two distinct values,
    or values that round-off alone tells apart. A uniform distribution has separability 0.75.
    """
    values = np.asarray(values, dtype="float64")
    if len(values) < 2 or np.ptp(values) <= 2 * BINS * np.spacing(np.abs(values).max()):
        return Split(np.nan, np.nan, np.nan)
    counts, edges = np.histogram(values, BINS)
    centres, share = (edges[:-1] + edges[1:]) / 2, counts / counts.sum()
    below, mean = np.cumsum(share), np.cumsum(share * centres)
    total, apart = mean[-1], below * (1 - below)
    between = np.divide((total * below - mean) ** 2, apart, where=apart > 0, out=0 * apart)
    best = int(np.argmax(between))
    gap = centres[below == below[best]]  # the best one and the empty bins above it
    explained = between[best] / (share @ (centres - total) ** 2)
    return Split(float(gap.mean()), float(explained), float(gap[0]))


@dataclass(frozen=True)
class Band:
    """The settled band of one run on log10 late drift, and why it, or its strict part, is none."""

    otsu: float
    strict: float
    strict_percentile: float
    separability: float
    dip_p: float
    exists: bool
    reason: str = ""
    strict_reason: str = ""

    @property
    def edge(self) -> float:
        """Otsu's threshold; -inf, so that nothing settles, where there is none."""
        return -np.inf if np.isnan(self.otsu) else self.otsu

    @property
    def cut(self) -> float:
        """The strict threshold, Otsu's where that cannot be measured."""
        return self.otsu if np.isnan(self.strict) else self.strict


def smallest_share(distance: float) -> float:
    """Smallest share of a second hump that :func:`band` sees by Otsu's separability, 0..0.5.

    Humps of one width (a standard deviation), `distance` widths apart: share x (1 - share) x
    distance^2 must exceed 3. At 6 widths 9 %, at 8 5 %, at 10 3 %, at 20 0.8 %; NaN where none is
    seen, below 3.5. The dip test adds little: of 1,000 points it sees 5 % at 20 widths, not 3 %.
    """
    room = 1 - 4 * UNIFORM / (1 - UNIFORM) / distance**2
    return float((1 - np.sqrt(room)) / 2) if room >= 0 else float("nan")


def untied(values: np.ndarray, separability: float) -> float:
    """`separability` were each of `values` spread over the way to its neighbours, at most STEP.

    A few values, as round-off leaves them, are far apart for their width, which is none: two of
    them have separability 1, wherever they lie. Spread out, neighbours are as uniform.
    """
    distinct, n = np.unique(values, return_counts=True)
    gaps = np.minimum(np.diff(distinct), STEP)
    width, total = (np.r_[gaps[0], gaps] + np.r_[gaps, gaps[-1]]) / 2, np.var(values)
    return float(separability * total / (total + n @ width**2 / len(values) / 12))


def band(values: np.ndarray, strict_percentile: float | None = None) -> Band:
    """The :class:`Band` of pooled log10 late drift (B,); late drift is bimodal or there is none.

    ``strict`` is the pooled percentile at 80 % of the Otsu-settled share, rounded to 5 (our rule;
    the paper's own 45 and 60 stand with its figures). It is NaN where over half of the settled
    puzzles lie within :data:`SPIKE` decades of it: such a spike is round-off, and cutting it counts
    rounding. ``dip_p`` is Hartigan's dip test, weak when one mode is small; NaN where values
    tie, as at the floor of float32: ties alone would reject one hump. There the separability of
    :func:`untied` values decides. A small hump is not seen: :func:`smallest_share`.
    """
    import diptest

    values = np.asarray(values, dtype="float64")
    if bad := int((~np.isfinite(values)).sum()):
        raise CellError(f"late drift is NaN or infinite in {bad} rows; measure these rows again")
    if strict_percentile is not None and not 0 < strict_percentile < 100:
        raise CellError(f"strict_percentile={strict_percentile}: expected 0 < percentile < 100")
    cut, separability, _ = otsu(values)
    if np.isnan(cut):
        reason = "late drift takes fewer than two values"
        return Band(np.nan, np.nan, np.nan, np.nan, np.nan, False, reason, reason)
    settled = values[values < cut]
    if strict_percentile is None:
        share = 100 * len(settled) / len(values)
        strict_percentile = float(np.clip(5 * np.round(0.8 * share / 5), 5, 95))
    strict = float(np.percentile(values, strict_percentile))
    strict_reason = ""
    if np.mean(np.abs(settled - strict) <= SPIKE) > 0.5:
        strict, strict_reason = float("nan"), "below the floor of float32"
    continuous = len(values) > 3 and len(np.unique(values)) >= DISTINCT * len(values)
    p = float(diptest.diptest(values)[1]) if continuous else float("nan")
    apart = separability if continuous else untied(values, separability)
    exists = apart > UNIFORM or p <= DIP
    reason = "" if exists else "late drift is not bimodal"
    return Band(cut, strict, strict_percentile, separability, p, exists, reason, strict_reason)


def band_of(run: Run) -> Band:
    """The :class:`Band` of a run's late drift of z_H."""
    return band(late_drift(run.table))


def assign(values: np.ndarray, correct: np.ndarray, threshold: float) -> np.ndarray:
    """(B,) array of "A".."D": settled means ``values < threshold``."""
    if np.isnan(threshold):
        raise CellError("threshold is NaN: this run has no band; give a threshold of your own")
    settled, correct = np.asarray(values) < threshold, np.asarray(correct, dtype=bool)
    return np.where(settled, np.where(correct, "A", "B"), np.where(correct, "C", "D"))


def at_otsu(df: pd.DataFrame) -> tuple[np.ndarray, Band]:
    """((B,) array of "A".."D" at Otsu's threshold, the band); without one nothing settles."""
    found = band(late_drift(df))
    return assign(late_drift(df), df.correct, found.edge), found


def count(cells: np.ndarray) -> dict[str, int]:
    """{"A": n, "B": n, "C": n, "D": n}."""
    return {cell: int(np.sum(np.asarray(cells) == cell)) for cell in CELLS}


def outcomes(correct: np.ndarray) -> np.ndarray:
    """(B,) array of "correct" and "wrong"."""
    return np.where(np.asarray(correct, dtype=bool), "correct", "wrong")


def bins(values: np.ndarray, correct: np.ndarray) -> pd.DataFrame:
    """One row a bar of the histogram: start, end, outcome, n; 60 widths, empty ones left out."""
    edges, parts = np.histogram_bin_edges(values, BARS), []
    for name, part in pd.Series(values).groupby(outcomes(correct)):
        bars = {"start": edges[:-1], "end": edges[1:], "outcome": name}
        parts.append(pd.DataFrame(bars | {"n": np.histogram(part, edges)[0]}))
    return pd.concat(parts).query("n > 0").reset_index(drop=True)


def drift_by_segment(df: pd.DataFrame) -> pd.DataFrame:
    """One row an outcome and segment: outcome, segment, low, drift, high (quartiles), n."""
    parts = []
    for outcome, part in df.groupby(outcomes(df.correct)):
        low, middle, high = np.quantile(drift(part), [0.25, 0.5, 0.75], axis=0)
        curve = {"segment": range(1, len(middle) + 1), "low": low, "drift": middle, "high": high}
        parts.append(pd.DataFrame({"outcome": outcome, **curve, "n": len(part)}))
    return pd.concat(parts, ignore_index=True)


def settled_failures(df: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """The failures in the band (cell B), calmest first, with ``selector_blind``: would halt.

    When B is empty, the five failures nearest to the band instead, marked as cell D.
    """
    shown = ["idx", "token_acc", "blank_acc", "lambda_1", "halted_at"]
    values = late_drift(df)
    cell = assign(values, df.correct, threshold)
    frame = df[[*shown, "givens", "naked_backtracks"]].assign(late_drift=values, cell=cell)
    frame = frame[~df.correct].sort_values(["late_drift", "idx"], ignore_index=True)
    inside = frame.cell == "B"
    chosen = frame[inside] if inside.any() else frame.head(5)
    return chosen.assign(selector_blind=(chosen.cell == "B") & (chosen.halted_at > 0))


def sweep(values: np.ndarray, correct: np.ndarray) -> pd.DataFrame:
    """One row a percentile (5, 10, ..., 95): threshold, A to D, B's share of failures, if any."""
    cuts = pd.DataFrame({"percentile": np.arange(5.0, 100.0, 5.0)})
    cuts["threshold"] = np.percentile(values, cuts.percentile)
    n = pd.DataFrame([count(assign(values, correct, cut)) for cut in cuts.threshold])
    return cuts.join(n).assign(settled_failures=n.B / (n.B + n.D).where(n.B + n.D > 0))


def typical(values: np.ndarray, cells: np.ndarray) -> dict[str, int | None]:
    """{cell: position of the puzzle of (lower) median `values` in it}; None where it is empty."""
    order = np.argsort(values, kind="stable")
    inside = {cell: order[np.asarray(cells)[order] == cell] for cell in CELLS}
    return {cell: int(at[(len(at) - 1) // 2]) if len(at) else None for cell, at in inside.items()}
