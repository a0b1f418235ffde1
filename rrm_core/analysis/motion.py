"""What states do in the end: rest, go round a cycle, part from their neighbours, or move otherwise.

From the study `recurrence` alone (256 segments, its last 64 kept).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, fates, stats
from rrm_core.analysis.stats import Estimate, few, unmeasured
from rrm_core.runs.tables import Run

PARTING = 0.025  # nats a segment: above it a distance more than quadruples in 64 segments
MOTIONS = ("at rest", "on a cycle", "regular", "parting")
KINDS = ("solved", *MOTIONS)  # of what failed at segment 16


def motions(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """`table` (study `recurrence`) with ``motion``, one of :data:`MOTIONS`, and ``outcome`` at 16.

    At rest: late drift below the run's Otsu threshold. On a cycle: it moves, and comes back to
    within that threshold after 2 to 64 segments. Parting: neither, and a tangent grows by more than
    :data:`PARTING`. Regular: none of these, so longer cycles and quasi-periodic motion.
    """
    otsu = cells.band_of(run).otsu
    rules = [table.late_256 < otsu, table.return_256 < otsu, table.growth_256 > PARTING]
    motion = np.select(rules, ["at rest", "on a cycle", "parting"], "regular")
    return table.assign(motion=motion, outcome=cells.outcomes(table.correct_in_table))


def counted(made: list[tuple[Run, pd.DataFrame]]) -> pd.DataFrame:
    """One row a run, outcome and motion: run, outcome, motion, n, of, share.

    A failure that is right in the end counts as "solved", whatever it does. `made`: runs with their
    study; those without a threshold, where nothing rests, are left out.
    """
    parts = [pd.DataFrame()]
    for run, table in made:
        if not np.isnan(cells.band_of(run).otsu):
            found = motions(run, table)
            solved = (found.outcome == "wrong") & found.correct_256
            kinds = found.motion.mask(solved, "solved")
            n = pd.crosstab(found.outcome, kinds).reindex(columns=KINDS, fill_value=0)
            n = n.stack().rename("n").reset_index()
            of = n.groupby("outcome").n.transform("sum")
            parts.append(n.assign(of=of, share=n.n / of, run=run.name))
    return pd.concat(parts, ignore_index=True)


def failed(run: Run) -> pd.DataFrame | Estimate:
    """The failures that the study followed, with ``motion`` and ``unit``, or why there are none."""
    table = fates.study(run, "recurrence")
    if table is None:
        return fates.missing("recurrence")
    if np.isnan(cells.band_of(run).otsu):
        return unmeasured(len(table), "", "no threshold on late drift")
    unit = stats.units(run.table, table.idx)
    return motions(run, table.assign(unit=unit)).query("outcome == 'wrong'")


def attracted(run: Run) -> Estimate:
    """Share of the failures that are still wrong at the end and rest there, or go round a cycle."""
    found = failed(run)
    if isinstance(found, Estimate):
        return found
    held = found.motion.isin(["at rest", "on a cycle"]) & ~found.correct_256
    return few(len(found), "Clopper-Pearson") or stats.share(held, found.unit)


def parting(run: Run) -> Estimate:
    """Share of the failures that are still wrong and moving whose neighbours part."""
    found = failed(run)
    if isinstance(found, Estimate):
        return found
    moving = found.query("not correct_256 and motion != 'at rest'")
    refused = few(len(moving), "Clopper-Pearson", "failures still wrong and moving")
    return refused or stats.share(moving.motion == "parting", moving.unit)
