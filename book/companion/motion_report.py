"""What failures do in the end, at rest, on a cycle, parting or regular: tables and sentences. Like :mod:`rrm_companion.study_report`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rrm_companion.report import HERE
from rrm_companion.study_report import Made, joined

from rrm_core.analysis import motion, stats
from rrm_core.analysis.stats import proportion


def motions_table(made: Made) -> pd.DataFrame:
    """Shares of each motion with exact intervals, how many at rest are right, the median length of the cycles, and the median growth of the regular and of the parting."""
    rows = []
    for run, table in motion.told(made):
        for outcome, part in motion.motions(run, table).groupby("outcome", sort=False):
            of = {name: part[part.motion == name] for name in motion.MOTIONS}
            row = {"run": run.name, "source": HERE, "at 16": outcome, "n": len(part)} | {
                name: f"{proportion(len(found), len(part)):.0%}" for name, found in of.items()
            }
            rest = of["at rest"][f"correct_{motion.END}"]
            row |= {
                "right, of those at rest": f"{rest.mean():.0%}" if len(rest) else "–",
                "segments in a cycle": of["on a cycle"][f"lag_{motion.END}"].quantile(0.5, "lower"),
            }
            rows.append(
                row
                | {
                    f"growth, {name}": of[name][f"growth_{motion.END}"].median()
                    for name in ("regular", "parting")
                }
            )
    return pd.DataFrame(rows) if rows else joined([])


def moving_table(made: Made) -> pd.DataFrame:
    """Of the failures followed, how many are right by the end, rest in a wrong place, or are still wrong and moving, and in which way.

    The share that parts (exact interval) also with the threshold on growth halved and doubled; and whether growth over the first 16 segments had
    told: how many of those that do not part had grown then, and the AUC of that growth for parting.
    """
    rows = []
    for run, table in motion.told(made):
        failed, moving = (
            motion.motions(run, table).query("outcome == 'wrong'"),
            motion.moving(run, table),
        )
        n, right = moving.motion.value_counts(), failed[f"correct_{motion.END}"]
        row = {
            "run": run.name,
            "source": HERE,
            "failures": len(failed),
            "right by then": int(right.sum()),
            "at rest, wrong": len(failed) - int(right.sum()) - len(moving),
            "still wrong and moving": len(moving),
        }
        row |= {name: int(n.get(name, 0)) for name in motion.MOTIONS[1:]}
        for name, factor in (("share that parts", 1), ("threshold halved", 0.5), ("doubled", 2)):
            share = motion.parting(run, factor * motion.PARTING, table)
            row[name] = (
                "–"
                if np.isnan(share.value)
                else f"{share:.0%}"
                if factor == 1
                else f"{share.value:.0%}"
            )
        parts = failed.motion == "parting"
        told = stats.auc(failed.growth_016, parts)
        row |= {
            "not parting, but grew over 16": f"{int((failed.growth_016[~parts] > 0).sum())} of {int((~parts).sum())}",
            "AUC of that growth": "–" if np.isnan(told.value) else f"{told:.2f}",
        }
        rows.append(row)
    return pd.DataFrame(rows) if rows else joined([])
