"""What the states of long rollouts do in the end: rest, go round a cycle, part from their neighbours, or move in another way.

From the study `recurrence` alone (256 segments, its last 64 kept); like :mod:`rrm_core.analysis.fates`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells
from rrm_core.analysis import fates as findings
from rrm_core.analysis.stats import Estimate, few, proportion, unmeasured
from rrm_core.runs.tables import Run

END = "256"  # segments run
PARTING = 0.025  # nats a segment: above it a distance between neighbours more than quadruples in the 64 segments that are counted
MOTIONS = ("at rest", "on a cycle", "regular", "parting")


def motions(run: Run, table: pd.DataFrame, above: float = PARTING) -> pd.DataFrame:
    """`table` (study `recurrence`) with ``motion``, one of :data:`MOTIONS`, and ``growth_016``, the run's growth over 16 segments, nats per segment.

    At rest: late drift below the run's Otsu threshold. On a cycle: it moves, and comes back to within that threshold after 2 to 64 segments.
    Parting: neither, and a tangent grows by more than `above`. Regular: none of these, so longer cycles and quasi-periodic motion.
    """
    otsu, end = (
        cells.band_of(run).otsu,
        {name: table[f"{name}_{END}"] for name in ("late", "return", "growth")},
    )
    motion = np.select(
        [end["late"] < otsu, end["return"] < otsu, end["growth"] > above],
        ["at rest", "on a cycle", "parting"],
        "regular",
    )
    early = (
        run.table.set_index("idx").lambda_1.loc[table.idx].to_numpy("float64")
        * run.updates_per_segment
    )
    return table.assign(
        motion=motion, growth_016=early, outcome=cells.outcomes(table.correct_in_table)
    )


def told(made: list[tuple[Run, pd.DataFrame]]) -> list[tuple[Run, pd.DataFrame]]:
    """Those of `made` (runs with their study) whose run has a threshold: without one nothing rests, so nothing moves."""
    return [(run, table) for run, table in made if not np.isnan(cells.band_of(run).otsu)]


def moving(run: Run, table: pd.DataFrame, above: float = PARTING) -> pd.DataFrame:
    """The failures of `table` that fail by moving: wrong at 16 and at the end, and not at rest there; with ``motion``."""
    return motions(run, table, above).query(
        f"outcome == 'wrong' and not correct_{END} and motion != 'at rest'"
    )


def counted(made: list[tuple[Run, pd.DataFrame]]) -> pd.DataFrame:
    """One row a run, outcome at 16 and motion: run, outcome, motion, n, of, share; `made`: each run with its study; a run without a threshold has none."""
    rows = []
    for run, table in told(made):
        for outcome, part in motions(run, table).groupby("outcome"):
            n = part.motion.value_counts()
            rows += [
                {
                    "run": run.name,
                    "outcome": outcome,
                    "motion": name,
                    "n": int(n.get(name, 0)),
                    "of": len(part),
                    "share": n.get(name, 0) / len(part),
                }
                for name in MOTIONS
            ]
    return pd.DataFrame(rows)


def attracted(run: Run) -> Estimate:
    """Share of the failures followed that are still wrong at the end and rest there, or go round a cycle: in the hold of an attractor."""
    table = findings.study(run, "recurrence")
    if table is None:
        return findings.missing("recurrence")
    if not told([(run, table)]):
        return unmeasured(len(table), "", "no threshold on late drift")
    failed = motions(run, table).query("outcome == 'wrong'")
    held = failed.motion.isin(["at rest", "on a cycle"]) & ~failed[f"correct_{END}"]
    return few(len(failed), "Clopper-Pearson") or proportion(int(held.sum()), len(failed))


def parting(run: Run, above: float = PARTING, table: pd.DataFrame | None = None) -> Estimate:
    """Share of the failures that are still wrong and moving whose neighbours part: a tangent grows by more than `above` nats a segment."""
    table = findings.study(run, "recurrence") if table is None else table
    if table is None:
        return findings.missing("recurrence")
    if not told([(run, table)]):
        return unmeasured(len(table), "", "no threshold on late drift")
    found = moving(run, table, above).motion
    return few(len(found), "Clopper-Pearson", "failures still wrong and moving") or proportion(
        int((found == "parting").sum()), len(found)
    )
