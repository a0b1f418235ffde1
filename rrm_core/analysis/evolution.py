"""Along the training: cells and exponents from checkpoint to checkpoint (paper section 3.4).

Growth is in nats a segment. Each checkpoint has its own Otsu threshold, as in the paper.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, stats
from rrm_core.analysis.fates import missing, study
from rrm_core.analysis.stats import SMALLEST, TAILS, Estimate, counted, few, unmeasured
from rrm_core.runs.tables import Run

CHANGES = {"D": {"D": 1}, "A": {"A": 1}, "D - A": {"D": 1, "A": -1}, "D + A": {"D": 1, "A": 1}}


def with_cells(table: pd.DataFrame) -> tuple[pd.DataFrame, cells.Band]:
    """One checkpoint's rows with ``cell`` at its own Otsu threshold, and its band."""
    found, band = cells.at_otsu(table)
    return table.assign(cell=found), band


def evolution(table: pd.DataFrame, updates: int, by: tuple[str, ...] = ("step",)) -> pd.DataFrame:
    """One row a checkpoint: n, accuracy, A to D, band, growth of groups, and of all, AUC of -λ1.

    "growth correct", "growth A" and so on are medians, "mean growth ..." means; NaN below five
    puzzles.
    """
    rows = []
    for labels, part in table.groupby(list(by), sort=False):
        part, band = with_cells(part)
        growth = part.lambda_1.astype("float64") * updates
        groups = growth.groupby(cells.outcomes(part.correct)), growth.groupby(part.cell)
        enough = [g.agg(["median", "mean", "size"]).query("size >= 5") for g in groups]
        found = pd.concat(enough)
        row = dict(zip(by, labels, strict=True)) | {"n": len(part), "accuracy": part.correct.mean()}
        row |= cells.count(part.cell) | {"band": band.exists}
        row |= {f"growth {g}": found["median"].get(g, np.nan) for g in ("correct", "wrong", *"AD")}
        row |= {f"mean growth {g}": found["mean"].get(g, np.nan) for g in ("correct", "wrong")}
        row |= {"mean growth": growth.mean(), "standard deviation": growth.std(ddof=0)}
        rows.append(row | {"AUC": str(stats.auc(-growth, part.correct))})
    return pd.DataFrame(rows)


def training_change(run: Run, of: str = "D") -> Estimate:
    """Change of the median growth of cells between the first and last checkpoint that can carry it.

    A checkpoint can where it has a band and at least 20 puzzles in each of A and D.
    `of` is one of :data:`CHANGES`, and resamples are of puzzles, the same at both ends: "D - A" is
    the gap between the cells; "D + A" is above zero where D rises by more than A falls, so where
    the failures do more for the gap than the successes.
    """
    table = study(run, "evolution")
    if table is None:
        return missing("evolution")
    able = []
    for _, part in table.groupby("step"):
        part, band = with_cells(part)
        if band.exists and min((part.cell == c).sum() for c in "AD") >= SMALLEST:
            able.append(part.set_index("idx"))
    if len(able) < 2:
        kind = f"with a band and {SMALLEST} puzzles in A and in D"
        reason = f"{len(able)} of the two checkpoints needed {kind}"
        return unmeasured(0, "bootstrap", reason)
    first, last = able[0], able[-1].loc[able[0].index]
    unit = stats.units(run.table, first.index)
    weights, value, drawn, n = stats.draws(unit), 0.0, 0.0, 0
    for part, end in ((last, 1), (first, -1)):
        growth = part.lambda_1.to_numpy("float64") * run.updates_per_segment
        for cell, sign in CHANGES[of].items():
            at = (part.cell == cell).to_numpy()
            value += end * sign * np.median(growth[at])
            drawn += end * sign * stats.drawn_medians(growth[at], weights[:, at])
            n += int(at.sum())
    low, high = np.percentile(drawn, TAILS)
    method = counted("bootstrap, paired by puzzle", len(first), unit)
    return Estimate(float(value), float(low), float(high), n, method)


def through_failures(run: Run) -> Estimate:
    """Where the gap between D and A clearly widens: by how much more D rises than A falls."""
    gap = training_change(run, "D - A")
    if gap.low > 0:
        return training_change(run, "D + A")
    reason = gap.reason or f"the gap does not clearly widen: {gap}"
    return unmeasured(gap.n, gap.method, reason)


def multi4_last(run: Run, arms: tuple[str, ...]) -> dict[str, pd.DataFrame] | Estimate:
    """{arm: rows with cells} after the last step of the multi4 study, or why there is none."""
    table = study(run, "multi4")
    if table is None:
        return missing("multi4")
    last = table[table.step == table.step.max()]
    found = {arm: with_cells(last[last.arm == arm].set_index("idx")) for arm in arms}
    without = [arm for arm, (_, band) in found.items() if not band.exists]
    if without:
        return unmeasured(0, "bootstrap", f"no band after the last step of {' and '.join(without)}")
    return {arm: rows for arm, (rows, _) in found.items()}


def multi4_d_mass(run: Run) -> Estimate:
    """Share of cell D under multi4 minus that under plain training, the same puzzles and steps."""
    arms = multi4_last(run, ("plain", "multi4"))
    if isinstance(arms, Estimate):
        return arms
    in_d = {arm: (rows.cell == "D").astype(float) for arm, rows in arms.items()}
    change = in_d["multi4"] - in_d["plain"]
    return stats.mean(change.to_numpy(), unit=stats.units(run.table, change.index))


def multi4_growth_a(run: Run) -> Estimate:
    """Median growth of cell A under multi4, last step."""
    arms = multi4_last(run, ("multi4",))
    if isinstance(arms, Estimate):
        return arms
    inside = arms["multi4"].query("cell == 'A'").lambda_1.astype("float64")
    values, unit = inside.to_numpy() * run.updates_per_segment, stats.units(run.table, inside.index)
    return few(len(values), "bootstrap", "in cell A") or stats.median(values, unit)
