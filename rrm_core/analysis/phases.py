"""Two phases of a puzzle: tangents grow, or hardly shrink, until it is solved, then shrink.

The last wrong segment tells when a solved puzzle switched; the largest exponent over the window is
then mostly a stopwatch of that switch. Growth is that of the first tangent, in nats a segment. Left
out are segments 1 and 2, a transient in which the tangents turn, and the segment of the switch
itself.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import stats
from rrm_core.analysis.stats import Estimate, few, lacking, resampled, units
from rrm_core.runs.tables import Run, numbered

START = 3  # the first segment after the transient


def time(df: pd.DataFrame) -> np.ndarray:
    """(T,) the segments, counted from 1."""
    return np.arange(1, len(numbered(df, "correct")) + 1)


def last_wrong(df: pd.DataFrame) -> np.ndarray:
    """(B,) int: the last segment whose answer is wrong; 0 where none is, T in failures."""
    return np.where(df[numbered(df, "correct")].to_numpy(), 0, time(df)).max(1)


def growth_by_segment(df: pd.DataFrame) -> np.ndarray:
    """(B, T) float64: growth of the first tangent in each segment, nats."""
    return df[numbered(df, "growth_1")].to_numpy("float64")


def before_after(df: pd.DataFrame) -> pd.DataFrame:
    """One row a phase: phase, growth (median over its segments), n of segments, puzzles.

    Phases: "before" the switch (segments 3 to the last wrong one of solved puzzles), "after" it
    (segments 3 on, without the first right one), and "failures" (segments 3 on).
    """
    growth, last, at = growth_by_segment(df), last_wrong(df)[:, None], time(df)
    late = at >= START
    solved = df.correct.to_numpy()[:, None]
    phases = {"before": solved & late & (last >= at), "after": solved & late & (last + 1 < at)}
    phases |= {"failures": ~solved & late}
    rows = [
        (name, np.median(growth[of]) if of.any() else np.nan, of.sum(), of.any(1).sum())
        for name, of in phases.items()
    ]
    return pd.DataFrame(rows, columns=["phase", "growth", "n", "puzzles"])


def stopwatch(df: pd.DataFrame) -> Estimate:
    """R2 of lambda_1 on the last wrong segment among the solved puzzles; bootstrap over grids."""
    solved = df[df.correct]
    n, unit = len(solved), units(solved)
    if refused := few(n, "bootstrap", "solved"):
        return refused
    x, y = last_wrong(solved).astype("float64"), solved.lambda_1.to_numpy("float64")
    if refused := lacking(y, "bootstrap"):
        return refused
    if not np.ptp(x):
        return stats.unmeasured(n, "bootstrap", f"all were last wrong at segment {x[0]:.0f}")
    x, y = x - x.mean(), y - y.mean()  # moments about the means lose no digits
    moments = np.stack([np.ones(n), x, y, x * x, y * y, x * y], 1)
    value, draws = r_squared(moments.sum(0, keepdims=True))[0], r_squared(resampled(moments, unit))
    return stats.drawn(value, draws, n, "bootstrap", unit)


def r_squared(sums: np.ndarray) -> np.ndarray:
    """(R,) squared correlations from (R, 6) sums of 1, x, y, x^2, y^2, xy; NaN if none varies."""
    _, x, y, xx, yy, xy = (sums / sums[:, :1]).T
    apart = (xx - x * x) * (yy - y * y)
    return np.divide((xy - x * y) ** 2, apart, where=apart > 0, out=np.full_like(apart, np.nan))


def beyond_trend(run: Run, degree: int = 1) -> Estimate:
    """Growth of failures, less that of an answer that comes at the last segment; nats a segment.

    Growth is that of lambda_1, the trend a polynomial in the last wrong segment through the solved:
    one least-squares fit with a step for failures; bootstrap over grids.
    """
    df, right = run.table, run.table.correct.to_numpy()
    if refused := few(min(int(right.sum()), int((~right).sum())), "bootstrap", "of an outcome"):
        return refused
    if refused := lacking(df.lambda_1, "bootstrap"):
        return refused
    early = last_wrong(df) / len(time(df)) - 1  # 0 in failures
    terms = np.stack([early**power for power in range(degree + 1)] + [~right], 1)
    known = np.column_stack([terms, df.lambda_1.to_numpy("float64") * run.updates_per_segment])
    moments = (terms[:, :, None] * known[:, None]).reshape(len(df), -1)
    times = len(np.unique(early[right]))
    if times <= degree:
        return stats.unmeasured(len(df), "bootstrap", f"the solved switch at {times} segments only")

    def step(sums: np.ndarray) -> np.ndarray:
        a = sums.astype("float64").reshape(-1, terms.shape[1], known.shape[1])
        full = np.linalg.matrix_rank(a[:, :, :-1], hermitian=True) == terms.shape[1]
        a[~full] = np.nan  # a resample without failures, or with too few times
        return np.linalg.solve(a[:, :, :-1], a[:, :, -1:])[:, -1, 0]

    value, draws = step(moments.sum(0))[0], step(resampled(moments, units(df)))
    return stats.drawn(value, draws, len(df), "bootstrap", units(df))


def by_solving_time(df: pd.DataFrame, groups: tuple[int, ...] = (2, 4, 8)) -> pd.DataFrame:
    """One row a group and segment: group, segment, growth (median), n of puzzles.

    Groups: puzzles whose last wrong segment is 2, 4 or 8, "wrong for 2 segments", and
    "failures".
    """
    growth, last, parts = growth_by_segment(df), last_wrong(df), []
    names = {k: f"wrong for {k} segments" for k in groups} | {len(time(df)): "failures"}
    for k, name in names.items():
        if (at := last == k).any():
            curve = {"segment": time(df), "growth": np.median(growth[at], 0), "n": at.sum()}
            parts.append(pd.DataFrame({"group": name, **curve}))
    kinds = {"group": "string", "segment": "int64", "growth": "float64", "n": "int64"}
    none = pd.DataFrame(columns=list(kinds)).astype(kinds)
    return pd.concat(parts, ignore_index=True) if parts else none
