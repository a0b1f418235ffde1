"""What the study tables say: numbers with intervals, from tables alone.

Growth is in nats per segment (exponent times the updates of a segment), so that models compare. Intervals of differences and
medians are percentile bootstraps over puzzles (10,000 resamples, seed 0); shares are exact. A result that a table cannot carry is
NaN with a reason.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, stats
from rrm_core.analysis.stats import Estimate, few, proportion, unmeasured
from rrm_core.runs import tables
from rrm_core.runs.tables import SEGMENTS, Run, columns, log_drift
from rrm_core.store import paths

ALONG = ("evolution", "fates", "multi4")  # studies of the checkpoints that a run keeps


def study(run: Run, name: str) -> pd.DataFrame | None:
    """The table of study `name` of a run, None where it was not made, or of puzzles that are not the run's."""
    path = paths.run_dir(run.name) / "studies" / f"{name}.parquet"
    table = tables.read(path) if path.exists() else None
    return (
        None
        if table is None or ("idx" in table and not table.idx.isin(run.table.idx).all())
        else table
    )


def missing(name: str) -> Estimate:
    """The estimate of a study that was not made."""
    return unmeasured(0, "", f"missing table studies/{name}.parquet")


def training_of(name: str, run: Run) -> str | None:
    """The run that study `name` of `run` belongs to: itself; for studies of a training the run that keeps its checkpoints, None where none does."""
    return tables.keeper(run) if name in ALONG else run.name


def made_elsewhere(name: str, run: Run) -> str | None:
    """Another checkpoint of the training of `run` that has study `name`, where the study is about the training; else None."""
    keeper = training_of(name, run)
    return (
        keeper
        if keeper not in (None, run.name)
        and (paths.run_dir(keeper) / "studies" / f"{name}.parquet").exists()
        else None
    )


def making(name: str, run: Run, mark: str = "") -> str:
    """The command that makes study `name` of a run, between `mark`s; where it needs checkpoints that the run does not keep, what to do instead."""
    keeper = training_of(name, run)
    command = f"{mark}rrm study {name} --run {keeper or run.name}{mark}"
    if keeper is None:
        return f"{mark}rrm checkpoints TRAINING --run {run.name}{mark}, then {command}"
    if made_elsewhere(name, run):
        return f"nothing: it is about a training, so see {keeper}, another checkpoint of this one"
    return command + ("" if keeper == run.name else ", another checkpoint of the same training")


# --- section 4: classes of other accounts ------------------------------------------------------------------------

CLASSES = {
    "solved by segment 4": "success",
    "solved later": "success",
    "never entered the strict band": "failure",
    "entering the band at the end": "failure",
    "entered the band and left it (lingering)": "failure",
    "in the band at the end": "failure",
}


def classes(run: Run, early: int = 4) -> pd.DataFrame:
    """Ren & Liu's classes in our reading: class, outcome, n, and its share of the outcome with exact interval.

    A segment is in the band when its own drift is below the strict threshold; "in the band at the end" means late drift, as for cell B; "left"
    means that a segment out of the band follows one inside it.
    """
    df, late = run.table, cells.late_drift(run.table)
    strict = cells.band(late).strict
    logs = log_drift(cells.drift(df))
    correct, by_early = df.correct.to_numpy(), df[columns("correct", early)].to_numpy().any(1)
    inside = logs < strict
    left = (inside[:, :-1] & ~inside[:, 1:]).any(1)
    found = np.select(
        [correct & by_early, correct, late < strict, left, inside.any(1)], [0, 1, 5, 4, 3], 2
    )
    rows = []
    for i, (name, outcome) in enumerate(CLASSES.items()):
        n = int((correct if outcome == "success" else ~correct).sum())
        rows.append(
            {
                "class": name,
                "outcome": outcome,
                "n": int((found == i).sum()),
                "share": proportion(int((found == i).sum()), n),
            }
        )
    return pd.DataFrame(rows)


def lingering(run: Run) -> Estimate:
    """Share of the failures that entered the strict band and left it."""
    return classes(run).set_index("class").share["entered the band and left it (lingering)"]


