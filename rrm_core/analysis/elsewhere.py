"""The same measures on puzzles that no one here made, from the study `elsewhere`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, fates, stats
from rrm_core.analysis.stats import few, unmeasured
from rrm_core.runs.tables import Run

OWN = "the run's own"


def found(run: Run) -> pd.DataFrame:
    """One row a collection, the run's own puzzles first; estimates, with a reason where too few.

    collection, n, solved, auc (of -lambda_1 for solved), settled (share of the failures below the
    run's Otsu cut), settled_anew (below the collection's own, NaN without two humps), halting
    (share of the failures that would halt).
    """
    own = run.table.assign(collection=OWN, late=cells.late_drift(run.table))
    table, cut, rows = fates.study(run, "elsewhere"), cells.band_of(run).otsu, []
    for name, part in pd.concat([own, table]).groupby("collection", sort=False):
        right, late = part.correct.to_numpy(bool), part.late.to_numpy("float64")
        unit = stats.units(part) if name == OWN else None
        fewest, failed = min(right.sum(), (~right).sum()), few(int((~right).sum()), "", "failures")
        anew = cells.band(late)
        row = {"collection": name, "n": len(part), "solved": stats.share(right, unit)}
        row["auc"] = few(int(fewest), "", "in a class") or stats.auc(-part.lambda_1, right, unit)
        wrong = unit[~right] if unit is not None else None
        none = unmeasured(len(part), "", "the run has no threshold") if np.isnan(cut) else None
        row["settled"] = failed or none or stats.share(late[~right] < cut, wrong)
        new = np.mean(late[~right] < anew.otsu) if anew.exists and not failed else np.nan
        row["settled_anew"] = float(new)
        halts = part.halted_at.to_numpy()[~right] > 0
        row["halting"] = failed or stats.share(halts, wrong)
        rows.append(row)
    return pd.DataFrame(rows)
