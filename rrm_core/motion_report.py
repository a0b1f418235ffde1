"""What the states of long rollouts do in the end: rest, go round a cycle, part from their neighbours, or move in another way.

From the study `recurrence` (after 256 segments) alone. Like :mod:`rrm_core.study_report`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core import cells, stats
from rrm_core.report import HERE
from rrm_core.study_report import Made, joined
from rrm_core.tables import Run

END = "256"  # segments run
PARTING = 0.025  # nats a segment: above it a distance between neighbours more than quadruples in the 64 segments that are counted
MOTIONS = ("at rest", "on a cycle", "regular", "parting")


def motions(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """`table` (study `recurrence`) with ``motion``, one of :data:`MOTIONS`, and ``growth_016``, the run's growth over 16 segments, nats per segment.

    At rest: late drift below the run's Otsu threshold. On a cycle: it moves, and comes back to within that threshold after 2 to 64 segments.
    Parting: neither, and a tangent grows by more than :data:`PARTING`. Regular: none of these, so longer cycles and quasi-periodic motion.
    """
    otsu, end = cells.band_of(run).otsu, {name: table[f"{name}_{END}"] for name in ("late", "return", "growth")}
    motion = np.select([end["late"] < otsu, end["return"] < otsu, end["growth"] > PARTING], ["at rest", "on a cycle", "parting"], "regular")
    early = run.table.set_index("idx").lambda_1.loc[table.idx].to_numpy("float64") * run.updates_per_segment
    return table.assign(motion=motion, growth_016=early, outcome=cells.outcomes(table.correct_in_table))


def counted(made: Made) -> pd.DataFrame:
    """One row a run, outcome at 16 and motion: run, outcome, motion, n, of, share."""
    rows = []
    for run, table in made:
        for outcome, part in motions(run, table).groupby("outcome"):
            n = part.motion.value_counts()
            rows += [{"run": run.name, "outcome": outcome, "motion": name, "n": int(n.get(name, 0)), "of": len(part), "share": n.get(name, 0) / len(part)} for name in MOTIONS]
    return pd.DataFrame(rows)


def motions_table(made: Made) -> pd.DataFrame:
    """Shares of each motion with exact intervals, the median length of the cycles, and the median growth of the regular and of the parting."""
    rows = []
    for run, table in made:
        for outcome, part in motions(run, table).groupby("outcome", sort=False):
            of = {name: part[part.motion == name] for name in MOTIONS}
            row = {"run": run.name, "source": HERE, "at 16": outcome, "n": len(part)} | {name: f"{stats.proportion(len(found), len(part)):.0%}" for name, found in of.items()}
            row |= {"segments a cycle": of["on a cycle"][f"lag_{END}"].median()}
            rows.append(row | {f"growth, {name}": of[name][f"growth_{END}"].median() for name in ("regular", "parting")})
    return pd.DataFrame(rows) if rows else joined([])


def motion_sentence(run: Run, table: pd.DataFrame) -> str:
    """How many of a run's failures still move, in which way, and whether their growth over 16 segments had told; Markdown."""
    failed = motions(run, table).query("outcome == 'wrong'")
    moving = failed[failed.motion != "at rest"]
    if moving.empty:
        return f"**{run.name}**: none of {len(failed)} failures still moves."
    n = {name: int((moving.motion == name).sum()) for name in MOTIONS[1:]}
    text = f"**{run.name}**: of {len(failed)} failures {len(moving)} still move: {n['on a cycle']} on a cycle, {n['regular']} regular, {n['parting']} parting from their neighbours ({stats.proportion(n['parting'], len(moving)):.0%} of those that move)."
    parting = failed.motion == "parting"
    calm, told = failed[~parting], stats.auc(failed.growth_016, parting)
    if calm.empty:
        return text
    text += f" Of the {len(calm)} that do not part in the end, {int((calm.growth_016 > 0).sum())} had tangents that grew over the first 16 segments."
    return text if np.isnan(told.value) else text + f" AUC of that early growth for parting in the end: {told:.2f}."
