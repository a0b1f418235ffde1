"""What becomes of failures after segment 16, and what else the study tables say.

Shares are of the puzzles that were measured as wrong, with intervals over solution grids. A result
that a table cannot carry is NaN with a reason.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, phases, stats
from rrm_core.analysis.stats import Estimate, few, proportion, unmeasured
from rrm_core.runs import tables
from rrm_core.runs.tables import SEGMENTS, Run, columns, log_drift
from rrm_core.store import paths

FATES = ("solved later", "settled in a wrong place", "still moving")


def study(run: Run, name: str) -> pd.DataFrame | None:
    """The table of study `name` of a run; None where there is none, or one of other puzzles."""
    path = paths.run_dir(run.name) / "studies" / f"{name}.parquet"
    if not path.exists():
        return None
    table = tables.read(path)
    return table if "idx" not in table or table.idx.isin(run.table.idx).all() else None


def missing(name: str) -> Estimate:
    """The estimate of a study that was not made."""
    return unmeasured(0, "", f"missing table studies/{name}.parquet")


# --- long rollouts -------------------------------------------------------------------------------


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


def fates(table: pd.DataFrame, threshold: float, unit: np.ndarray | None = None) -> pd.DataFrame:
    """One row a segment from 16 on and fate: segment, fate, n, of, share, low, high.

    `unit`: the codes of the solution grids of :func:`failures`, for the intervals.
    """
    failed, rows = failures(table), []
    for segment in (t for t in marks(table) if t >= SEGMENTS):
        found = fate(failed, threshold, segment)
        for name in FATES:
            hits = (found == name).to_numpy()
            e = stats.share(hits, unit)
            rows.append((segment, name, hits.sum(), e.n, e.value, e.low, e.high))
    return pd.DataFrame(rows, columns=["segment", "fate", "n", "of", "share", "low", "high"])


def followed(run: Run) -> tuple[pd.DataFrame, np.ndarray, float] | Estimate:
    """(failures of the study `long`, their grids, Otsu's threshold), or why there is none."""
    table, otsu = study(run, "long"), cells.band_of(run).otsu
    if table is None:
        return missing("long")
    failed = failures(table)
    return failed, stats.units(run.table, failed.idx), otsu


def fate_at(run: Run, name: str, segment: int | None = None) -> Estimate:
    """Share of the failures at 16 with a fate at a segment of the long rollout, else its end."""
    found = followed(run)
    if isinstance(found, Estimate):
        return found
    failed, unit, otsu = found
    if np.isnan(otsu) and name != FATES[0]:
        return unmeasured(len(failed), "", "no threshold on late drift")
    hits = (fate(failed, otsu, segment or max(marks(failed))) == name).to_numpy()
    return few(len(hits), "Clopper-Pearson") or stats.share(hits, unit)


def would_halt(run: Run) -> Estimate:
    """Share of the failures at rest in a wrong place at the end that would have halted."""
    found = followed(run)
    if isinstance(found, Estimate):
        return found
    failed, unit, otsu = found
    rest = (fate(failed, otsu, max(marks(failed))) == FATES[1]).to_numpy()
    hits = failed.halted_at.to_numpy()[rest] > 0
    return few(len(hits), "Clopper-Pearson", "at rest") or stats.share(hits, unit[rest])


def predict(run: Run) -> pd.DataFrame:
    """One row a predictor of "settles in a wrong place by the end": predictor, auc.

    Predictors: the slope of log drift over segments 8-16, and growth of the first tangent over 8-16
    and over the last four, each turned so that less of it foretells rest. ``auc``: an
    :class:`Estimate`.
    """
    found = followed(run)
    if isinstance(found, Estimate):
        return pd.DataFrame({"predictor": ["slope of log drift"], "auc": [found]})
    failed, unit, otsu = found
    rest = (fate(failed, otsu, max(marks(failed))) == FATES[1]).to_numpy()
    df = run.table.set_index("idx").loc[failed.idx]
    logs, growth = log_drift(cells.drift(df))[:, 7:], phases.growth_by_segment(df)
    signals = {
        "slope of log drift, segments 8-16": np.polyfit(np.arange(8, SEGMENTS + 1), logs.T, 1)[0],
        "growth, segments 8-16": growth[:, 7:].mean(1),
        "growth, segments 13-16": growth[:, 12:].mean(1),
    }
    aucs = [stats.auc(-signal, rest, unit) for signal in signals.values()]
    return pd.DataFrame({"predictor": list(signals), "auc": aucs})


# --- classes of other accounts -------------------------------------------------------------------

CLASSES = {
    "solved by segment 4": "success",
    "solved later": "success",
    "never entered the band": "failure",
    "entering the band at the end": "failure",
    "entered the band and left it (lingering)": "failure",
    "in the band at the end": "failure",
}


def classes(run: Run, early: int = 4) -> pd.DataFrame:
    """Ren & Liu's classes in our reading: class, outcome, n, and its share of the outcome.

    A segment is in the band when its own drift is below the strict threshold, or Otsu's where that
    cannot be measured; "in the band at the end" means late drift, as for cell B; "left" means that
    a segment out of the band follows one inside it.
    """
    df, cut = run.table, cells.band_of(run).cut
    correct, by_early = df.correct.to_numpy(), df[columns("correct", early)].to_numpy().any(1)
    inside = log_drift(cells.drift(df)) < cut
    left = (inside[:, :-1] & ~inside[:, 1:]).any(1)
    conditions = [correct & by_early, correct, cells.late_drift(df) < cut, left, inside.any(1)]
    found = np.select(conditions, [0, 1, 5, 4, 3], 2)
    unit, rows = stats.units(df), []
    for i, (name, outcome) in enumerate(CLASSES.items()):
        of = correct == (outcome == "success")
        rows.append((name, outcome, (found == i).sum(), stats.share(found[of] == i, unit[of])))
    return pd.DataFrame(rows, columns=["class", "outcome", "n", "share"])


def lingering(run: Run) -> Estimate:
    """Share of the failures that entered the strict band and left it."""
    return classes(run).share[4]


def probes(table: pd.DataFrame, strict: float) -> pd.DataFrame:
    """One row a probe: n, right at 16, ever right, stayed right, failures in the band."""
    rows = []
    for probe, part in table.groupby("probe", sort=False):
        wrong, once = part[~part.correct], part[part.solved_at > 0]
        rows.append(
            {
                "probe": probe,
                "n": len(part),
                "right at 16": proportion(int(part.correct.sum()), len(part)),
                "ever right": proportion(len(once), len(part)),
                "stays right, once right": proportion(int(once.stayed.sum()), len(once)),
                "wrong at 16": len(wrong),
                "of these settled": int((wrong.late < strict).sum()),
            }
        )
    return pd.DataFrame(rows)


# --- how much is convention ----------------------------------------------------------------------


def numerics(table: pd.DataFrame) -> pd.DataFrame:
    """One row a variant against float32: outcomes that swap, change of λ1, AUC of -λ1 within it."""
    base = table[table.variant == "float32"].set_index("idx")
    rows = []
    for name, part in table.groupby("variant", sort=False):
        part = part.set_index("idx").loc[base.index]
        change, swaps = (part.lambda_1 - base.lambda_1).abs(), part.correct != base.correct
        measured = part.lambda_1.notna().all()
        rows.append(
            {
                "variant": name,
                "n": len(part),
                "outcomes that swap": proportion(int(swaps.sum()), len(part)),
                "median change of λ1": change.median(skipna=False),
                "largest": change.max(skipna=False),
                "AUC of -λ1": str(stats.auc(-part.lambda_1, part.correct)) if measured else "–",
            }
        )
    return pd.DataFrame(rows)


def parting(table: pd.DataFrame) -> pd.DataFrame:
    """One row an outcome (in float32) and segment: median relative gap of drift to float64's."""
    base, other = (table[table.variant == v].set_index("idx") for v in ("float32", "float64"))
    names = columns("drift_h")
    other = other.loc[base.index, names]
    gap = ((base[names] - other).abs() / other).set_axis(phases.TIME, axis=1)
    found = gap.groupby(cells.outcomes(base.correct)).median()
    return (
        found.rename_axis(index="outcome", columns="segment")
        .stack()
        .rename("difference")
        .reset_index()
    )
