"""The whole spectrum: the AUC of each exponent and of three aggregates (paper section 3.1)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis.stats import NAN, auc_row
from rrm_core.runs.tables import K, exponents


def spectrum(df: pd.DataFrame) -> pd.DataFrame:
    """One row an exponent: i, AUC of -lambda_i for correct with interval, median of successes and of failures, their gap."""
    correct = df.correct.to_numpy()
    rows = []
    for i in range(1, exponents(df) + 1):
        values = df[f"lambda_{i}"].to_numpy("float64")
        good, bad = (float(np.median(values[m])) if m.any() else NAN for m in (correct, ~correct))
        rows.append(
            auc_row(-values, correct, i=i)
            | {"median_correct": good, "median_wrong": bad, "gap": good - bad}
        )
    return pd.DataFrame(rows)


def aggregates(df: pd.DataFrame) -> pd.DataFrame:
    """AUC of minus lambda_1, minus the spectral mean, minus the sum of positive exponents; the last two want all K exponents."""
    values = df[[f"lambda_{i}" for i in range(1, exponents(df) + 1)]].to_numpy("float64")
    scores = {
        "lambda_1": values[:, 0],
        "spectral mean": values.mean(1),
        "sum of positive exponents": values.clip(min=0).sum(1),
    }
    out = pd.DataFrame(
        [auc_row(-score, df.correct, aggregate=name) for name, score in scores.items()]
    )
    if values.shape[1] < K:
        out.loc[1:, ["auc", "low", "high"]] = NAN
        out.loc[1:, "reason"] = f"{values.shape[1]} of {K} exponents measured"
    return out
