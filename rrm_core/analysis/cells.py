"""Settled or not, by correct or not: late drift, the settled band, cells A/B/C/D.

A settled and correct, B settled and wrong, C unsettled and correct, D unsettled and wrong. Settled means log10 late
drift < threshold, here and in the browser alike. Source: paper section 2.3; Otsu 1979; Hartigan & Hartigan 1985.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from rrm_core.runs.tables import LATE, SEGMENTS, Run, columns, late, log_drift

BINS = 256  # of the histogram that Otsu's threshold is found on
BARS = 60  # of the histogram that is drawn
UNIFORM = 0.75  # Otsu's separability of a uniform distribution
DIP = 0.05  # largest p of the dip test that rejects one hump
CELLS = ("A", "B", "C", "D")
STATES = ("h", "l", "both")


class CellError(ValueError):
    """A threshold, state or table from which no cells can be made."""


def drift(df: pd.DataFrame, state: str = "h") -> np.ndarray:
    """(B, T) drift of z_H ("h"), z_L ("l") or the joint state ("both": root of the sum of squares; our reading)."""
    if state not in STATES:
        raise CellError(f"state={state!r}: expected one of {', '.join(STATES)}")
    parts = [
        df[columns(f"drift_{s}")].to_numpy("float64") for s in ("hl" if state == "both" else state)
    ]
    return np.sqrt(sum(part**2 for part in parts)) if state == "both" else parts[0]


def late_drift(df: pd.DataFrame, state: str = "h") -> np.ndarray:
    """(B,) float64: log10 of the mean drift over segments 13-16, clipped at 1e-12."""
    return late(drift(df, state))


@dataclass(frozen=True)
class Split:
    """Otsu's threshold of a distribution and its separability: between-class over total variance, 0..1."""

    threshold: float
    separability: float


