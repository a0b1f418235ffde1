"""When the signal exists: what h segments tell of the outcome at 16 (paper section 3.3).

lambda1@h is the largest cumulative growth over segments 1..h per update, drift@h and q_halt@h are
those of segment h alone; more drift and more q_halt count as hopeful, and so does a lower exponent.
"""

from __future__ import annotations

import pandas as pd

from rrm_core.analysis.stats import auc_row, units
from rrm_core.runs.tables import SEGMENTS, signals_at


def early_window(df: pd.DataFrame, updates: int, h: int = 4) -> pd.DataFrame:
    """One row a signal: h, signal, AUC with interval, n_correct, n_wrong, of the restricted set.

    Restricted: the decoded answer is wrong at h (our reading). `updates`: those of one segment.
    """
    wrong = ~df[f"correct_{h:02d}"]
    unit, correct = units(df)[wrong], df.correct[wrong]
    signals = signals_at(df, h, updates).items()
    rows = [{"h": h, "signal": s, **auc_row(score[wrong], correct, unit)} for s, score in signals]
    return pd.DataFrame(rows)


def horizons(df: pd.DataFrame, updates: int) -> pd.DataFrame:
    """Rows of :func:`early_window` for h = 1..15."""
    return pd.concat([early_window(df, updates, h) for h in range(1, SEGMENTS)], ignore_index=True)
