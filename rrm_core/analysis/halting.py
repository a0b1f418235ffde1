"""What a halting rule costs: accuracy against segments spent."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.runs.tables import columns


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
