"""What the study tables say: numbers with intervals, from tables alone.

Growth is in nats per segment (exponent times the updates of a segment), so that models compare. Intervals of differences and
medians are percentile bootstraps over puzzles (10,000 resamples, seed 0); shares are exact. A result that a table cannot carry is
NaN with a reason.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from rrm_core import cells, paths, stats, tables
from rrm_core.stats import RESAMPLES, SMALLEST, Estimate, few, proportion, unmeasured
from rrm_core.tables import SEGMENTS, Run, columns, log_drift, signals_at

ALONG = ("evolution", "fates", "multi4")  # studies of the checkpoints that a run keeps
RANDOM_ORDERS = 200  # orders of the restarts that are averaged over
PICKS = {"q_halt": ("q_halt", 1), "late drift": ("late", -1), "λ1": ("lambda_1", -1)}  # column, direction


def study(run: Run, name: str) -> pd.DataFrame | None:
    """The table of study `name` of a run, None where it was not made, or of puzzles that are not the run's."""
    path = paths.run_dir(run.name) / "studies" / f"{name}.parquet"
    table = tables.read(path) if path.exists() else None
    return None if table is None or ("idx" in table and not table.idx.isin(run.table.idx).all()) else table


def missing(name: str) -> Estimate:
    """The estimate of a study that was not made."""
    return unmeasured(0, "", f"missing table studies/{name}.parquet")


def training_of(name: str, run: Run) -> str | None:
    """The run that study `name` of `run` belongs to: itself; for studies of a training the run that keeps its checkpoints, None where none does."""
    return tables.keeper(run) if name in ALONG else run.name


def made_elsewhere(name: str, run: Run) -> str | None:
    """Another checkpoint of the training of `run` that has study `name`, where the study is about the training; else None."""
    keeper = training_of(name, run)
    return keeper if keeper not in (None, run.name) and (paths.run_dir(keeper) / "studies" / f"{name}.parquet").exists() else None


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
    return np.concatenate([rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES) for n in sizes], axis=1).astype("float32")


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
    return Estimate(float(np.average(values, weights=w)), float(low), float(high), len(values), "bootstrap over puzzles")


# --- section 3.4: along the training -----------------------------------------------------------------------------


def with_cells(table: pd.DataFrame) -> tuple[pd.DataFrame, cells.Band]:
    """One checkpoint's rows with ``cell`` at its own Otsu threshold, as the paper does, and its band."""
    late = cells.late_drift(table)
    band = cells.band(late)
    return table.assign(cell=cells.assign(late, table.correct, band.otsu) if np.isfinite(band.otsu) else np.where(table.correct, "C", "D")), band


def evolution(table: pd.DataFrame, updates: int, by: tuple[str, ...] = ("step",)) -> pd.DataFrame:
    """One row a checkpoint: n, accuracy, A-D, whether there is a band, median growth of groups and mean growth of all, of the right and of the wrong (NaN below 5)."""
    rows = []
    for labels, part in table.groupby(list(by), sort=False):
        part, band = with_cells(part)
        growth = part.lambda_1.to_numpy("float64") * updates
        row = dict(zip(by, labels, strict=True)) | {"n": len(part), "accuracy": part.correct.mean(), **cells.count(part.cell), "band": band.exists}
        groups = {"correct": part.correct, "wrong": ~part.correct} | {c: part.cell == c for c in "AD"}
        row |= {f"growth {g}": float(np.median(growth[m])) if m.sum() >= 5 else np.nan for g, m in groups.items()}
        row |= {f"mean growth {g}": float(np.mean(growth[groups[g]])) if groups[g].sum() >= 5 else np.nan for g in ("correct", "wrong")}
        rows.append(row | {"mean growth": growth.mean(), "standard deviation": growth.std(), "AUC": str(stats.auc(-growth, part.correct))})
    return pd.DataFrame(rows)


def training_change(run: Run, of: str = "D") -> Estimate:
    """Change of the median growth of a cell, or of the gap between both (`of`: "A", "D" or "D - A"), between the first and last checkpoint that can carry it.

    A checkpoint can where it has a band and at least 20 puzzles in each of A and D.
    """
    table = study(run, "evolution")
    if table is None:
        return missing("evolution")
    able = []
    for _, part in table.groupby("step"):
        part, band = with_cells(part)
        if band.exists and min((part.cell == c).sum() for c in "AD") >= SMALLEST:
            able.append({c: part.lambda_1[part.cell == c].to_numpy("float64") * run.updates_per_segment for c in "AD"})
    if len(able) < 2:
        return unmeasured(0, "bootstrap", f"{len(able)} checkpoint{'' if len(able) == 1 else 's'} with a band and {SMALLEST} puzzles in A and in D; two are needed")
    rng, signs = np.random.default_rng(0), {"D": {"D": 1}, "A": {"A": 1}, "D - A": {"D": 1, "A": -1}}[of]

    def drawn(x: np.ndarray) -> np.ndarray:
        return np.median(rng.choice(x, (RESAMPLES, len(x))), axis=1)

    def level(group: dict, median) -> np.ndarray:
        return sum(sign * median(group[cell]) for cell, sign in signs.items())

    low, high = np.percentile(level(able[-1], drawn) - level(able[0], drawn), [2.5, 97.5])
    value = level(able[-1], np.median) - level(able[0], np.median)
    return Estimate(float(value), float(low), float(high), sum(len(g[cell]) for g in (able[0], able[-1]) for cell in signs), "bootstrap")


