"""What chapters show of the studies: tables ready to print, each row naming its run and its source. Like :mod:`rrm_core.report`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core import cells, findings, report, stats, tables
from rrm_core.report import HERE, PAPER
from rrm_core.stats import proportion
from rrm_core.tables import SEGMENTS, Run

Made = list[tuple[Run, pd.DataFrame]]


def with_study(runs: list[Run], name: str) -> Made:
    """(run, table) of those runs for which study `name` was made."""
    found = [(run, findings.study(run, name)) for run in runs]
    return [(run, table) for run, table in found if table is not None]


def lacking(runs: list[Run], name: str) -> object:
    """A sentence that names the runs without study `name` and the command that makes it; nothing where all have it.

    A run that is another checkpoint of a training whose checkpoints were measured needs none of its own, and the sentence says so.
    """
    made = {training(run): run.name for run, _ in with_study(runs, name)} if name in ("evolution", "fates") else {}
    without = [run for run in runs if findings.study(run, name) is None]
    text = " ".join(f"{run.name} is a checkpoint of the training of {made[training(run)]}, whose others stand here." for run in without if training(run) in made)
    names = [run.name for run in without if training(run) not in made]
    return report.say(text + (f" Not made for {', '.join(names)}: `rrm study {name} --run {names[0]}` makes it." if names else ""))


def training(run: Run) -> tuple:
    """What tells one training from another: its wall-clock seconds and its recipe; the run itself where neither is known."""
    seconds = run.meta.get("training_s")
    return (seconds, str(run.meta.get("recipe"))) if seconds else (run.name,)


def strict(run: Run) -> float:
    """The run's strict threshold on log10 late drift."""
    return cells.band_of(run).strict


def horizon(h: int) -> int:
    """`h`, the number of segments seen, refused unless something is left to be seen."""
    if isinstance(h, bool) or h not in range(1, SEGMENTS):
        raise tables.TableError(f"h={h!r}: expected a whole number of segments from 1 to {SEGMENTS - 1}")
    return h


def matched_note(run: Run, strict_percentile: float = 0) -> str:
    """How many bins of late drift carry the matched AUC of a run, and how wide they are; Markdown."""
    table, _ = stats.matched_auc(run.table, cells.late_drift(run.table), cells.band_of(run, strict_percentile).strict, resamples=1000)
    used = table[table.used] if len(table) else table
    if used.empty:
        return f"**{run.name}**: no bin has five of each outcome."
    width = used.drift_high - used.drift_low
    return f"**{run.name}**: {len(used)} of {len(table)} bins count, {width.min():.2f} to {width.max():.2f} decades of drift wide."


