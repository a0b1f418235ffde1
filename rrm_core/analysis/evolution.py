"""Along the training: cells and exponents from checkpoint to checkpoint (paper section 3.4).

Growth is in nats a segment. Each checkpoint has its own Otsu threshold, as in the paper.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, stats
from rrm_core.analysis.fates import missing, study
from rrm_core.analysis.stats import SMALLEST, Estimate, few, unmeasured
from rrm_core.runs.tables import Run

CHANGES = {"D": {"D": 1}, "A": {"A": 1}, "D - A": {"D": 1, "A": -1}, "D + A": {"D": 1, "A": 1}}


def evolution(run: Run, table: pd.DataFrame, by: tuple[str, ...] = ("step",)) -> pd.DataFrame:
    """One row a checkpoint: n, accuracy, A to D, band, growth of groups (medians), AUC of -λ1.

    "growth A", "growth correct" and so on are NaN below five puzzles.
    """
    rows = []
    for labels, part in table.groupby(list(by), sort=False):
        found, band = cells.at_otsu(part)
        growth = part.lambda_1.astype("float64") * run.updates_per_segment
        groups = {name: cells.outcomes(part.correct) == name for name in ("correct", "wrong")}
        groups |= {cell: found == cell for cell in "AD"}
        row = dict(zip(by, labels, strict=True)) | {"n": len(part), "accuracy": part.correct.mean()}
        row |= cells.count(found) | {"band": band.exists}
        for name, at in groups.items():
            row[f"growth {name}"] = growth[at].median() if at.sum() >= 5 else np.nan
        unit = stats.units(run.table, part.idx)
        rows.append(row | {"AUC": str(stats.auc(-growth, part.correct, unit))})
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
        there = run.meta.get("checkpoints") or run.meta.get("checkpoints_elsewhere")
        none = unmeasured(0, "bootstrap", "no checkpoint is kept (`rrm checkpoints`)")
        return missing("evolution") if there else none
    able = []
    for _, part in table.groupby("step"):
        found, band = cells.at_otsu(part)
        if band.exists and min((found == c).sum() for c in "AD") >= SMALLEST:
            able.append(part.assign(cell=found).set_index("idx"))
    if len(able) < 2:
        kind = f"of the two checkpoints needed with a band and {SMALLEST} puzzles in A and in D"
        return unmeasured(0, "bootstrap", f"{len(able)} {kind}")
    first, last = able[0], able[-1].loc[able[0].index]
    unit = stats.units(run.table, first.index)
    weights, used = stats.counts(unit.max() + 1)[:, unit], np.zeros(len(unit), bool)
    value, drawn = 0.0, np.zeros(len(weights))
    for part, end in ((last, 1), (first, -1)):
        growth = part.lambda_1.to_numpy("float64") * run.updates_per_segment
        for cell, sign in CHANGES[of].items():
            at = (part.cell == cell).to_numpy()
            value += end * sign * np.median(growth[at])
            drawn += end * sign * drawn_medians(growth[at], weights[:, at])
            used |= at
    return stats.drawn(value, drawn, int(used.sum()), "bootstrap, paired by puzzle", unit[used])


def drawn_medians(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(R,) lower medians of `values` (B,), counted as `weights` (R, B) say; NaN of none."""
    order = np.argsort(values, kind="stable")
    below = weights[:, order].cumsum(1)
    found = values[order][(below >= below[:, -1:] / 2).argmax(1)]
    return np.where(below[:, -1] > 0, found, np.nan)


def through_failures(run: Run) -> Estimate:
    """Where the gap between D and A clearly widens: by how much more D rises than A falls."""
    gap = training_change(run, "D - A")
    if gap.low > 0:
        return training_change(run, "D + A")
    return unmeasured(gap.n, gap.method, gap.reason or f"the gap does not clearly widen: {gap}")


def multi4_last(run: Run, arm: str) -> pd.DataFrame | Estimate:
    """Rows of an arm, with ``cell``, after the last step of the multi4 study, or why not."""
    table = study(run, "multi4")
    if table is None:
        return missing("multi4")
    part = table[(table.arm == arm) & (table.step == table.step.max())].set_index("idx")
    found, band = cells.at_otsu(part)
    reason = f"no band after the last step of {arm}"
    return part.assign(cell=found) if band.exists else unmeasured(0, "bootstrap", reason)


def multi4_d_mass(run: Run) -> Estimate:
    """Share of cell D under multi4 minus that under plain training, the same puzzles and steps."""
    plain, multi4 = multi4_last(run, "plain"), multi4_last(run, "multi4")
    if isinstance(plain, Estimate):
        return plain
    if isinstance(multi4, Estimate):
        return multi4
    change = (multi4.cell == "D").astype(float) - (plain.cell == "D")
    return stats.mean(change.to_numpy(), unit=stats.units(run.table, change.index))


def multi4_growth_a(run: Run) -> Estimate:
    """Median growth of cell A under multi4, last step."""
    rows = multi4_last(run, "multi4")
    if isinstance(rows, Estimate):
        return rows
    inside = rows[rows.cell == "A"]
    values, unit = inside.lambda_1 * run.updates_per_segment, stats.units(run.table, inside.index)
    return few(len(values), "Woodruff", "in cell A") or stats.median(values, unit)
