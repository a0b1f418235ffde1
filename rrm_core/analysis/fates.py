"""What the study tables say: numbers with intervals, from tables alone.

Growth is in nats per segment (exponent times the updates of a segment), so that models compare. Intervals of differences and
medians are percentile bootstraps over puzzles (10,000 resamples, seed 0); shares are exact. A result that a table cannot carry is
NaN with a reason.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, stats
from rrm_core.analysis.stats import RESAMPLES, SMALLEST, Estimate, few, proportion, unmeasured
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


@lru_cache(maxsize=8)
def counts(sizes: tuple[int, ...]) -> np.ndarray:
    """(10,000, sum of sizes) how often each puzzle stands in each bootstrap sample, drawn within groups of these sizes; seed 0."""
    rng = np.random.default_rng(0)
    return np.concatenate(
        [rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) for n in sizes], axis=1
    ).astype("float32")


def mean(values: np.ndarray, weights: np.ndarray | None = None) -> Estimate:
    """Mean of one value a puzzle with a bootstrap interval; `weights` make a stratified sample stand for its population.

    Puzzles of one weight are one stratum, and are resampled within it: how many of each a sample holds was decided, not drawn.
    """
    if refused := few(len(values), "bootstrap"):
        return refused
    w = np.ones(len(values)) if weights is None else weights
    order, sizes = np.argsort(w, kind="stable"), tuple(np.unique(w, return_counts=True)[1].tolist())
    draws = counts(sizes)
    low, high = np.percentile((draws @ (w * values)[order]) / (draws @ w[order]), [2.5, 97.5])
    return Estimate(
        float(np.average(values, weights=w)),
        float(low),
        float(high),
        len(values),
        "bootstrap over puzzles",
    )


# --- section 3.4: along the training -----------------------------------------------------------------------------


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
