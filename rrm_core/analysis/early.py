"""When the signal exists: what h segments tell of the outcome at 16 (paper section 3.3).

lambda1@h is the largest cumulative growth over segments 1..h per update, drift@h and q_halt@h are
those of segment h alone; more drift and more q_halt count as hopeful, and so does a lower exponent.
"""

from __future__ import annotations

import pandas as pd

from rrm_core.analysis.fates import study
from rrm_core.analysis.stats import auc_row, units
from rrm_core.runs.tables import Run, segments, signals_at


def horizons(df: pd.DataFrame, updates: int) -> pd.DataFrame:
    """One row a horizon h = 1..T-1 and signal: h, signal, AUC with interval, n_correct, n_wrong.

    Of the restricted set: the decoded answer is wrong at h (our reading). `updates`: those of one
    segment.
    """
    unit, rows = units(df), []
    for h in range(1, segments(df)):
        wrong = ~df[f"correct_{h:02d}"].to_numpy()
        for signal, score in signals_at(df, h, updates).items():
            found = auc_row(score[wrong], df.correct[wrong], unit[wrong])
            rows.append({"h": h, "signal": signal, **found})
    return pd.DataFrame(rows)


def frames(run: Run, at: tuple[int, ...] = (4, 6)) -> pd.DataFrame:
    """AUC of early growth by start frame, one row a frame and horizon h, as in ``horizons``.

    Of the study `frames`, whose puzzles are wrong after segment 4: frame 0 is the run's own, "mean"
    the mean growth over all of them. Empty without the study.
    """
    table, rows = study(run, "frames"), []
    if table is None:
        return pd.DataFrame()
    known = run.table.set_index("idx")
    growth = table.set_index(["frame", "idx"]).filter(like="growth_1_").cumsum(axis=1)
    drawn = {name: part.droplevel(0) for name, part in growth.groupby(level=0)}
    drawn |= {"mean": growth.groupby(level=1).mean()}
    for name, part in drawn.items():
        for h in at:
            wrong = part.index[~known[f"correct_{h:02d}"][part.index]]
            score = -part[f"growth_1_{h:02d}"][wrong].to_numpy()
            found = auc_row(score, known.correct[wrong].to_numpy(), units(run.table, wrong))
            rows.append({"frame": str(name), "h": h, **found})
    return pd.DataFrame(rows)
