"""Every measure and every claim on every run, in one table that chapters read."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, norm

from rrm_core.analysis.claims import judged
from rrm_core.analysis.measures import measured
from rrm_core.analysis.stats import Z
from rrm_core.runs.tables import Run


def estimates(runs: Iterable[Run]) -> pd.DataFrame:
    """One row a run and claim (:func:`rrm_core.analysis.claims.judged`), and one a measure without.

    Measures that no claim rests on have no id. ``q`` is the p of a direction (:func:`p_value`)
    after Benjamini & Hochberg over all these rows and runs: the share of false ones among those
    below it.
    """
    table = pd.concat([part for run in runs for part in (judged(run), unclaimed(run))])
    table = table.assign(q=p_value(table)).reset_index(drop=True)
    tested = table.q.notna()
    table.loc[tested, "q"] = false_discovery_control(table.q[tested])
    return table


def unclaimed(run: Run) -> pd.DataFrame:
    """One row a measure that no claim rests on: run, measure and its estimate."""
    claimed = set(judged(run).measure)
    rest = {name: e for name, e in measured(run).items() if name not in claimed}
    found = pd.DataFrame(list(rest.values())).assign(measure=list(rest), run=run.name)
    return found


def p_value(table: pd.DataFrame) -> pd.Series:
    """Two-sided p of each direction, from its interval on the side of the null; NaN elsewhere.

    0.05 where the bound stands on the null; the error is taken for normal, as far as the interval.
    """
    off = table.value - table.null
    half = np.where(off > 0, table.value - table.low, table.high - table.value)
    p = 2 * norm.sf(Z * off.abs() / np.where(half > 0, half, np.nan))
    return pd.Series(p, table.index).where((table.rule == "direction") & table.value.notna())


def by_measure(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run and measure: run, measure, verdict; the worst of the rows that rest on it."""
    order = (
        "fails",
        "differs",
        "too few to hold",
        "undecided",
        "holds",
        "agrees",
        "cannot be measured",
    )
    told = table.dropna(subset=["verdict"])
    rank = told.verdict.map(order.index)
    return told.loc[rank.groupby([told.run, told.measure]).idxmin(), ["run", "measure", "verdict"]]
