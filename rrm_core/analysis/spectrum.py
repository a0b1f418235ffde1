"""The whole spectrum: what each of the K exponents tells of the outcome (paper section 3.1)."""

from __future__ import annotations

import pandas as pd

from rrm_core.analysis.stats import auc_row, units
from rrm_core.runs.tables import exponents


def spectrum(df: pd.DataFrame) -> pd.DataFrame:
    """One row an exponent: i, AUC of -lambda_i, medians of successes and of failures, their gap."""
    names = {i: f"lambda_{i}" for i in range(1, exponents(df) + 1)}
    unit = units(df)
    out = pd.DataFrame([auc_row(-df[name], df.correct, unit, i=i) for i, name in names.items()])
    medians = df[list(names.values())].astype("float64").groupby(df.correct).median()
    good, bad = (medians.reindex([side]).to_numpy().ravel() for side in (True, False))
    return out.assign(median_correct=good, median_wrong=bad, gap=good - bad)