def joined(rows: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several runs under each other; an empty table where there is none."""
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["run", "source"])


def labelled(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """`table` with the columns run and source in front."""
    return pd.concat([pd.DataFrame({"run": run.name, "source": HERE}, index=table.index), table], axis=1)


def evolution_table(made: Made) -> pd.DataFrame:
    """F5 in numbers: each checkpoint's accuracy, cells, band, and median growth of A and D per segment."""
    rows = []
    for run, table in made:
        t = findings.evolution(table, run.updates_per_segment)
        t["step"] = [f"{s:,}{' (measured)' if s == run.meta['step'] else ''}" for s in t.step]
        rows.append(labelled(run, t.assign(band=t.band.map({True: "yes", False: "no"}))[["step", "n", "accuracy", *cells.CELLS, "band", "growth A", "growth D", "AUC"]]))
    return joined(rows).rename(columns={"AUC": "AUC of -λ1"})


def changes_table(runs: list[Run]) -> pd.DataFrame:
    """How the growth of cell D, and its gap to cell A, changed along each training."""
    rows = [{"run": run.name, "source": HERE, "change of D": findings.training_change(run), "change of the gap D - A": findings.training_change(run, gap=True)} for run in runs]
    return pd.DataFrame(rows)


def arms_table(made: Made) -> pd.DataFrame:
    """multi4 beside plain training: the paper's three checkpoints, then both arms of each run, growth per segment."""
    p = tables.published("evolution").pivot(index="model", columns="quantity", values="value")
    rows = [pd.DataFrame([{"run": model, "source": PAPER, "n": 512, "accuracy": r.accuracy, **{c: r[f"otsu_{c}"] for c in cells.CELLS},
                           "growth A": 21 * r.median_lambda_1_A, "growth D": 21 * r.median_lambda_1_D} for model, r in p.iterrows()])]  # fmt: skip
    for run, table in made:
        t = findings.evolution(table, run.updates_per_segment, by=("arm", "step"))
        t["arm"] = [f"{a}, +{s} steps" if s else "shared checkpoint" for a, s in zip(t.arm, t.step, strict=True)]
        rows.append(labelled(run, t[["arm", "n", "accuracy", *cells.CELLS, "growth A", "growth D"]]))
    return pd.concat(rows, ignore_index=True)[["run", "source", *(["arm"] if len(made) else []), "n", "accuracy", *cells.CELLS, "growth A", "growth D"]].fillna({"arm": "–"})


def arms_sentence(run: Run) -> str:
    """What both arms differ by after their last step."""
    change, growth = findings.multi4_d_mass(run), findings.multi4_growth_a(run)
    return f"**{run.name}**, last step: share of cell D under multi4 minus plain {change:+.3f}; median growth of A under multi4 {growth:+.3f} nats per segment."


def classes_table(runs: list[Run]) -> pd.DataFrame:
    """Ren & Liu's classes in our reading, with their share of the outcome; runs without a band say so."""
    rows = []
    for run in runs:
        band = cells.band_of(run)
        t = findings.classes(run)
        rows.append(labelled(run, t.assign(share=[f"{s:.1%}" for s in t.share], note="" if band.exists else f"no band: {band.reason}").rename(columns={"share": "share of the outcome"})))
    return joined(rows)


def fates_table(made: Made) -> pd.DataFrame:
    """What became of the puzzles wrong at 16 by the end of the long rollout, how many had been right earlier, and whether right answers were left."""
    rows = []
    for run, table in made:
        failed = table[~table[f"correct_{SEGMENTS:03d}"]]
        solved, end = table[table.correct_in_table], max(findings.marks(table))
        row = {"run": run.name, "source": HERE, f"wrong at {SEGMENTS}": len(failed)}
        row |= {f"{name} by {end}": f"{findings.fate_at_end(run, name):.1%}" for name in ("solved later", "settled in a wrong place", "still moving")}
        row[f"right before {SEGMENTS}"] = f"{proportion(int((failed.solved_at > 0).sum() - (failed.solved_at > SEGMENTS).sum()), len(failed)):.1%}"
        row["left a right answer, of those ever right"] = f"{proportion(int((table.left > 0).sum()), int((table.solved_at > 0).sum())):.1%}"
        row[f"solved at {SEGMENTS}, wrong at {end}"] = f"{proportion(int((~solved[f'correct_{end:03d}']).sum()), len(solved)):.1%}"
        rows.append(row)
    return pd.DataFrame(rows) if rows else joined([])


def rests(run: Run) -> bool | None:
    """Whether most failures end settled in a wrong place when run on; None: undecided, not measured, or no band to settle in."""
    share = findings.fate_at_end(run, "settled in a wrong place")
    unknown = np.isnan(share.value) or share.low <= 0.5 <= share.high or not cells.band_of(run).exists
    return None if unknown else bool(share.low > 0.5)


def fate_sentence(run: Run, table: pd.DataFrame) -> str:
    """How the share of failures settled in a wrong place grows with the horizon, and what that makes of their wandering; Markdown."""
    band = cells.band_of(run)
    t = findings.fates(table, band.otsu).query("fate == 'settled in a wrong place'").set_index("segment")
    end, wrong = t.index.max(), table[~table[f"correct_{SEGMENTS:03d}"]]
    shares = [f"{proportion(int(t.n[at]), int(t.of[at])):.1%} at segment {at}" for at in sorted({SEGMENTS, 64, end} & set(t.index))]
    still = wrong[~wrong[f"correct_{end:03d}"]]
    drift = f"Median log10 late drift of the {len(still):,} still wrong at {end}: {still[f'late_{SEGMENTS:03d}'].median():.2f} at {SEGMENTS}, {still[f'late_{end:03d}'].median():.2f} at {end}, "
    drift += f"where that of the puzzles solved at {SEGMENTS} is {table.loc[table.correct_in_table, f'late_{end:03d}'].median():.2f}. "
    verdict = {True: "Its wandering is mostly slow settling.", False: "Most do not settle in a wrong place later either.", None: "Whether most settle is undecided."}[rests(run)]
    return f"**{run.name}**: of {len(wrong):,} failures, settled in a wrong place are {', '.join(shares)}. {drift}{verdict if band.exists else 'No band at 16, so no verdict.'}"


def later(runs: list[Run]) -> str:
    """Two paragraphs: in which runs the failures come to rest in a wrong place after segment 16, and in which they do not; what tells them apart; Markdown."""
    end = max((max(findings.marks(table)) for _, table in with_study(runs, "long")), default=SEGMENTS)
    answers = {run.name: rests(run) for run in runs}
    groups = {first.name: [rests(run) for run in (first, *rest)] for first, *rest in with_repeats(runs)}
    split = {name: found for name, found in groups.items() if {True, False} <= set(found)}
    named = {answer: ", ".join(f"`{name}`" for name, found in answers.items() if found is answer and name not in split) for answer in (True, False)}
    parts = [f"most failures of {named[True]} do come to rest in a wrong place after all, only later than the paper looks"] if named[True] else []
    parts += [f"most of those of {named[False]} do not"] if named[False] else []
    parts += [f"the trainings of `{name}` disagree ({found.count(True)} yes, {found.count(False)} no)" for name, found in split.items()]
    if not parts:
        return ""
    trained = all_trained(runs)
    negative = {run.name: bool(run.table.lambda_1[~run.table.correct].median() < 0) for run in trained}
    told = {run.name: rests(run) for run in trained}
    agree = [answer is negative[name] for name, answer in told.items() if answer is not None]
    sign = f"The sign of the median growth of a run's failures over its {SEGMENTS} segments tells which in {sum(agree)} of {len(agree)} runs"
    sign += f"{', repeats from other seeds included' if len(trained) > len(runs) else ''}: where it is negative, they settle."
    silent = ", ".join(f"`{name}`" for name, answer in told.items() if answer is None)
    sign += f" Not counted, for want of a band or of a decided share: {silent}." if silent else ""
    signs = {(run.meta["model"], negative[run.name]) for run in trained if told[run.name] is not None}
    if signs in ({("hrm", True), ("trm", False)}, {("hrm", False), ("trm", True)}):
        sign += " As all HRMs among them have one sign and all TRMs the other, the architecture tells it as well: these runs cannot separate the two."
    paragraphs = [f"Run on to segment {end}, {'; '.join(parts)} ([section 4](../notebooks/4_prior_accounts.md)). {sign}", f"{ranges_sentence(runs)} {changes_sentence(runs)}".strip()]
    return "\n\n".join(filter(None, paragraphs))


def headline(runs: list[Run]) -> pd.DataFrame:
    """The book in one table: the paper's two models and every run; settled is below Otsu's threshold, at 16 and later."""
    settled = report.cells_table(runs)
    settled = settled[settled.threshold.str.startswith("otsu")].set_index("run")["failures that settle"]
    growth = report.growth_table(runs).set_index("run")["growth wrong, per segment"]
    auc = report.separation_table(runs).set_index("run")["AUC of -λ1"]
    rows = [{"run": name, "source": PAPER, "AUC of -λ1": auc[name], "growth of failures": growth[name], "failures settled at 16": settled[name]} for name in ("TRM", "HRM")]
    for run in runs:
        fates = {name: findings.fate_at_end(run, fate) for name, fate in (("later solved", "solved later"), ("later settled, wrong", "settled in a wrong place"))}
        row = {"run": run.name, "source": HERE, "solved": f"{run.table.correct.mean():.1%} of {len(run.table):,}", "band": "yes" if cells.band_of(run).exists else "no",
               "AUC of -λ1": auc[run.name], "growth of failures": growth[run.name]}  # fmt: skip
        rows.append(row | {"failures settled at 16": settled.get(run.name, "–")} | {k: "–" if np.isnan(e.value) else f"{e:.1%}" for k, e in fates.items()})
    columns = ["run", "source", "solved", "band", "AUC of -λ1", "growth of failures", "failures settled at 16", "later solved", "later settled, wrong"]
    table = pd.DataFrame(rows, columns=columns).astype(object)
    return table.where(table.notna(), "–")


def with_repeats(runs: list[Run]) -> list[list[Run]]:
    """Each of `runs` that was trained again from other seeds, followed by its repeats."""
    repeats = tables.repeats()
    return [[run, *tables.load_runs(repeats[run.name]).values()] for run in runs if run.name in repeats]


def all_trained(runs: list[Run]) -> list[Run]:
    """`runs`, and the repeats of those that were trained again."""
    return [*runs, *(repeat for _, *rest in with_repeats(runs) for repeat in rest)]


FACTORS = {"mixing": {"attention": "attention", "mlp": "an MLP"}, "model": {"HRM": "HRM", "TRM": "TRM"}}


def ranges_sentence(runs: list[Run]) -> str:
    """Between which shares the failures settle in a wrong place, by mixing and by architecture, and which of the two tells the runs apart; Markdown.

    Every run counts at its measured step, repeats included; empty unless both factors differ between the runs, and not alike.
    """
    table = findings.settling(all_trained(runs), along=False)
    groups = {factor: {level: part for level, part in table.groupby(factor)} for factor in FACTORS}
    if any(len(found) < 2 for found in groups.values()) or table[list(FACTORS)].drop_duplicates().shape[0] < 3:
        return ""
    told, apart = {}, {}
    for factor, found in groups.items():
        told[factor] = ", ".join(f"{FACTORS[factor][level]} {part.settled.min():.0%} to {part.settled.max():.0%}" for level, part in found.items())
        lower, upper = sorted(found.values(), key=lambda part: part.settled.min())[:2]
        apart[factor] = bool(lower.settled.max() < upper.settled.min())
    names = {"mixing": "how a network mixes cells", "model": "the architecture"}
    verdict = {(True, False): f"so {names['mixing']} tells these runs apart, {names['model']} does not", (False, True): f"so {names['model']} tells these runs apart, {names['mixing']} does not",
               (True, True): "each tells these runs apart", (False, False): "neither tells these runs apart"}[apart["mixing"], apart["model"]]  # fmt: skip
    return f"Over all {len(table)} at their measured steps, the share that settles in a wrong place is, by mixing, {told['mixing']}; by architecture, {told['model']}: {verdict}."


def change_along(run: Run) -> tuple[str, pd.Series, pd.Series] | None:
    """("falls" or "does not clearly fall", row of its highest value, last row) of the share of failures that settle in a wrong place.

    Over the checkpoints with enough failures; None without two. It falls where the interval of the last lies below that of the highest.
    """
    table = findings.fates_along(run)
    table = table.dropna(subset=["settled"]) if table is not None else pd.DataFrame()
    if len(table) < 2:
        return None
    most, last = table.loc[table.settled.idxmax()], table.iloc[-1]
    return "falls" if last.high < most.low else "does not clearly fall", most, last


def changes_sentence(runs: list[Run]) -> str:
    """In which trainings the share that settles in a wrong place falls again; Markdown, empty where no checkpoint was followed."""
    found = {run.name: change_along(run) for run in runs}
    parts = [f"{how} in {', '.join(f'`{name}`' for name, change in found.items() if change and change[0] == how)}" for how in dict.fromkeys(c[0] for c in found.values() if c)]
    return f"But a run is one moment of its training: from its highest value to the last checkpoint that could be followed, that share {'; it '.join(parts)}." if parts else ""


def along_sentence(run: Run) -> str:
    """How the share of failures that settle in a wrong place changes along a training; Markdown."""
    found = change_along(run)
    if found is None:
        return f"**{run.name}**: fewer than two checkpoints with {findings.SMALLEST} failures."
    change, *rows = found
    most, last = (f"{r.settled:.0%} {report.interval(r.low, r.high, '.0%')} at step {r.step:,.0f} (accuracy {r.accuracy:.0%}, growth {r.growth:+.2f})" for r in rows)
    return f"**{run.name}**: the share of failures that end settled in a wrong place is highest with {most}; at the last checkpoint that can tell it is {last}: it {change}."


def settling_sentence(runs: list[Run]) -> str:
    """How closely the share that settles follows the growth of the failures, over every checkpoint of every run; Markdown."""
    table = findings.settling(all_trained(runs))
    if len(table) < 3:
        return ""
    rho = {name: table[name].corr(table.settled, method="spearman") for name in ("growth", "accuracy")}
    return (
        f"Over {len(table)} checkpoints of {table.run.nunique()} runs, repeats included, the rank correlation of the share that settles in a wrong place with the median growth of the failures is {rho['growth']:+.2f}, "
        f"with accuracy {rho['accuracy']:+.2f}. Checkpoints of one training are not independent, so this is a description, not a test."
    )


CLEAR = -0.7  # rank correlation from which the summary speaks of a rule


def in_short(runs: list[Run]) -> str:
    """The rule that the checkpoints show, in one sentence; Markdown, empty where they do not show it.

    It is said only where the rank correlation of growth and settling is at most :data:`CLEAR` and the median share that settles is above one half
    for checkpoints whose failures shrink, below one half for those whose failures grow.
    """
    table, changes = findings.settling(all_trained(runs)), [change for run in runs if (change := change_along(run))]
    if len(table) < 3 or not changes:
        return ""
    shrink, grow = (table.settled[mask].median() for mask in (table.growth < 0, table.growth > 0))
    if not (table.growth.corr(table.settled, method="spearman") <= CLEAR and shrink > 0.5 > grow):
        return ""
    falls = sum(change[0] == "falls" for change in changes)
    return (
        "**In short.** Where the tangents of a model's failures shrink over the 16 segments, most of its failures end settled in a wrong place, only later; where they grow, most go on "
        f"moving. In {falls} of {len(changes)} trainings that were followed the share that settles falls again: such a model has passed from the one to the other."
    )


def seeds_table(runs: list[Run]) -> pd.DataFrame:
    """:func:`headline` of the runs that were trained again, each with its repeats, and their seeds."""
    found = [run for group in with_repeats(runs) for run in group]
    table = headline(found)
    table = table[table.source == HERE].reset_index(drop=True)
    table.insert(2, "seed", [run.meta["recipe"]["seed"] for run in found])
    return table


def seeds_sentence(runs: list[Run]) -> str:
    """What becomes of the failures in each training of a run that was trained again; Markdown, empty where none was."""
    parts = []
    for group in with_repeats(runs):
        shares = [findings.fate_at_end(run, "settled in a wrong place") for run in group]
        bands = ["" if cells.band_of(run).exists else " (no band)" for run in group]
        said = ["–" if np.isnan(e.value) else f"{e:.0%}{band}" for e, band in zip(shares, bands, strict=True)]
        parts.append(f"`{group[0].name}` ({len(group)} trainings): {', '.join(said)}")
    text = "Share of the failures that end below Otsu's threshold in a wrong place, from one seed to the next: "
    return text + "; ".join(parts) + "." if parts else ""


def weak_bands(runs: list[Run]) -> str:
    """Which runs have their band by one of the two tests alone; Markdown, empty where none has."""
    by = {run.name: cells.band_of(run).by for run in runs}
    parts = [f"by {'the ' if test == 'dip test' else ''}{test} alone: {', '.join(f'`{name}`' for name, found in by.items() if found == test)}" for test in ("separability", "dip test") if test in by.values()]
    return f"Runs that have their band {'; '.join(parts)}. What is said of cells there rests on less." if parts else ""


def floor_sentence(made: Made) -> str:
    """How far the calm end of late drift is float32 round-off: medians by outcome in float32 and in float64; Markdown."""
    parts = []
    for run, table in made:
        late = {v: pd.Series(cells.late_drift(part), index=part.correct.to_numpy()) for v, part in table.groupby("variant") if v in ("float32", "float64")}
        if len(late) == 2:
            medians = {(v, good): late[v][late[v].index == good].median() for v in late for good in (True, False)}
            parts.append(f"{run.name}: solved {medians['float32', True]:.2f} in float32, {medians['float64', True]:.2f} in float64; failed {medians['float32', False]:.2f} and {medians['float64', False]:.2f}")
    return f"Median log10 late drift: {'. '.join(parts)}." if parts else ""


def probes_table(made: Made) -> pd.DataFrame:
    """Ren & Liu's two probes: one blank, and one row masked."""
    rows = [labelled(run, findings.probes(table, strict(run))) for run, table in made]
    out = joined(rows)
    for column in ("right at 16", "ever right", "stays right, once right"):
        if column in out:
            out[column] = [f"{e:.1%}" for e in out[column]]
    return out


def restarts_table(made: Made, counts: tuple[int, ...] = (1, 4, 16)) -> pd.DataFrame:
    """Accuracy of each rule at some numbers of restarts, one row a rule."""
    rows = []
    for run, table in made:
        curve = findings.restart_curve(run, table)
        for pick, part in curve.groupby("pick", sort=False):
            part = part.set_index("restarts")
            found = {f"R = {r}": f"{part.accuracy[r]:.1%} [{part.low[r]:.1%}, {part.high[r]:.1%}]" for r in counts if r in part.index}
            rows.append({"run": run.name, "source": HERE, "pick by": pick, "puzzles": int(part.n.iloc[0]), **found})
    return pd.DataFrame(rows) if rows else joined([])


def pruning_table(made: Made, h: int, share: float = 0.5) -> pd.DataFrame:
    """Give up the worse part of the unsolved at h: compute saved, and the share of solved puzzles lost, by signal."""
    if h not in range(1, SEGMENTS):
        raise ValueError(f"h={h}: expected 1..{SEGMENTS - 1}, a segment after which puzzles are given up")
    rows = []
    for run, table in made:
        part = table[(table.h == h) & (table.share == share)]
        for r in part.itertuples():
            lost = stats.proportion(r.lost, r.solved)
            rows.append({"run": run.name, "source": HERE, "give up by": r.signal, "unsolved": r.n_wrong_at_h, "given up": r.given_up, "segments saved": f"{r.saved:.1%}",
                         "solved puzzles lost": f"{lost:.1%}"})  # fmt: skip
    return pd.DataFrame(rows) if rows else joined([])


def numerics_table(made: Made) -> pd.DataFrame:
    """Precision, tangent seed and QR interval against float32."""
    out = joined([labelled(run, findings.numerics(table)) for run, table in made])
    if "outcomes that swap" in out:
        out["outcomes that swap"] = [f"{e:.1%}" for e in out["outcomes that swap"]]
        for column in ("median change of λ1", "largest"):
            out[column] = [f"{v:.1e}" if np.isfinite(v) else "–" for v in out[column]]
    return out


def horizon_marks(run: Run) -> pd.DataFrame:
    """The paper's early-window figures for a run's architecture as marks of a chart: h, signal, auc, source."""
    p = tables.published("early_window")
    mine = p[(p.model == run.meta["model"].upper()) & p.quantity.str.fullmatch(r"auc_(drift_h|q_halt|lambda1)_\d+")]
    parts = mine.quantity.str.extract(r"auc_(?P<signal>.+)_(?P<h>\d+)")
    return pd.DataFrame({"h": parts.h.astype(int), "signal": parts.signal, "auc": mine.value, "source": f"paper, {run.meta['model'].upper()} on 9x9"})


def horizons_numbers(run: Run) -> pd.DataFrame:
    """The horizon sweep in numbers: one row a horizon and set of puzzles, AUC with interval of each signal."""
    rows = []
    for restricted in (True, False):
        table = report.horizons_table(run, restricted=restricted)
        for h, part in table.groupby("h"):
            first = part.iloc[0]
            cells_ = {r.signal: f"{r.auc:.3f} {report.interval(r.low, r.high)}" if np.isfinite(r.auc) else "–" for r in part.itertuples()}
            rows.append({"h": h, "puzzles": "still wrong" if restricted else "all", "n": f"{first.n_correct}, {first.n_wrong}"} | cells_)
    return pd.DataFrame(rows)


def drift_sign_table(runs: list[Run], horizons: tuple[int, ...] = (1, 2, 4, 6, 8, 10, 12, 15)) -> pd.DataFrame:
    """Which way drift points at each horizon among puzzles still wrong there: + more drift, later solved; - the other way."""
    rows = []
    for run in runs:
        found = {}
        for h in horizons:
            t = stats.early_window(run.table, run.updates_per_segment, h).query("subset != 'all' and signal == 'drift_h'").iloc[0]
            found[f"h = {h}"] = "–" if np.isnan(t.auc) else f"{'+' if t.low > 0.5 else '−' if t.high < 0.5 else '0'} ({t.auc:.2f})"
        rows.append({"run": run.name, "source": HERE} | found)
    return pd.DataFrame(rows)


def difficulty_table(runs: list[Run]) -> pd.DataFrame:
    """How well givens and both solver counts go with the outcome, and the AUC of -λ1 within bins of each."""
    from scipy.stats import spearmanr

    rows = []
    for run in runs:
        for by in ("givens", "backtracks", "naked_backtracks"):
            values = run.table[by]
            rho = spearmanr(values, run.table.correct).statistic if values.nunique() > 1 else np.nan
            rows.append({"run": run.name, "source": HERE, "difficulty": by, "median": values.median(), "rank correlation with solved": rho,
                         "AUC of -λ1 within bins": str(stats.binned_auc(run.table, by)[1])})  # fmt: skip
    return pd.DataFrame(rows)


def lingering_table(runs: list[Run]) -> pd.DataFrame:
    """Failures that entered the strict band and left it, a row a run."""
    rows = []
    for run in runs:
        band, t = cells.band_of(run), findings.classes(run).set_index("class")
        name = "entered the band and left it (lingering)"
        rows.append({"run": run.name, "source": HERE, "failures": int((~run.table.correct).sum()), "lingered": t.n[name], "share": f"{t.share[name]:.1%}",
                     "note": "" if band.exists else f"no band: {band.reason}"})  # fmt: skip
    return pd.DataFrame(rows)