def marks(table: pd.DataFrame) -> list[int]:
    """The horizons that a table of the study `long` holds."""
    return sorted(int(c.removeprefix("late_")) for c in table if c.startswith("late_"))


def failures(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a study of long rollouts whose puzzle is wrong in the run's table; a study of failures alone has no other."""
    return table[~table.correct_in_table] if "correct_in_table" in table else table


def fates(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """One row a horizon t >= 16: of the puzzles that were measured as wrong, how many are right at t, wrong and settled, wrong and moving.

    Settled: the mean drift of the four segments up to t is below `threshold` (log10; Otsu's of the run at 16). A wandering puzzle can end
    elsewhere when it is run again, so a few of them may be right at 16 here: they count, as right there.
    """
    failed = failures(table)
    rows = []
    for t in (t for t in marks(table) if t >= SEGMENTS):
        right, settled = (
            failed[f"correct_{t:03d}"].to_numpy(),
            failed[f"late_{t:03d}"].to_numpy() < threshold,
        )
        n = {
            "solved later": right.sum(),
            "settled in a wrong place": (~right & settled).sum(),
            "still moving": (~right & ~settled).sum(),
        }
        rows += [
            {
                "segment": t,
                "fate": name,
                "n": int(k),
                "of": len(failed),
                "share": k / max(len(failed), 1),
            }
            for name, k in n.items()
        ]
    return pd.DataFrame(rows)


def fate_at(run: Run, fate: str, segment: int | None = None) -> Estimate:
    """Share of the failures at 16 with a fate at a segment of the long rollout, by default its end."""
    table, otsu = study(run, "long"), cells.band_of(run).otsu
    if table is None or (
        np.isnan(otsu) and fate != "solved later"
    ):  # without a threshold nothing settles, and nothing moves
        return (
            missing("long")
            if table is None
            else unmeasured(len(table), "", "no threshold on late drift")
        )
    return share_at(fates(table, otsu), fate, segment)


def share_at(counted: pd.DataFrame, fate: str, segment: int | None = None) -> Estimate:
    """The share of one fate at a horizon of :func:`fates`, by default the last."""
    row = counted[
        (counted.segment == (segment or counted.segment.max())) & (counted.fate == fate)
    ].iloc[0]
    return few(int(row.of), "Clopper-Pearson") or proportion(int(row.n), int(row.of))


def probes(table: pd.DataFrame, strict: float) -> pd.DataFrame:
    """One row a probe: n, right at 16, right at some segment, stayed right once right, failures in the band at the end."""
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


# --- section 6: how much is convention ---------------------------------------------------------------------------


def numerics(table: pd.DataFrame) -> pd.DataFrame:
    """One row a variant against float32: share of outcomes that swap, median and largest change of λ1, AUC of -λ1 within it."""
    base = table[table.variant == "float32"].set_index("idx")
    rows = []
    for name, part in table.groupby("variant", sort=False):
        part = part.set_index("idx").loc[base.index]
        change = (part.lambda_1 - base.lambda_1).abs()
        measured = part.lambda_1.notna().all()
        rows.append(
            {
                "variant": name,
                "n": len(part),
                "outcomes that swap": proportion(
                    int((part.correct != base.correct).sum()), len(part)
                ),
                "median change of λ1": change.median() if measured else np.nan,
                "largest": change.max() if measured else np.nan,
                "AUC of -λ1": str(stats.auc(-part.lambda_1, part.correct)) if measured else "–",
            }
        )
    return pd.DataFrame(rows)


def parting(table: pd.DataFrame, variant: str = "float64") -> pd.DataFrame:
    """One row an outcome (in float32) and segment: median relative difference of the z_H drift from that of `variant`."""
    base, other = (table[table.variant == v].set_index("idx") for v in ("float32", variant))
    names = columns("drift_h")
    gap = (base[names] - other.loc[base.index, names]).abs() / other.loc[base.index, names]
    parts = [
        gap[base.correct == good]
        .median()
        .rename("difference")
        .reset_index(drop=True)
        .to_frame()
        .assign(outcome="correct" if good else "wrong")
        for good in (True, False)
    ]
    return pd.concat(
        [p.assign(segment=np.arange(1, SEGMENTS + 1)) for p in parts], ignore_index=True
    )
