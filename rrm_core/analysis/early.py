"""When the signal exists: what h segments tell of the outcome at 16 (paper section 3.3).

lambda1@h is the largest cumulative growth over segments 1..h per update, drift@h and q_halt@h are
those of segment h alone; more drift and more q_halt count as hopeful, and so does a lower exponent.
"""

from __future__ import annotations

import pandas as pd

from rrm_core.analysis.stats import auc_row, units
from rrm_core.runs.tables import segments, signals_at


def horizons(df: pd.DataFrame, updates: int) -> pd.DataFrame:
    """One row a horizon h = 1..T-1 and signal: h, signal, AUC with interval, n_correct, n_wrong.

    Of the restricted set: the decoded answer is wrong at h (our reading). `updates`: those of one
    segment.
    """
    unit, rows = units(df), []
    for h in range(1, segments(df)):
        wrong = ~df[f"correct_{h:02d}"].to_numpy()
        for signal, score in signals_at(df, h, updates).items():
            found = auc_row(score[wrong], df.correct[wrong], unit[wrong])
            rows.append({"h": h, "signal": signal, **found})
    return pd.DataFrame(rows)
