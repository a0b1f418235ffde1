"""What becomes of the failures when they are run on: by run, from one seed to the next, along a training; tables and sentences.

Settled in a wrong place: the mean drift of the four segments up to a horizon is below the run's own Otsu threshold. Like :mod:`rrm_core.study_report`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core import cells, findings, motion, report, stats, tables
from rrm_core.report import HERE, PAPER
from rrm_core.stats import proportion
from rrm_core.study_report import Made, joined, with_study
from rrm_core.tables import SEGMENTS, Run


def headline(runs: list[Run]) -> pd.DataFrame:
    """The book in one table: the paper's two models and every run; settled is below Otsu's threshold, at 16 and later."""
    settled = report.cells_table(runs)
    settled = settled[settled.threshold.str.startswith("otsu")].set_index("run")["failures that settle"]
    growth = report.growth_table(runs).set_index("run")["growth wrong, per segment"]
    printed = tables.published("separation").query("quantity == 'auc_lambda_1'").set_index("model")
    paper = tables.published("runs").query("quantity == 'accuracy'").set_index("model")
    rows = [{"run": name, "source": PAPER, "solved": f"{paper.value[name]:.1%} of {paper.n[name]:,.0f}", "band": "yes", "AUC of -λ1": report.paper_value(printed.loc[name]), "growth of failures": growth[name], "failures settled at 16": settled[name]}
            for name in ("TRM", "HRM")]  # fmt: skip
    for run in runs:
        fates = {name: findings.fate_at_end(run, fate) for name, fate in (("later solved", "solved later"), ("later settled, wrong", "settled in a wrong place"))}
        row = {"run": run.name, "source": HERE, "solved": f"{run.table.correct.mean():.1%} of {len(run.table):,}", "band": "yes" if cells.band_of(run).exists else "no",
               "AUC of -λ1": str(stats.auc(-run.table.lambda_1, run.table.correct)), "growth of failures": growth[run.name]}  # fmt: skip
        rows.append(row | {"failures settled at 16": settled.get(run.name, "–")} | {k: "–" if np.isnan(e.value) else f"{e:.1%}" for k, e in fates.items()})
    columns = ["run", "source", "solved", "band", "AUC of -λ1", "growth of failures", "failures settled at 16", "later solved", "later settled, wrong"]
    table = pd.DataFrame(rows, columns=columns).astype(object)
    return table.where(table.notna(), "–")


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
    drift += f"where that of the puzzles solved at {SEGMENTS} is by then {table.loc[table.correct_in_table, f'late_{end:03d}'].median():.2f}. "
    verdict = {True: "Its wandering is mostly slow settling.", False: "Most do not settle in a wrong place later either.", None: "Whether most settle is undecided."}[rests(run)]
    return f"**{run.name}**: of {len(wrong):,} failures, settled in a wrong place are {', '.join(shares)}. {drift}{verdict if band.exists else 'No band at 16, so no verdict.'}"


def fates_table(made: Made) -> pd.DataFrame:
    """What became of the puzzles wrong at 16 by the end of the long rollout, how many had been right earlier, and whether right answers were left."""
    rows = []
    for run, table in made:
        failed = table[~table[f"correct_{SEGMENTS:03d}"]]
        solved, end = table[table.correct_in_table], max(findings.marks(table))
        row = {"run": run.name, "source": HERE, f"wrong at {SEGMENTS}": len(failed)}
        row |= {f"{name} by {end}": f"{findings.fate_at_end(run, name):.1%}" for name in ("solved later", "settled in a wrong place", "still moving")}
        again = failed[failed[f"correct_{end:03d}"]]
        row["of those solved, for the first time"] = f"{proportion(int((again.solved_at > SEGMENTS).sum()), len(again)):.1%}" if len(again) else "–"
        row[f"right before {SEGMENTS}"] = f"{proportion(int((failed.solved_at > 0).sum() - (failed.solved_at > SEGMENTS).sum()), len(failed)):.1%}"
        row["left a right answer, of those ever right"] = f"{proportion(int((table.left > 0).sum()), int((table.solved_at > 0).sum())):.1%}"
        row[f"solved at {SEGMENTS}, wrong at {end}"] = f"{proportion(int((~solved[f'correct_{end:03d}']).sum()), len(solved)):.1%}"
        rows.append(row)
    return pd.DataFrame(rows) if rows else joined([])


def later(runs: list[Run]) -> str:
    """Two paragraphs: in which runs the failures come to rest in a wrong place after segment 16, and in which they do not; what tells them apart; Markdown."""
    end = max((max(findings.marks(table)) for _, table in with_study(runs, "long")), default=SEGMENTS)
    trained = all_trained(runs)
    told = {run.name: rests(run) for run in trained}
    groups = {first.name: [told[run.name] for run in (first, *rest)] for first, *rest in with_repeats(runs)}
    split = {name: found for name, found in groups.items() if {True, False} <= set(found)}
    named = {answer: ", ".join(f"`{name}`" for name in (run.name for run in runs) if told[name] is answer and name not in split) for answer in (True, False)}
    parts = [f"most failures of {named[True]} do come to rest in a wrong place after all, only later than the paper looks"] if named[True] else []
    parts += [f"most of those of {named[False]} do not"] if named[False] else []
    parts += [f"the trainings of `{name}` disagree ({found.count(True)} yes, {found.count(False)} no)" for name, found in split.items()]
    if not parts:
        return ""
    negative = {run.name: bool(run.table.lambda_1[~run.table.correct].median() < 0) for run in trained}
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


# --- what moves in the end ---------------------------------------------------------------------------------------------


def motions_table(made: Made) -> pd.DataFrame:
    """Shares of each motion with exact intervals, how many at rest are right, the median length of the cycles, and the median growth of the regular and of the parting."""
    rows = []
    for run, table in made:
        for outcome, part in motion.motions(run, table).groupby("outcome", sort=False):
            of = {name: part[part.motion == name] for name in motion.MOTIONS}
            row = {"run": run.name, "source": HERE, "at 16": outcome, "n": len(part)} | {name: f"{proportion(len(found), len(part)):.0%}" for name, found in of.items()}
            rest = of["at rest"][f"correct_{motion.END}"]
            row |= {"right, of those at rest": f"{rest.mean():.0%}" if len(rest) else "–", "segments in a cycle": of["on a cycle"][f"lag_{motion.END}"].quantile(0.5, "lower")}
            rows.append(row | {f"growth, {name}": of[name][f"growth_{motion.END}"].median() for name in ("regular", "parting")})
    return pd.DataFrame(rows) if rows else joined([])


def motions_sentence(runs: list[Run]) -> str:
    """In which of `runs` and their repeats what still moves after the long rollout wanders, neighbours parting, and in which it goes round regularly; Markdown, empty where none can tell."""
    found = {run.name: motion.parting(run) for run in all_trained(runs)}
    told = [f"{e.value:.0%} {report.interval(e.low, e.high, '.0%')} in `{name}` ({e.n})" for name, e in found.items() if not np.isnan(e.value)]
    if not told:
        return ""
    return (
        f"And to move is not yet to wander. Of the failures that still move after {motion.END} segments, counted where at least {findings.SMALLEST} of those followed do, neighbours part in "
        f"{', '.join(told)}; the others go round cycles, or move in a regular way that lets no neighbours part ([section 4](../notebooks/4_prior_accounts.md))."
    )


def parting_sentence(runs: list[Run]) -> str:
    """How far the share that parts depends on where the threshold on growth stands; Markdown, empty where no run can tell."""
    shares = {run.name: [motion.parting(run, factor * motion.PARTING).value for factor in (0.5, 1, 2)] for run in runs}
    told = [f"{low:.0%}, {here:.0%}, {high:.0%} in `{name}`" for name, (low, here, high) in shares.items() if not np.isnan(here)]
    return f"With the threshold on growth halved, as it is, and doubled, the share that parts of the failures that still move is {'; '.join(told)}." if told else ""


def motion_sentence(run: Run, table: pd.DataFrame) -> str:
    """How many of a run's failures still move, in which way, and whether their growth over 16 segments had told; Markdown."""
    failed = motion.motions(run, table).query("outcome == 'wrong'")
    moving = failed[failed.motion != "at rest"]
    if moving.empty:
        return f"**{run.name}**: none of {len(failed)} failures still moves."
    n = {name: int((moving.motion == name).sum()) for name in motion.MOTIONS[1:]}
    text = f"**{run.name}**: of {len(failed)} failures {len(moving)} still move ({int(moving[f'correct_{motion.END}'].sum())} of them with the right answer by then): {n['on a cycle']} on a cycle, {n['regular']} regular, {n['parting']} parting from their neighbours ({proportion(n['parting'], len(moving)):.0%} of those that move)."
    parting = failed.motion == "parting"
    calm, told = failed[~parting], stats.auc(failed.growth_016, parting)
    if calm.empty:
        return text
    text += f" Of the {len(calm)} that do not part in the end, {int((calm.growth_016 > 0).sum())} had tangents that grew over the first 16 segments."
    return text if np.isnan(told.value) else text + f" AUC of that early growth for parting in the end: {told:.2f}."