def multi4_last(run: Run, arms: tuple[str, ...]) -> dict[str, pd.DataFrame] | Estimate:
    """{arm: rows with cells} after the last step of the multi4 study; where an arm has no band, or there is no study, the reason."""
    table = study(run, "multi4")
    if table is None:
        return missing("multi4")
    last = {arm: with_cells(table[(table.step == table.step.max()) & (table.arm == arm)]) for arm in arms}
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
    values = arms["multi4"].lambda_1[arms["multi4"].cell == "A"].to_numpy("float64") * run.updates_per_segment
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
    found = np.select([correct & by_early, correct, late < strict, left, inside.any(1)], [0, 1, 5, 4, 3], 2)
    rows = []
    for i, (name, outcome) in enumerate(CLASSES.items()):
        n = int((correct if outcome == "success" else ~correct).sum())
        rows.append({"class": name, "outcome": outcome, "n": int((found == i).sum()), "share": proportion(int((found == i).sum()), n)})
    return pd.DataFrame(rows)


def lingering(run: Run) -> Estimate:
    """Share of the failures that entered the strict band and left it."""
    return classes(run).set_index("class").share["entered the band and left it (lingering)"]


def marks(table: pd.DataFrame) -> list[int]:
    """The horizons that a table of the study `long` holds."""
    return sorted(int(c.removeprefix("late_")) for c in table if c.startswith("late_"))


def fates(table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """One row a horizon t >= 16: of the puzzles wrong at 16, how many are right at t, wrong and settled, wrong and moving.

    Settled: the mean drift of the four segments up to t is below `threshold` (log10; Otsu's of the run at 16).
    """
    failed = table[~table[f"correct_{SEGMENTS:03d}"]]
    rows = []
    for t in (t for t in marks(table) if t >= SEGMENTS):
        right, settled = failed[f"correct_{t:03d}"].to_numpy(), failed[f"late_{t:03d}"].to_numpy() < threshold
        n = {"solved later": right.sum(), "settled in a wrong place": (~right & settled).sum(), "still moving": (~right & ~settled).sum()}
        rows += [{"segment": t, "fate": name, "n": int(k), "of": len(failed), "share": k / max(len(failed), 1)} for name, k in n.items()]
    return pd.DataFrame(rows)


def fate_at_end(run: Run, fate: str) -> Estimate:
    """Share of the failures at 16 with a fate at the end of the long rollout."""
    table, otsu = study(run, "long"), cells.band_of(run).otsu
    if table is None or (np.isnan(otsu) and fate != "solved later"):  # without a threshold nothing settles, and nothing moves
        return missing("long") if table is None else unmeasured(len(table), "", "no threshold on late drift")
    return share_at_end(fates(table, otsu), fate)


def share_at_end(counted: pd.DataFrame, fate: str) -> Estimate:
    """The share of one fate at the last horizon of :func:`fates`."""
    row = counted[(counted.segment == counted.segment.max()) & (counted.fate == fate)].iloc[0]
    return few(int(row.of), "Clopper-Pearson") or proportion(int(row.n), int(row.of))


def probes(table: pd.DataFrame, strict: float) -> pd.DataFrame:
    """One row a probe: n, right at 16, right at some segment, stayed right once right, failures in the band at the end."""
    rows = []
    for probe, part in table.groupby("probe", sort=False):
        wrong, once = part[~part.correct], part[part.solved_at > 0]
        rows.append({"probe": probe, "n": len(part), "right at 16": proportion(int(part.correct.sum()), len(part)), "ever right": proportion(len(once), len(part)),
                     "stays right, once right": proportion(int(once.stayed.sum()), len(once)), "wrong at 16": len(wrong), "of these settled": int((wrong.late < strict).sum())})  # fmt: skip
    return pd.DataFrame(rows)


# --- section 5: restart and select, early pruning ----------------------------------------------------------------


def grid(table: pd.DataFrame, column: str) -> np.ndarray:
    """(puzzles, restarts) of a column of the study `restarts`, the stored start left out; puzzles by idx."""
    return table[table.restart > 0].pivot(index="idx", columns="restart", values=column).to_numpy()


def weights(run: Run, table: pd.DataFrame) -> np.ndarray:
    """(puzzles,) how many puzzles of the run each puzzle of a sample stratified by outcome stands for, scaled to mean 1."""
    idx = np.sort(table.idx.unique())
    correct = run.table.set_index("idx").correct.loc[idx].to_numpy()
    share = run.table.correct.mean()
    return np.where(correct, share / max(correct.mean(), 1e-12), (1 - share) / max((~correct).mean(), 1e-12))


def picked(table: pd.DataFrame, pick: str, orders: np.ndarray) -> np.ndarray:
    """(puzzles, R) probability, over random orders of the restarts, that what a rule picks of the first 1..R is right."""
    correct = grid(table, "correct").astype(float)
    if pick == "random":
        return np.repeat(correct.mean(1, keepdims=True), orders.shape[1], axis=1)
    if pick == "oracle":
        return np.mean([np.maximum.accumulate(correct[:, order], axis=1) for order in orders], axis=0)
    column, sign = PICKS[pick]
    score = sign * grid(table, column).astype("float64")
    out = np.zeros_like(correct)
    for order in orders:
        s = score[:, order]
        best = np.array([s[:, : r + 1].argmax(1) for r in range(s.shape[1])])  # (R, puzzles) position in the order
        out += np.take_along_axis(correct[:, order], best.T, axis=1)
    return out / len(orders)


def orders(restarts: int) -> np.ndarray:
    """(200, restarts) seeded random orders."""
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(restarts) for _ in range(RANDOM_ORDERS)])


