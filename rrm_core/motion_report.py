"""What failures do in the end, at rest, on a cycle, parting or regular: tables and sentences. Like :mod:`rrm_core.study_report`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core import fate_report, findings, motion, report, stats
from rrm_core.report import HERE
from rrm_core.stats import proportion
from rrm_core.study_report import Made, joined
from rrm_core.tables import Run


def motions_table(made: Made) -> pd.DataFrame:
    """Shares of each motion with exact intervals, how many at rest are right, the median length of the cycles, and the median growth of the regular and of the parting."""
    rows = []
    for run, table in motion.told(made):
        for outcome, part in motion.motions(run, table).groupby("outcome", sort=False):
            of = {name: part[part.motion == name] for name in motion.MOTIONS}
            row = {"run": run.name, "source": HERE, "at 16": outcome, "n": len(part)} | {name: f"{proportion(len(found), len(part)):.0%}" for name, found in of.items()}
            rest = of["at rest"][f"correct_{motion.END}"]
            row |= {"right, of those at rest": f"{rest.mean():.0%}" if len(rest) else "–", "segments in a cycle": of["on a cycle"][f"lag_{motion.END}"].quantile(0.5, "lower")}
            rows.append(row | {f"growth, {name}": of[name][f"growth_{motion.END}"].median() for name in ("regular", "parting")})
    return pd.DataFrame(rows) if rows else joined([])


def motions_sentence(runs: list[Run]) -> str:
    """In which of `runs` and their repeats what still moves after the long rollout wanders, neighbours parting, and in which it goes round regularly; Markdown, empty where none can tell."""
    found = {run.name: motion.parting(run) for run in fate_report.all_trained(runs)}
    told = [f"{e.value:.0%} {report.interval(e.low, e.high, '.0%')} in `{name}` ({e.n})" for name, e in found.items() if not np.isnan(e.value)]
    if not told:
        return ""
    return (
        f"And to move is not yet to wander. Of the failures that are still wrong and moving after {motion.END} segments, counted where at least {findings.SMALLEST} of those followed are, neighbours part in "
        f"{', '.join(told)}; the others go round cycles, or move in a regular way that lets no neighbours part ([section 4](../notebooks/4_prior_accounts.md))."
    )


def parting_sentence(runs: list[Run]) -> str:
    """How far the share that parts depends on where the threshold on growth stands; Markdown, empty where no run can tell."""
    shares = {run.name: [motion.parting(run, factor * motion.PARTING).value for factor in (0.5, 1, 2)] for run in runs}
    told = [f"{low:.0%}, {here:.0%}, {high:.0%} in `{name}`" for name, (low, here, high) in shares.items() if not np.isnan(here)]
    return f"With the threshold on growth halved, as it is, and doubled, the share that parts of the failures still wrong and moving is {'; '.join(told)}." if told else ""


def motion_sentence(run: Run, table: pd.DataFrame) -> str:
    """How many of a run's failures still move, in which way, and whether their growth over 16 segments had told; Markdown."""
    if not motion.told([(run, table)]):
        return f"**{run.name}**: no threshold on late drift, so nothing can be said to rest or to move."
    failed, moving = motion.motions(run, table).query("outcome == 'wrong'"), motion.moving(run, table)
    if moving.empty:
        return f"**{run.name}**: none of {len(failed)} failures is still wrong and moving."
    n = {name: int((moving.motion == name).sum()) for name in motion.MOTIONS[1:]}
    text = f"**{run.name}**: of {len(failed)} failures {len(moving)} are still wrong and moving: {n['on a cycle']} on a cycle, {n['regular']} regular, {n['parting']} parting from their neighbours ({proportion(n['parting'], len(moving)):.0%})."
    right = int(failed[f"correct_{motion.END}"].sum())
    text += f" {right} have the right answer by then, {int((failed[f'correct_{motion.END}'] & (failed.motion != 'at rest')).sum())} of them in motion." if right else ""
    parting = failed.motion == "parting"
    calm, told = failed[~parting], stats.auc(failed.growth_016, parting)
    if calm.empty:
        return text
    text += f" Of the {len(calm)} that do not part in the end, {int((calm.growth_016 > 0).sum())} had tangents that grew over the first 16 segments."
    return text if np.isnan(told.value) else text + f" AUC of that early growth for parting in the end: {told:.2f}."
