"""What states do in the end: rest, go round a cycle, part from their neighbours, or move otherwise.

From the study `recurrence` alone (256 segments, its last 64 kept).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, fates, stats
from rrm_core.analysis.stats import Estimate, few, unmeasured
from rrm_core.runs.tables import Run

END = "256"  # segments run
PARTING = (
    0.025  # nats a segment: above it a distance more than quadruples in the 64 segments counted
)
MOTIONS = ("at rest", "on a cycle", "regular", "parting")


def motions(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """`table` (study `recurrence`) with ``motion``, one of :data:`MOTIONS`, and ``outcome`` at 16.

    At rest: late drift below the run's Otsu threshold. On a cycle: it moves, and comes back to
    within that threshold after 2 to 64 segments. Parting: neither, and a tangent grows by more than
    :data:`PARTING`. Regular: none of these, so longer cycles and quasi-periodic motion.
    """
    otsu = cells.band_of(run).otsu
    late, back, growth = (table[f"{name}_{END}"] for name in ("late", "return", "growth"))
    motion = np.select(
        [late < otsu, back < otsu, growth > PARTING], [*MOTIONS[:2], "parting"], "regular"
    )
    return table.assign(motion=motion, outcome=cells.outcomes(table.correct_in_table))


def told(made: list[tuple[Run, pd.DataFrame]]) -> list[tuple[Run, pd.DataFrame]]:
    """Those of `made` (runs with their study) that have a threshold: without one nothing rests."""
    return [(run, table) for run, table in made if not np.isnan(cells.band_of(run).otsu)]


def counted(made: list[tuple[Run, pd.DataFrame]]) -> pd.DataFrame:
    """One row a run, outcome and motion: run, outcome, motion, n, of, share."""
    parts = []
    for run, table in told(made):
        found = motions(run, table)
        n = pd.crosstab(found.outcome, found.motion).reindex(columns=list(MOTIONS), fill_value=0)
        long = n.stack().rename("n").reset_index()
        long["of"] = long.outcome.map(n.sum(axis=1))
        parts.append(long.assign(share=long.n / long.of).assign(run=run.name))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def failed(run: Run) -> pd.DataFrame | Estimate:
    """The failures that the study `recurrence` followed, with ``motion``, or why there are none."""
    table = fates.study(run, "recurrence")
    if table is None:
        return fates.missing("recurrence")
    if not told([(run, table)]):
        return unmeasured(len(table), "", "no threshold on late drift")
    return motions(run, table).query("outcome == 'wrong'")


def attracted(run: Run) -> Estimate:
    """Share of the failures that are still wrong at the end and rest there, or go round a cycle."""
    found = failed(run)
    if isinstance(found, Estimate):
        return found
    held = found.motion.isin(["at rest", "on a cycle"]) & ~found[f"correct_{END}"]
    unit = stats.units(run.table, found.idx)
    return few(len(found), "Clopper-Pearson") or stats.share(held, unit)


def parting(run: Run) -> Estimate:
    """Share of the failures that are still wrong and moving whose neighbours part."""
    found = failed(run)
    if isinstance(found, Estimate):
        return found
    moving = found.query(f"not correct_{END} and motion != 'at rest'")
    unit = stats.units(run.table, moving.idx)
    refused = few(len(moving), "Clopper-Pearson", "failures still wrong and moving")
    return refused or stats.share(moving.motion == "parting", unit)
