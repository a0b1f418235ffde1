"""What a halting rule costs: accuracy against the segments that are spent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.runs.tables import numbered


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