# --- from one seed to the next ---------------------------------------------------------------------------------------


def with_repeats(runs: list[Run]) -> list[list[Run]]:
    """Each of `runs` that was trained again from other seeds, followed by its repeats."""
    repeats = tables.repeats()
    return [[run, *tables.load_runs(repeats[run.name]).values()] for run in runs if run.name in repeats]


def all_trained(runs: list[Run]) -> list[Run]:
    """`runs`, and the repeats of those that were trained again, each run once."""
    every = [*runs, *(repeat for _, *rest in with_repeats(runs) for repeat in rest)]
    return list({run.name: run for run in every}.values())


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


# --- along the training, and over every run -------------------------------------------------------------------------


def fates_along(run: Run) -> pd.DataFrame | None:
    """One row a checkpoint: step, accuracy, median growth of its failures over 16 segments, share of them settled in a wrong place in the end.

    Settled is below the run's own Otsu threshold at every step. Accuracy and growth are of the study `evolution` (256 puzzles), the share with
    its exact interval of the study `fates`, NaN below 20 failures. None where the run lacks one of the two.
    """
    evolved, followed = findings.study(run, "evolution"), findings.study(run, "fates")
    if evolved is None or followed is None:
        return None
    threshold, rows = cells.band_of(run).otsu, []
    for step, part in followed.groupby("step"):
        now = evolved[evolved.step == step]
        growth = now.lambda_1[~now.correct].median() * run.updates_per_segment
        end = findings.share_at_end(findings.fates(part, threshold), "settled in a wrong place")
        rows.append({"step": step, "accuracy": now.correct.mean(), "growth": growth, "n": end.n, "settled": end.value, "low": end.low, "high": end.high})
    return pd.DataFrame(rows)