def otsu(values: np.ndarray, bins: int = BINS) -> Split:
    """The first bin centre that maximises the between-class variance of a histogram of `values` (Otsu 1979).

    NaN for fewer than two distinct values, or values that round-off alone tells apart. A uniform distribution has separability 0.75.
    """
    values = np.asarray(values, dtype="float64")
    if len(values) < 2 or np.ptp(values) <= 2 * bins * np.spacing(np.abs(values).max()):
        return Split(float("nan"), float("nan"))
    counts, edges = np.histogram(values, bins)
    centres = (edges[:-1] + edges[1:]) / 2
    share = counts / counts.sum()
    below, mean = np.cumsum(share), np.cumsum(share * centres)
    total = mean[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (total * below - mean) ** 2 / (below * (1 - below))
    between = np.nan_to_num(between, nan=0.0, posinf=0.0)
    best = int(np.argmax(between))
    return Split(float(centres[best]), float(between[best] / (share @ (centres - total) ** 2)))


@dataclass(frozen=True)
class Band:
    """The settled band of one run on log10 late drift. ``exists`` is False where late drift is not bimodal."""

    otsu: float
    strict: float
    strict_percentile: float
    separability: float
    dip_p: float
    exists: bool
    reason: str = ""

    @property
    def by(self) -> str:
        """What says that the band exists: "both", "dip test" or "separability" alone; a dash where nothing does."""
        separable, dips = self.separability > UNIFORM, self.dip_p <= DIP
        return (
            "both"
            if separable and dips
            else "separability"
            if separable
            else "dip test"
            if dips
            else "–"
        )


def band(values: np.ndarray, strict_percentile: float | None = None) -> Band:
    """The :class:`Band` of pooled log10 late drift (B,).

    ``strict`` is the pooled percentile at 80 % of the run's Otsu-settled share, rounded to 5 (our rule; the paper's own
    45 and 60 stand only with the paper's figures). ``dip_p`` is Hartigan's dip test, weak when one mode is small.
    """
    import diptest

    values = np.asarray(values, dtype="float64")
    if not np.isfinite(values).all():
        raise CellError(
            f"late drift is NaN or infinite in {int((~np.isfinite(values)).sum())} rows; measure these rows again"
        )
    split = otsu(values)
    if np.isnan(split.threshold):
        return Band(
            np.nan, np.nan, np.nan, np.nan, np.nan, False, "late drift takes fewer than two values"
        )
    if strict_percentile is None:
        strict_percentile = float(
            np.clip(5 * np.round(0.8 * 100 * (values < split.threshold).mean() / 5), 5, 95)
        )
    if not 0 < strict_percentile < 100:
        raise CellError(
            f"strict_percentile={strict_percentile}: expected between 0 and 100, exclusive"
        )
    strict = float(np.percentile(values, strict_percentile))
    p = float(diptest.diptest(values)[1]) if len(values) > 3 else float("nan")
    exists = split.separability > UNIFORM or p <= DIP
    return Band(
        split.threshold,
        strict,
        strict_percentile,
        split.separability,
        p,
        exists,
        "" if exists else "late drift is not bimodal",
    )


def band_of(run: Run, strict_percentile: float = 0) -> Band:
    """The :class:`Band` of a run's late drift of z_H; a `strict_percentile` of 0 leaves the strict threshold to our rule."""
    return band(late_drift(run.table), strict_percentile or None)


def assign(values: np.ndarray, correct: np.ndarray, threshold: float) -> np.ndarray:
    """(B,) array of "A".."D": settled means ``values < threshold``."""
    if np.isnan(threshold):
        raise CellError("threshold is NaN: this run has no band; give a threshold of your own")
    settled, correct = np.asarray(values) < threshold, np.asarray(correct, dtype=bool)
    return np.select(
        [settled & correct, settled & ~correct, ~settled & correct], ["A", "B", "C"], "D"
    )


def at_otsu(df: pd.DataFrame) -> tuple[np.ndarray, Band]:
    """(B,) array of "A".."D" at the Otsu threshold of this very table, and its band; without a threshold nothing settles: C and D."""
    values = late_drift(df)
    found = band(values)
    return assign(values, df.correct, -np.inf if np.isnan(found.otsu) else found.otsu), found


def count(cells: np.ndarray) -> dict[str, int]:
    """{"A": n, "B": n, "C": n, "D": n}."""
    return {cell: int((np.asarray(cells) == cell).sum()) for cell in CELLS}


def outcomes(correct: np.ndarray) -> np.ndarray:
    """(B,) array of "correct" and "wrong"."""
    return np.where(np.asarray(correct, dtype=bool), "correct", "wrong")


def bins(values: np.ndarray, correct: np.ndarray) -> pd.DataFrame:
    """One row a bar of the histogram: start, end, outcome, n (60 equal widths over the pooled range; empty bars left out)."""
    edges = np.histogram_bin_edges(values, BARS)
    names = outcomes(correct)
    parts = [
        pd.DataFrame(
            {
                "start": edges[:-1],
                "end": edges[1:],
                "outcome": name,
                "n": np.histogram(values[names == name], edges)[0],
            }
        )
        for name in ("correct", "wrong")
    ]
    return pd.concat(parts).query("n > 0").reset_index(drop=True)


def slope(df: pd.DataFrame, state: str = "h") -> np.ndarray:
    """(B,) end-of-window drift slope: log10 of mean drift over segments 13-16 minus that over 9-12."""
    d = drift(df, state)
    return late(d) - late(d[:, :-LATE])


def table(df: pd.DataFrame, threshold: float, state: str = "h") -> pd.DataFrame:
    """One row a cell: n, share, and medians of the columns that the paper's cell table shows; NaN in an empty cell."""
    cells = assign(late_drift(df, state), df.correct, threshold)
    wanted = [
        "lambda_1",
        f"lambda_{8 if 'lambda_8' in df else 1}",
        "token_acc",
        "halted_at",
        f"q_halt_{SEGMENTS}",
        "givens",
    ]
    frame = df[list(dict.fromkeys(wanted))].assign(drift_slope=slope(df, state), cell=cells)
    out = frame.groupby("cell").median().reindex(CELLS)
    n = pd.Series(count(cells))
    out.insert(0, "n", n)
    out.insert(1, "share", n / len(df))
    return out.rename_axis("cell").reset_index()


EXAMPLE = [
    "idx",
    "token_acc",
    "blank_acc",
    "lambda_1",
    f"q_halt_{SEGMENTS}",
    "halted_at",
    "givens",
    "naked_backtracks",
]


def settled_failures(
    df: pd.DataFrame, threshold: float, state: str = "h", nearest: int = 5
) -> pd.DataFrame:
    """The failures in the band (cell B), lowest late drift first, with ``selector_blind`` = would halt.

    When B is empty, the `nearest` failures closest to the band instead, marked as cell D.
    """
    values = late_drift(df, state)
    frame = df[[c for c in EXAMPLE if c in df]].assign(
        late_drift=values, cell=assign(values, df.correct, threshold)
    )
    frame = frame[~df.correct.to_numpy()].sort_values(["late_drift", "idx"])
    inside = frame[frame.cell == "B"]
    chosen = inside if len(inside) else frame.head(nearest)
    return chosen.assign(selector_blind=(chosen.cell == "B") & (chosen.halted_at > 0)).reset_index(
        drop=True
    )


def sweep(
    values: np.ndarray, correct: np.ndarray, percentiles: np.ndarray | None = None
) -> pd.DataFrame:
    """One row a pooled percentile (5, 10, ..., 95): threshold, A, B, C, D and B's share of the failures."""
    rows = []
    for p in np.arange(5, 100, 5) if percentiles is None else percentiles:
        threshold = float(np.percentile(values, p))
        n = count(assign(values, correct, threshold))
        rows.append(
            {
                "percentile": float(p),
                "threshold": threshold,
                **n,
                "settled_failures": n["B"] / max(n["B"] + n["D"], 1),
            }
        )
    return pd.DataFrame(rows)


def threshold_free(values: np.ndarray, correct: np.ndarray) -> dict[str, float]:
    """The statement that needs no threshold: the smallest late drift of a failure, and the share of successes below it."""
    values, correct = np.asarray(values), np.asarray(correct, dtype=bool)
    if correct.all() or not correct.any():
        return {
            "smallest_failure": float("nan"),
            "successes_below": float("nan"),
            "n_correct": int(correct.sum()),
            "n_wrong": int((~correct).sum()),
        }
    smallest = values[~correct].min()
    return {
        "smallest_failure": float(smallest),
        "successes_below": float((values[correct] < smallest).mean()),
        "n_correct": int(correct.sum()),
        "n_wrong": int((~correct).sum()),
    }


def quantile_bands(
    values: np.ndarray, cells: np.ndarray, wanted: tuple[str, ...] = ("A", "D")
) -> pd.DataFrame:
    """One row a cell and segment: 10 % quantile, median and 90 % quantile of `values` (B, T); empty cells are left out."""
    cells, parts = np.asarray(cells), []
    for cell in wanted:
        if (cells == cell).any():
            low, median, high = np.quantile(values[cells == cell], [0.1, 0.5, 0.9], axis=0)
            parts.append(
                pd.DataFrame(
                    {
                        "cell": cell,
                        "segment": np.arange(1, SEGMENTS + 1),
                        "low": low,
                        "median": median,
                        "high": high,
                    }
                )
            )
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["cell", "segment", "low", "median", "high"])
    )


