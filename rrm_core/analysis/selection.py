"""What a signal is good for: picking a restart, giving up early, halting by a threshold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import fates, stats
from rrm_core.analysis.stats import Estimate, Z, few, unmeasured
from rrm_core.runs.tables import Run, numbered, signals_at


def selection_gain(run: Run, stored: bool = False) -> Estimate:
    """Accuracy of the restart of highest q_halt, less that of one at random or of the `stored`.

    Over the run's puzzles: those of the study, drawn by outcome, are weighted by what they stand
    for. All share the draws of the restarts, so the interval has two parts: a bootstrap over
    puzzles, and a jackknife over the draws.
    """
    table = fates.study(run, "restarts")
    if table is None:
        return fates.missing("restarts")
    grid = table.pivot(index="idx", columns="restart")  # restart 0 is the stored start
    correct, score = (grid[c].to_numpy("float64") for c in ("correct", "q_halt"))
    start, correct, score = correct[:, 0], correct[:, 1:], score[:, 1:]
    solved = run.table.set_index("idx").correct.loc[grid.index].to_numpy()
    share, drawn = run.table.correct.mean(), np.clip(solved.mean(), 1e-12, 1 - 1e-12)
    weights = np.where(solved, share / drawn, (1 - share) / (1 - drawn))
    every = np.arange(correct.shape[1])

    def gain(kept: np.ndarray) -> np.ndarray:
        best = score[:, kept] == score[:, kept].max(1, keepdims=True)  # equals share the pick
        base = start if stored else correct[:, kept].mean(1)
        return (best * correct[:, kept]).sum(1) / best.sum(1) - base

    found = stats.mean(gain(every), weights, stats.units(run.table, grid.index))
    if found.reason:
        return found
    without = [np.average(gain(np.delete(every, j)), weights=weights) for j in every]
    variance = Z**2 * (len(every) - 1) * np.var(without)
    half = np.sqrt(((found.high - found.low) / 2) ** 2 + variance)
    method = f"{found.method} and jackknife over restarts"
    return Estimate(found.value, found.value - half, found.value + half, found.n, method)


def pruned_successes(run: Run, signal: str, h: int = 4) -> Estimate:
    """Of the puzzles wrong at h and solved at 16, the share in the worse half by a signal.

    One half if the signal knows nothing. How many are in the worse half is fixed, so the interval
    of a share is somewhat wider than it need be.
    """
    wrong = run.table[~run.table[f"correct_{h:02d}"]]
    score, later = signals_at(wrong, h, run.updates_per_segment)[signal], wrong.correct.to_numpy()
    if not np.isfinite(score).all():
        return unmeasured(len(wrong), "Clopper-Pearson", f"the run was measured without {signal}")
    worse = np.argsort(np.argsort(score, kind="stable"), kind="stable") < len(score) / 2
    refused = few(int(later.sum()), "Clopper-Pearson")
    return refused or stats.share(worse[later], stats.units(wrong)[later])


def halting_curve(df: pd.DataFrame, rule: str, thresholds: int = 41) -> pd.DataFrame:
    """One row a threshold, so many quantiles of the signal: rule, threshold, segments, accuracy.

    And stopped, the share of the failures (at the last segment) that stop before it, NaN of none.
    Every puzzle stops at its first segment past the threshold, else at the last. ``rule`` is
    "q_halt" (stop when q_halt is at least the threshold) or "drift_h" (when drift is at most it).
    """
    if rule not in ("q_halt", "drift_h"):
        raise ValueError(f"rule={rule!r}: expected q_halt or drift_h")
    sign = 1 if rule == "q_halt" else -1
    signal = sign * df[numbered(df, rule)].to_numpy("float64")
    right, puzzle, rows = df[numbered(df, "correct")].to_numpy(), np.arange(len(df)), []
    failed = pd.Series(~right[:, -1])
    for cut in np.quantile(signal, np.linspace(0, 1, thresholds)):
        fires = signal >= cut
        fires[:, -1] = True
        stop = fires.argmax(1)
        stopped = pd.Series(stop < right.shape[1] - 1)[failed].mean()
        rows.append((rule, sign * cut, stop.mean() + 1, right[puzzle, stop].mean(), stopped))
    return pd.DataFrame(rows, columns=["rule", "threshold", "segments", "accuracy", "stopped"])
