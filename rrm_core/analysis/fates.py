"""What becomes of failures after segment 16, and what else the study tables say.

Shares are of the puzzles that were measured as wrong, with intervals over solution grids. A result
that a table cannot carry is NaN with a reason.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, phases, stats
from rrm_core.analysis.stats import Estimate, few, unmeasured
from rrm_core.runs import tables
from rrm_core.runs.tables import LATE, SEGMENTS, Run, columns, log_drift, segments
from rrm_core.store import paths

FATES = ("solved later", "settled in a wrong place", "still moving")
CLASSES = {
    "solved by segment 4": "success",
    "solved later": "success",
    "never settled": "failure",
    "at rest in the last segments only": "failure",
    "settled and left again (lingering)": "failure",
    "settled at the end": "failure",
}


def study(run: Run, name: str) -> pd.DataFrame | None:
    """The table of study `name` of a run; None where there is none, or one of other puzzles."""
    path = paths.run_dir(run.name) / "studies" / f"{name}.parquet"
    if not path.exists():
        return None
    table = tables.read(path)
    return table if "idx" not in table or table.idx.isin(run.table.idx).all() else None


def missing(name: str) -> Estimate:
    """The estimate of a study that was not made."""
    return unmeasured(0, "", f"needs `rrm study {name}`")


def marks(table: pd.DataFrame) -> list[int]:
    """The segments at which a study of long rollouts looked."""
    return sorted(int(c.removeprefix("late_")) for c in table if c.startswith("late_"))


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a study of long rollouts whose puzzle is wrong in the run's table."""
    return table[~table.correct_in_table] if "correct_in_table" in table else table


def fate(failed: pd.DataFrame, threshold: float, segment: int) -> pd.Series:
    """(B,) which of :data:`FATES` each failure has met at a segment.

    Settled: the mean drift of the four segments up to it is below `threshold` (log10; Otsu's of the
    run at 16). A wandering puzzle can end elsewhere when it is run again, so a few may be right at
    16.
    """
    right, late = failed[f"correct_{segment:03d}"], failed[f"late_{segment:03d}"]
    found = np.where(right, FATES[0], np.where(late < threshold, FATES[1], FATES[2]))
    return pd.Series(found, failed.index)


def fates(
    table: pd.DataFrame, threshold: float, unit: np.ndarray | None = None, since: int = SEGMENTS
) -> pd.DataFrame:
    """One row a segment from `since` on and fate: segment, fate, n, of, share, low, high.

    `unit`: the codes of the solution grids of :func:`failures`, for the intervals.
    """
    failed, rows = failures(table), []
    for segment in (t for t in marks(table) if t >= since):
        found = fate(failed, threshold, segment)
        for name in FATES:
            e = stats.share(found == name, unit)
            rows.append((segment, name, (found == name).sum(), e.n, e.value, e.low, e.high))
    return pd.DataFrame(rows, columns=["segment", "fate", "n", "of", "share", "low", "high"])


def followed(run: Run, segment: int | None = None) -> pd.DataFrame | Estimate:
    """The failures of the study `long`, with ``fate`` at a segment, else its end, and ``unit``."""
    table = study(run, "long")
    if table is None:
        return missing("long")
    failed, otsu = failures(table), cells.band_of(run).otsu
    met = fate(failed, otsu, segment or marks(failed)[-1])
    return failed.assign(fate=met, unit=stats.units(run.table, failed.idx))


def fate_at(run: Run, name: str, segment: int | None = None) -> Estimate:
    """Share of the failures at 16 with a fate at a segment of the long rollout, else its end."""
    failed = followed(run, segment)
    if isinstance(failed, Estimate):
        return failed
    if np.isnan(cells.band_of(run).otsu) and name != FATES[0]:
        return unmeasured(len(failed), "", "no threshold on late drift")
    return few(len(failed), "Clopper-Pearson") or stats.share(failed.fate == name, failed.unit)


def would_halt(run: Run) -> Estimate:
    """Share of the failures at rest in a wrong place at the end that would have halted."""
    failed = followed(run)
    if isinstance(failed, Estimate):
        return failed
    rest = failed[failed.fate == FATES[1]]
    refused = few(len(rest), "Clopper-Pearson", "at rest")
    return refused or stats.share(rest.halted_at > 0, rest.unit)


def slope(values: np.ndarray) -> np.ndarray:
    """(B,) slopes of the lines through values (B, T), per step."""
    return np.polyfit(np.arange(values.shape[1]), values.T, 1)[0]


def predict(run: Run) -> pd.DataFrame:
    """One row a predictor of "settles in a wrong place by the end": predictor, auc.

    Predictors: the slope of log drift over segments 9-16, and growth of the first tangent over 9-16
    and over the last four, each turned so that less of it foretells rest. ``auc``: an
    :class:`Estimate`.
    """
    failed = followed(run)
    if isinstance(failed, Estimate):
        return pd.DataFrame({"predictor": ["slope of log drift"], "auc": [failed]})
    df = run.table.set_index("idx").loc[failed.idx]
    end, logs, growth = segments(df), log_drift(cells.drift(df)), phases.growth_by_segment(df)
    half, last = end // 2 + 1, end - LATE + 1
    signals = {
        f"slope of log drift, segments {half}-{end}": slope(logs[:, half - 1 :]),
        f"growth, segments {half}-{end}": growth[:, half - 1 :].mean(1),
        f"growth, segments {last}-{end}": growth[:, last - 1 :].mean(1),
    }
    aucs = [stats.auc(-x, failed.fate == FATES[1], failed.unit) for x in signals.values()]
    return pd.DataFrame({"predictor": list(signals), "auc": aucs})


def classes(run: Run) -> pd.DataFrame:
    """Ren & Liu's classes in our reading: class, outcome, n, and its share of the outcome.

    A segment is in the band when its own drift is below the strict threshold, or Otsu's where that
    cannot be measured; "settled at the end" means late drift, as for cell B; "left" means that
    a segment out of the band follows one inside it. Without a threshold no share is told.
    """
    df, band = run.table, cells.band_of(run)
    cut, none = band.cut, band.reason
    correct, by_four = df.correct.to_numpy(), df[columns("correct", 4)].to_numpy().any(1)
    inside = log_drift(cells.drift(df)) < cut
    left = (inside[:, :-1] & ~inside[:, 1:]).any(1)
    conditions = [correct & by_four, correct, cells.late_drift(df) < cut, left, inside.any(1)]
    found = np.select(conditions, [0, 1, 5, 4, 3], 2)
    unit, rows = stats.units(df), []
    for i, (name, outcome) in enumerate(CLASSES.items()):
        of = correct == (outcome == "success")
        share = stats.share(found[of] == i, unit[of])
        told = unmeasured(share.n, share.method, none) if np.isnan(cut) else share
        rows.append((name, outcome, (found == i).sum(), told))
    return pd.DataFrame(rows, columns=["class", "outcome", "n", "share"])


def lingering(run: Run) -> Estimate:
    """Share of the failures that entered the strict band and left it."""
    return classes(run).share[4]
