"""Along the training: how cells and exponents change from checkpoint to checkpoint (paper section 3.4)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, stats
from rrm_core.analysis.fates import missing, study
from rrm_core.analysis.stats import RESAMPLES, SMALLEST, Estimate, few, mean, unmeasured
from rrm_core.runs.tables import Run


def with_cells(table: pd.DataFrame) -> tuple[pd.DataFrame, cells.Band]:
    """One checkpoint's rows with ``cell`` at its own Otsu threshold, as the paper does, and its band."""
    found, band = cells.at_otsu(table)
    return table.assign(cell=found), band


def evolution(table: pd.DataFrame, updates: int, by: tuple[str, ...] = ("step",)) -> pd.DataFrame:
    """One row a checkpoint: n, accuracy, A-D, whether there is a band, median growth of groups and mean growth of all, of the right and of the wrong (NaN below 5)."""
    rows = []
    for labels, part in table.groupby(list(by), sort=False):
        part, band = with_cells(part)
        growth = part.lambda_1.to_numpy("float64") * updates
        row = dict(zip(by, labels, strict=True)) | {
            "n": len(part),
            "accuracy": part.correct.mean(),
            **cells.count(part.cell),
            "band": band.exists,
        }
        groups = {"correct": part.correct, "wrong": ~part.correct} | {
            c: part.cell == c for c in "AD"
        }
        row |= {
            f"growth {g}": float(np.median(growth[m])) if m.sum() >= 5 else np.nan
            for g, m in groups.items()
        }
        row |= {
            f"mean growth {g}": float(np.mean(growth[groups[g]]))
            if groups[g].sum() >= 5
            else np.nan
            for g in ("correct", "wrong")
        }
        rows.append(
            row
            | {
                "mean growth": growth.mean(),
                "standard deviation": growth.std(),
                "AUC": str(stats.auc(-growth, part.correct)),
            }
        )
    return pd.DataFrame(rows)


CHANGES = {"D": {"D": 1}, "A": {"A": 1}, "D - A": {"D": 1, "A": -1}, "D + A": {"D": 1, "A": 1}}


def training_change(run: Run, of: str = "D", banded: bool = True) -> Estimate:
    """Change of the median growth of cells (`of`: one of :data:`CHANGES`) between the first and last checkpoint that can carry it.

    A checkpoint can where it has at least 20 puzzles in each of A and D and, if `banded`, a band. "D - A" is the gap between the cells; "D + A" is
    above zero where D rises by more than A falls, so where the failures do more for the gap than the successes.
    """
    table = study(run, "evolution")
    if table is None:
        return missing("evolution")
    able = []
    for _, part in table.groupby("step"):
        part, band = with_cells(part)
        if (band.exists or not banded) and min((part.cell == c).sum() for c in "AD") >= SMALLEST:
            able.append(
                {
                    c: part.lambda_1[part.cell == c].to_numpy("float64") * run.updates_per_segment
                    for c in "AD"
                }
            )
    if len(able) < 2:
        return unmeasured(
            0,
            "bootstrap",
            f"{len(able)} checkpoint{'' if len(able) == 1 else 's'} with {'a band and ' if banded else ''}{SMALLEST} puzzles in A and in D; two are needed",
        )
    rng, signs = np.random.default_rng(0), CHANGES[of]

    def drawn(x: np.ndarray) -> np.ndarray:
        return np.median(rng.choice(x, (RESAMPLES, len(x))), axis=1)

    def level(group: dict, median) -> np.ndarray:
        return sum(sign * median(group[cell]) for cell, sign in signs.items())

    low, high = np.percentile(level(able[-1], drawn) - level(able[0], drawn), [2.5, 97.5])
    value = level(able[-1], np.median) - level(able[0], np.median)
    return Estimate(
        float(value),
        float(low),
        float(high),
        sum(len(g[cell]) for g in (able[0], able[-1]) for cell in signs),
        "bootstrap",
    )


def through_failures(run: Run, banded: bool = True) -> Estimate:
    """Where the gap between D and A clearly widens: by how much more D rises than A falls ("D + A" of :func:`training_change`)."""
    gap = training_change(run, "D - A", banded)
    if gap.low > 0 or np.isnan(gap.value):
        return gap if np.isnan(gap.value) else training_change(run, "D + A", banded)
    return unmeasured(gap.n, gap.method, f"the gap does not clearly widen: {gap}")


def multi4_last(run: Run, arms: tuple[str, ...]) -> dict[str, pd.DataFrame] | Estimate:
    """{arm: rows with cells} after the last step of the multi4 study; where an arm has no band, or there is no study, the reason."""
    table = study(run, "multi4")
    if table is None:
        return missing("multi4")
    last = {
        arm: with_cells(table[(table.step == table.step.max()) & (table.arm == arm)])
        for arm in arms
    }
    without = [arm for arm, (_, band) in last.items() if not band.exists]
    if without:
        return unmeasured(0, "bootstrap", f"no band after the last step of {' and '.join(without)}")
    return {arm: rows.set_index("idx") for arm, (rows, _) in last.items()}


def multi4_d_mass(run: Run) -> Estimate:
    """Share of cell D under multi4 minus that under plain training, the same puzzles and steps; paired bootstrap."""
    arms = multi4_last(run, ("plain", "multi4"))
    if isinstance(arms, Estimate):
        return arms
    both = (arms["multi4"].cell == "D").astype(float) - (arms["plain"].cell == "D").astype(float)
    return mean(both.to_numpy())


def multi4_growth_a(run: Run) -> Estimate:
    """Median growth of cell A under multi4, last step."""
    arms = multi4_last(run, ("multi4",))
    if isinstance(arms, Estimate):
        return arms
    values = (
        arms["multi4"].lambda_1[arms["multi4"].cell == "A"].to_numpy("float64")
        * run.updates_per_segment
    )
    return few(len(values), "bootstrap", "in cell A") or stats.median(values)
