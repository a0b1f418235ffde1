"""What arithmetic, batch and code change, from the study `precision`: floor, cells, outcomes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, fates, phases
from rrm_core.runs import tables
from rrm_core.runs.tables import LATE, Run

BASE = "float32"  # the variant that others are held against, where it has the puzzle


def at_rest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a measurement table whose puzzle is solved and settled (Otsu)."""
    return table[cells.at_otsu(table)[0] == "A"]


def variants(run: Run) -> pd.DataFrame:
    """One row a variant of the study: how much a resting state moves, and what counts as settled.

    n, wrong (failures); floor, low, high (median and quartiles of the drift a segment of the
    puzzles at rest); otsu and strict, the variant's own cuts (log10); successes and failures, the
    shares below Otsu's; theirs, the failures below the cut that the paper prints for this model;
    swapped, the outcomes that differ from float32's. Empty without the study. The official modules
    are a variant where `benchmarks/official.py` ran them.
    """
    rest, rows = at_rest(run.table).idx, []
    found = [fates.study(run, name) for name in ("precision", "official")]
    if found[0] is None:
        return pd.DataFrame()
    table = pd.concat([part for part in found if part is not None])
    base = run.table.set_index("idx").correct.copy()
    again = table[table.variant == BASE].set_index("idx").correct
    base[again.index] = again
    cuts = tables.published("cells").query("quantity == 'otsu_threshold'").set_index("model").value
    printed = cuts.get(run.meta["model"].upper(), np.nan)
    for name, part in table.groupby("variant", sort=False):
        drift = 10 ** part.late[part.idx.isin(rest)].astype("float64").quantile([0.25, 0.5, 0.75])
        band = cells.band(part.late)
        cut = band.otsu
        settled, right = (part.late < cut) + 0 * cut, part.correct  # NaN without a cut
        row = {"variant": name, "n": len(part), "floor": drift[0.5], "low": drift[0.25]}
        row |= {"high": drift[0.75], "otsu": cut, "strict": band.strict, "wrong": (~right).sum()}
        row["theirs"] = (part.late[~right] < printed).mean() if printed == printed else np.nan
        row |= {"successes": settled[right].mean(), "failures": settled[~right].mean()}
        rows.append(row | {"swapped": int((right.to_numpy() != base[part.idx].to_numpy()).sum())})
    return pd.DataFrame(rows)


def noise(run: Run, along: bool = False) -> pd.DataFrame:
    """One row a puzzle at rest: does a tangent amplify what rounding puts in?

    step, idx; growth of the first tangent (nats a segment in float32, median of the last four);
    drift (mean of the last four segments in bfloat16). `along` the kept checkpoints, by the
    studies `evolution` and `rounding`, or of the run itself, by `precision`. Empty without them.
    """
    moved = fates.study(run, "rounding" if along else "precision")
    seen = fates.study(run, "evolution") if along else run.table.assign(step=0)
    if moved is None or seen is None:
        return pd.DataFrame(columns=["step", "idx", "growth", "drift"])
    if not along:
        moved = moved[moved.variant == "bfloat16"].assign(step=0)
    rest = pd.concat([at_rest(part) for _, part in seen.groupby("step")])
    rest["growth"] = np.median(phases.growth_by_segment(rest)[:, -LATE:], axis=1)
    both = rest[["step", "idx", "growth"]].merge(moved[["step", "idx", "late"]])
    return both.assign(drift=10 ** both.pop("late").astype("float64"))