def restart_curve(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """One row a rule and number of restarts R: accuracy over the run's puzzles (reweighted) with interval; λ1 on its subset."""
    n_restarts, rows = int(table.restart.max()), []
    for pick in ("oracle", *PICKS, "random"):
        part = table if pick != "λ1" else table[table.idx.isin(table.idx[table.lambda_1.notna()])]
        w, right = weights(run, part), picked(part, pick, orders(n_restarts))
        for r in range(n_restarts):
            e = mean(right[:, r], w)
            rows.append({"pick": pick, "restarts": r + 1, "accuracy": e.value, "low": e.low, "high": e.high, "n": e.n})
    return pd.DataFrame(rows)


def blind_curve(run: Run, table: pd.DataFrame, strict: float) -> pd.DataFrame:
    """The selector-blind ceiling against R: share of the run's puzzles whose lowest-drift restart is wrong, settled and would halt."""
    blind = table.assign(correct=~table.correct & table.halts & (table.late < strict))
    hit, w = picked(blind, "late drift", orders(int(table.restart.max()))), weights(run, table)
    found = [mean(share, w) for share in hit.T]
    return pd.DataFrame([{"restarts": r, "share": e.value, "low": e.low, "high": e.high} for r, e in enumerate(found, 1)])


def selection_gain(run: Run, pick: str = "q_halt", stored: bool = False) -> Estimate:
    """Accuracy of the best of all restarts by a rule minus that of one restart at random (or of the `stored` start), over the run's puzzles."""
    table = study(run, "restarts")
    if table is None:
        return missing("restarts")
    every = orders(int(table.restart.max()))
    single = table[table.restart == 0].sort_values("idx").correct.to_numpy("float64") if stored else picked(table, "random", every)[:, -1]
    return mean(picked(table, pick, every)[:, -1] - single, weights(run, table))


def pruned_successes(run: Run, signal: str, h: int = 4) -> Estimate:
    """Of the puzzles wrong at h and solved at 16, the share in the worse half by a signal: one half if it knows nothing."""
    wrong = ~run.table[f"correct_{h:02d}"].to_numpy()
    score, later = signals_at(run.table, h, run.updates_per_segment)[signal][wrong], run.table.correct.to_numpy()[wrong]
    if refused := few(int(later.sum()), "Clopper-Pearson"):
        return refused
    worse = np.argsort(np.argsort(score, kind="stable"), kind="stable") < len(score) / 2
    return proportion(int((worse & later).sum()), int(later.sum()))


# --- section 6: how much is convention ---------------------------------------------------------------------------


def numerics(table: pd.DataFrame) -> pd.DataFrame:
    """One row a variant against float32: share of outcomes that swap, median and largest change of λ1, AUC of -λ1 within it."""
    base = table[table.variant == "float32"].set_index("idx")
    rows = []
    for name, part in table.groupby("variant", sort=False):
        part = part.set_index("idx").loc[base.index]
        change = (part.lambda_1 - base.lambda_1).abs()
        measured = part.lambda_1.notna().all()
        rows.append({"variant": name, "n": len(part), "outcomes that swap": proportion(int((part.correct != base.correct).sum()), len(part)),
                     "median change of λ1": change.median() if measured else np.nan, "largest": change.max() if measured else np.nan,
                     "AUC of -λ1": str(stats.auc(-part.lambda_1, part.correct)) if measured else "–"})  # fmt: skip
    return pd.DataFrame(rows)


def parting(table: pd.DataFrame, variant: str = "float64") -> pd.DataFrame:
    """One row an outcome (in float32) and segment: median relative difference of the z_H drift from that of `variant`."""
    base, other = (table[table.variant == v].set_index("idx") for v in ("float32", variant))
    names = columns("drift_h")
    gap = (base[names] - other.loc[base.index, names]).abs() / other.loc[base.index, names]
    parts = [gap[base.correct == good].median().rename("difference").reset_index(drop=True).to_frame().assign(outcome="correct" if good else "wrong") for good in (True, False)]
    return pd.concat([p.assign(segment=np.arange(1, SEGMENTS + 1)) for p in parts], ignore_index=True)