def settling(runs: list[Run], along: bool = True) -> pd.DataFrame:
    """One row a run and checkpoint: run, model, mixing, and what :func:`fates_along` gives.

    The measured step of each run is that of its long rollout, all its failures; the others are there where `along` and the run has them. Rows
    that cannot be measured are left out.
    """
    parts = []
    for run in runs:
        growth, end = run.table.lambda_1[~run.table.correct].median() * run.updates_per_segment, findings.fate_at_end(run, "settled in a wrong place")
        rows = pd.DataFrame([{"step": run.meta["step"], "accuracy": run.table.correct.mean(), "growth": growth, "n": end.n, "settled": end.value, "low": end.low, "high": end.high}])
        others = fates_along(run) if along else None
        if others is not None:
            rows = pd.concat([others[others.step != run.meta["step"]], rows]).sort_values("step")
        parts.append(rows.dropna(subset=["settled"]).assign(run=run.name, model=run.meta["model"].upper(), mixing=run.meta["architecture"]["mixing"]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["run", "model", "mixing", "step", "accuracy", "growth", "n", "settled", "low", "high"])


def change_along(run: Run) -> tuple[str, pd.Series, pd.Series] | None:
    """("falls" or "does not clearly fall", row of its highest value, last row) of the share of failures that settle in a wrong place.

    Over the checkpoints of :func:`settling`; None without two. It falls where the interval of the last lies below that of the highest.
    """
    table = settling([run])
    if len(table) < 2:
        return None
    most, last = table.loc[table.settled.idxmax()], table.iloc[-1]
    return "falls" if last.high < most.low else "does not clearly fall", most, last


def changes_sentence(runs: list[Run]) -> str:
    """In which trainings the share that settles in a wrong place falls again; Markdown, empty where no checkpoint was followed."""
    found = {run.name: change_along(run) for run in all_trained(runs)}
    parts = [f"{how} in {', '.join(f'`{name}`' for name, change in found.items() if change and change[0] == how)}" for how in dict.fromkeys(c[0] for c in found.values() if c)]
    return f"But a run is one moment of its training: from its highest value to the last checkpoint that could be followed, that share {'; it '.join(parts)}." if parts else ""


def along_sentence(run: Run) -> str:
    """How the share of failures that settle in a wrong place changes along a training; Markdown."""
    found = change_along(run)
    if found is None:
        return f"**{run.name}**: fewer than two checkpoints with {findings.SMALLEST} failures."
    change, *rows = found
    if rows[0].step == rows[1].step:
        r = rows[1]
        return f"**{run.name}**: the share of failures that end settled in a wrong place is highest at the last checkpoint that was followed, {r.settled:.0%} {report.interval(r.low, r.high, '.0%')} at step {r.step:,.0f}: what comes later is open."
    most, last = (f"{r.settled:.0%} {report.interval(r.low, r.high, '.0%')} at step {r.step:,.0f} (accuracy {r.accuracy:.0%}, growth {r.growth:+.2f})" for r in rows)
    return f"**{run.name}**: the share of failures that end settled in a wrong place is highest with {most}; at the last checkpoint that can tell it is {last}: it {change}."


def settling_sentence(runs: list[Run]) -> str:
    """How closely the share that settles follows the growth of the failures, over every checkpoint of every run; Markdown."""
    table = settling(all_trained(runs))
    if len(table) < 3:
        return ""
    rho = {name: table[name].corr(table.settled, method="spearman") for name in ("growth", "accuracy")}
    return (
        f"Over {len(table)} checkpoints of {table.run.nunique()} runs, repeats included, the rank correlation of the share that settles in a wrong place with the median growth of the failures is {rho['growth']:+.2f}, "
        f"with accuracy {rho['accuracy']:+.2f}. Checkpoints of one training are not independent, so this is a description, not a test."
    )


FACTORS = {"mixing": {"attention": "attention", "mlp": "an MLP"}, "model": {"HRM": "HRM", "TRM": "TRM"}}


def ranges_sentence(runs: list[Run]) -> str:
    """Between which shares the failures settle in a wrong place, by mixing and by architecture, and which of the two tells the runs apart; Markdown.

    Every run counts at its measured step, repeats included; empty unless both factors differ between the runs, and not alike.
    """
    table = settling(all_trained(runs), along=False)
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
    return f"Over all {len(table)} at their measured steps, with a band or without, the share that settles in a wrong place is, by mixing, {told['mixing']}; by architecture, {told['model']}: {verdict}."


CLEAR = -0.7  # rank correlation from which the summary speaks of a rule


def in_short(runs: list[Run]) -> str:
    """The rule that the checkpoints show, in one sentence; Markdown, empty where they do not show it.

    It is said only where the rank correlation of growth and settling is at most :data:`CLEAR`, the median share that settles is above one half for
    checkpoints whose failures shrink, and below one half for every checkpoint whose failures grow.
    """
    every = all_trained(runs)
    table, changes = settling(every), [change for run in every if (change := change_along(run))]
    if len(table) < 3 or not changes:
        return ""
    shrink, grow = table.settled[table.growth < 0].median(), table.settled[table.growth > 0].max()
    if not (table.growth.corr(table.settled, method="spearman") <= CLEAR and shrink > 0.5 > grow):
        return ""
    falls, passed = sum(how == "falls" for how, _, _ in changes), sum(last.settled < 0.5 and last.growth > 0 for _, _, last in changes)
    return (
        "**In short.** The more the tangents of a model's failures shrink over the 16 segments, the more of these failures end settled in a wrong place, only later; where they grow, less "
        f"than half do, and the others go on moving or are solved. In {falls} of {len(changes)} trainings that were followed the share that settles falls again, in {passed} of them to below "
        "one half while growth turns positive."
    )
