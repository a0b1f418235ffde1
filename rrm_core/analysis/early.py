"""When the signal exists: what is known after h segments (paper section 3.3)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis.stats import auc_row
from rrm_core.runs.tables import log_drift, signals_at


def early_window(
    df: pd.DataFrame, updates_per_segment: int, h: int = 4, threshold: float | None = None
) -> pd.DataFrame:
    """One row a signal and subset: AUC for the outcome at 16 of what is known after `h` segments.

    Subsets: all puzzles; those whose decoded answer is wrong at h (the paper's restricted set, our reading); those not
    below the settled band at h, given a `threshold` on log10 drift. lambda1@h is the largest cumulative growth over
    segments 1..h per update, drift@h that of segment h alone. Source: paper section 3.3.
    """
    subsets = {
        "all": np.ones(len(df), dtype=bool),
        f"wrong at {h}": ~df[f"correct_{h:02d}"].to_numpy(),
    }
    if threshold is not None and np.isfinite(threshold):
        subsets[f"not settled at {h}"] = log_drift(df[f"drift_h_{h:02d}"].to_numpy()) >= threshold
    scores = signals_at(df, h, updates_per_segment)
    return pd.DataFrame(
        [
            auc_row(score[rows], df.correct.to_numpy()[rows], h=h, signal=name, subset=subset)
            for subset, rows in subsets.items()
            for name, score in scores.items()
        ]
    )