def profiles(
    df: pd.DataFrame, cells: np.ndarray, wanted: tuple[str, ...] = ("A", "D"), state: str = "h"
) -> pd.DataFrame:
    """:func:`quantile_bands` of log10 drift."""
    return quantile_bands(log_drift(drift(df, state)), cells, wanted)


def middle(values: np.ndarray, rows: np.ndarray) -> int:
    """The one of `rows` (positions, at least one) that is in the middle by `values` (B,), the upper of two."""
    return int(rows[np.argsort(values[rows], kind="stable")[len(rows) // 2]])


def typical(values: np.ndarray, cells: np.ndarray) -> dict[str, int | None]:
    """{cell: position of the puzzle with the (lower) median late drift of that cell}; None where the cell is empty."""
    order = np.argsort(values, kind="stable")
    inside = {cell: order[np.asarray(cells)[order] == cell] for cell in CELLS}
    return {cell: int(at[(len(at) - 1) // 2]) if len(at) else None for cell, at in inside.items()}


def lines(df: pd.DataFrame, idx: list[int], state: str = "h") -> pd.DataFrame:
    """One row a puzzle and segment: idx, segment, drift (log10), for the puzzles `idx`."""
    chosen = df[df.idx.isin(idx)]
    logs = log_drift(drift(chosen, state)).ravel()
    return pd.DataFrame(
        {
            "idx": np.repeat(chosen.idx.to_numpy(), SEGMENTS),
            "segment": np.tile(np.arange(1, SEGMENTS + 1), len(chosen)),
            "drift": logs,
        }
    )
