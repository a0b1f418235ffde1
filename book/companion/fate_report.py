"""What becomes of the failures when they are run on: by run, from one seed to the next, along a training; tables and sentences.

Settled in a wrong place: the mean drift of the four segments up to a horizon is below the run's own Otsu threshold. Like :mod:`rrm_companion.study_report`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from rrm_companion import report
from rrm_companion.report import HERE, PAPER
from rrm_companion.study_report import Made, joined, with_study

from rrm_core.analysis import cells, stats
from rrm_core.analysis import fates as findings
from rrm_core.analysis.stats import proportion
from rrm_core.runs import tables
from rrm_core.runs.tables import SEGMENTS, Run

WRONG_PLACE = "settled in a wrong place"


def headline(runs: list[Run]) -> pd.DataFrame:
    """The book in one table: the paper's two models and every run; settled is below Otsu's threshold, at 16 and later."""
    settled = report.cells_table(runs)
    settled = settled[settled.threshold.str.startswith("otsu")].set_index("run")[
        "failures that settle"
    ]
    growth = report.growth_table(runs).set_index("run")["growth wrong, per segment"]
    printed = tables.published("separation").query("quantity == 'auc_lambda_1'").set_index("model")
    paper = tables.published("runs").query("quantity == 'accuracy'").set_index("model")
    rows = [
        {
            "run": name,
            "source": PAPER,
            "solved": f"{paper.value[name]:.1%} of {paper.n[name]:,.0f}",
            "band": "yes",
            "AUC of -λ1": report.paper_value(printed.loc[name]),
            "growth of failures": growth[name],
            "failures settled at 16": settled[name],
        }
        for name in ("TRM", "HRM")
    ]
    for run in runs:
        fates = {
            name: findings.fate_at(run, fate)
            for name, fate in (
                ("later solved", "solved later"),
                ("later settled, wrong", "settled in a wrong place"),
            )
        }
        row = {
            "run": run.name,
            "source": HERE,
            "solved": f"{run.table.correct.mean():.1%} of {len(run.table):,}",
            "band": "yes" if cells.band_of(run).exists else "no",
            "AUC of -λ1": str(stats.auc(-run.table.lambda_1, run.table.correct)),
            "growth of failures": growth[run.name],
        }
        rows.append(
            row
            | {"failures settled at 16": settled.get(run.name, "–")}
            | {k: "–" if np.isnan(e.value) else f"{e:.1%}" for k, e in fates.items()}
        )
    columns = [
        "run",
        "source",
        "solved",
        "band",
        "AUC of -λ1",
        "growth of failures",
        "failures settled at 16",
        "later solved",
        "later settled, wrong",
    ]
    table = pd.DataFrame(rows, columns=columns).astype(object)
    return table.where(table.notna(), "–")


def rests(run: Run) -> bool | None:
    """Whether most failures end settled in a wrong place when run on; None: undecided, not measured, or no band to settle in."""
    share = findings.fate_at(run, "settled in a wrong place")
    unknown = (
        np.isnan(share.value) or share.low <= 0.5 <= share.high or not cells.band_of(run).exists
    )
    return None if unknown else bool(share.low > 0.5)


def settling_later(made: Made) -> pd.DataFrame:
    """How the share of failures settled in a wrong place grows with the horizon, and how calm they have become; whether that makes wandering slow settling."""
    rows = []
    for run, table in made:
        band = cells.band_of(run)
        counted, end = findings.fates(table, band.otsu), max(findings.marks(table))
        still = findings.failures(table).query(f"not correct_{end:03d}")
        row = {"run": run.name, "source": HERE, "failures": len(findings.failures(table))}
        row |= {
            f"settled, wrong at {t}": f"{findings.share_at(counted, WRONG_PLACE, t):.1%}"
            if np.isfinite(band.otsu)
            else "–"
            for t in sorted({SEGMENTS, 64, end} & set(counted.segment))
        }
        row |= {
            f"late drift at {t}, of those wrong at {end}": still[f"late_{t:03d}"].median()
            for t in (SEGMENTS, end)
        }
        row[f"at {end}, of those solved at {SEGMENTS}"] = table.loc[
            table.correct_in_table, f"late_{end:03d}"
        ].median()
        verdict = {True: "yes", False: "no", None: "undecided" if band.exists else "no band"}[
            rests(run)
        ]
        rows.append(row | {"do most settle, only later?": verdict})
    return pd.DataFrame(rows) if rows else joined([])


def fates_table(made: Made) -> pd.DataFrame:
    """What became of the puzzles wrong at 16 by the end of the long rollout, how many had been right earlier, and whether right answers were left.

    The long rollout repeats the first segments of the measurement; what came before 16 is read from the measurement, and how many outcomes the repeat swaps has a column.
    """
    rows = []
    for run, table in made:
        failed = findings.failures(table)
        solved, end = table[table.correct_in_table], max(findings.marks(table))
        row = {"run": run.name, "source": HERE, f"wrong at {SEGMENTS}": len(failed)}
        row |= {
            f"{name} by {end}": f"{findings.fate_at(run, name):.1%}"
            for name in ("solved later", "settled in a wrong place", "still moving")
        }
        before = run.table.set_index("idx")[tables.columns("correct")].any(axis=1)
        again = failed[failed[f"correct_{end:03d}"]]
        row["of those solved, for the first time"] = (
            f"{proportion(int((~before[again.idx]).sum()), len(again)):.1%}" if len(again) else "–"
        )
        row[f"right before {SEGMENTS}"] = (
            f"{proportion(int(before[failed.idx].sum()), len(failed)):.1%}"
        )
        row[f"other outcome at {SEGMENTS} when run again"] = (
            f"{proportion(int((table.correct_in_table != table[f'correct_{SEGMENTS:03d}']).sum()), len(table)):.1%}"
        )
        row["left a right answer, of those ever right"] = (
            f"{proportion(int((table.left > 0).sum()), int((table.solved_at > 0).sum())):.1%}"
        )
        row[f"solved at {SEGMENTS}, wrong at {end}"] = (
            f"{proportion(int((~solved[f'correct_{end:03d}']).sum()), len(solved)):.1%}"
        )
        rows.append(row)
    return pd.DataFrame(rows) if rows else joined([])


def later(runs: list[Run]) -> str:
    """In which runs the failures come to rest in a wrong place after segment 16, and in which they do not; what tells them apart; Markdown."""
    end = max(
        (max(findings.marks(table)) for _, table in with_study(runs, "long")), default=SEGMENTS
    )
    trained = all_trained(runs)
    told = {run.name: rests(run) for run in trained}
    groups = {
        first.name: [told[run.name] for run in (first, *rest)]
        for first, *rest in with_repeats(runs)
    }
    split = {name: found for name, found in groups.items() if {True, False} <= set(found)}
    named = {
        answer: ", ".join(
            f"`{name}`"
            for name in (run.name for run in runs)
            if told[name] is answer and name not in split
        )
        for answer in (True, False)
    }
    parts = (
        [
            f"most failures of {named[True]} do come to rest in a wrong place after all, only later than the paper looks"
        ]
        if named[True]
        else []
    )
    parts += [f"most of those of {named[False]} do not"] if named[False] else []
    for first, *rest in (group for group in with_repeats(runs) if group[0].name in split):
        said = {True: "most do", False: "most do not", None: "undecided, or without a band"}
        parts.append(
            f"the trainings of `{first.name}` are at different points and disagree: "
            + ", ".join(
                f"{said[told[run.name]]} at {run.table.correct.mean():.0%} solved"
                for run in (first, *rest)
            )
        )
    if not parts:
        return ""
    negative = {
        run.name: bool(run.table.lambda_1[~run.table.correct].median() < 0) for run in trained
    }
    agree = {name: answer is negative[name] for name, answer in told.items() if answer is not None}
    others = ", ".join(f"`{name}`" for name, right in agree.items() if not right)
    sign = f"The sign of the median growth of a run's failures over its {SEGMENTS} segments tells which in {sum(agree.values())} of {len(agree)} runs"
    sign += f"{', repeats from other seeds included' if len(trained) > len(runs) else ''}: where it is negative, they settle{f' (not so in {others})' if others else ''}."
    silent = ", ".join(f"`{name}`" for name, answer in told.items() if answer is None)
    sign += f" Not counted, for want of a band or of a decided share: {silent}." if silent else ""
    signs = {
        (run.meta["model"], negative[run.name]) for run in trained if told[run.name] is not None
    }
    if signs in ({("hrm", True), ("trm", False)}, {("hrm", False), ("trm", True)}):
        sign += " As all HRMs among them have one sign and all TRMs the other, the architecture tells it as well: these runs cannot separate the two."
    return f"Run on to segment {end}, {'; '.join(parts)} ([section 4](../notebooks/4_prior_accounts.md)). {sign}"


# --- from one seed to the next ---------------------------------------------------------------------------------------


def with_repeats(runs: list[Run]) -> list[list[Run]]:
    """Each of `runs` that was trained again from other seeds, followed by its repeats."""
    repeats = tables.repeats()
    return [
        [run, *tables.load_runs(repeats[run.name]).values()] for run in runs if run.name in repeats
    ]


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


# --- along the training, and over every run -------------------------------------------------------------------------


def fates_along(run: Run) -> pd.DataFrame | None:
    """One row a checkpoint: step, accuracy, median growth of its failures over 16 segments, share of them settled in a wrong place in the end, and at 16.

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
        end, now_settled = (
            findings.share_at(findings.fates(part, threshold), WRONG_PLACE, at)
            for at in (None, SEGMENTS)
        )
        rows.append(
            {
                "step": step,
                "accuracy": now.correct.mean(),
                "growth": growth,
                "n": end.n,
                "settled": end.value,
                "low": end.low,
                "high": end.high,
                "settled_16": now_settled.value,
            }
        )
    return pd.DataFrame(rows)


def settling(runs: list[Run], along: bool = True) -> pd.DataFrame:
    """One row a run and checkpoint: run, model, mixing, and what :func:`fates_along` gives.

    The measured step of each run is that of its long rollout, all its failures; the others are there where `along` and the run has them. Rows
    that cannot be measured are left out.
    """
    parts = []
    for run in runs:
        growth = run.table.lambda_1[~run.table.correct].median() * run.updates_per_segment
        end, now_settled = (findings.fate_at(run, WRONG_PLACE, at) for at in (None, SEGMENTS))
        rows = pd.DataFrame(
            [
                {
                    "step": run.meta["step"],
                    "accuracy": run.table.correct.mean(),
                    "growth": growth,
                    "n": end.n,
                    "settled": end.value,
                    "low": end.low,
                    "high": end.high,
                    "settled_16": now_settled.value,
                }
            ]
        )
        others = fates_along(run) if along else None
        if others is not None:
            rows = pd.concat([others[others.step != run.meta["step"]], rows]).sort_values("step")
        network = {
            "model": run.meta["model"].upper(),
            "mixing": run.meta["architecture"]["mixing"],
            "side": run.meta["side"],
        }
        parts.append(rows.dropna(subset=["settled"]).assign(run=run.name, **network))
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(
            columns=[
                "run",
                "model",
                "mixing",
                "side",
                "step",
                "accuracy",
                "growth",
                "n",
                "settled",
                "low",
                "high",
                "settled_16",
            ]
        )
    )


def change_along(run: Run) -> tuple[str, pd.Series, pd.Series] | None:
    """("falls" or "does not clearly fall", row of its highest value, last row) of the share of failures that settle in a wrong place.

    Over the checkpoints of :func:`settling`; None without two. It falls where the interval of the last lies below that of the highest.
    """
    table = settling([run])
    if len(table) < 2:
        return None
    most, last = table.loc[table.settled.idxmax()], table.iloc[-1]
    return "falls" if last.high < most.low else "does not clearly fall", most, last


def along_table(runs: list[Run]) -> pd.DataFrame:
    """How the share of failures that settle in a wrong place changes along each training that was followed: its highest value, its last, and whether it falls."""
    rows = []
    for run in all_trained(runs):
        if (found := change_along(run)) is None:
            continue
        how, most, last = found
        row = {"run": run.name, "source": HERE}
        for name, r in (("highest", most), ("last", last)):
            row |= {
                f"{name}: share that settles": f"{r.settled:.0%} {report.interval(r.low, r.high, '.0%')}",
                f"{name}: step": r.step,
                f"{name}: solved": f"{r.accuracy:.0%}",
                f"{name}: growth": f"{r.growth:+.2f}",
            }
        rows.append(row | {"it": how if most.step < last.step else "is highest at the last"})
    return pd.DataFrame(rows) if rows else joined([])


def settling_sentence(runs: list[Run]) -> str:
    """How closely the share that settles follows the growth of the failures over the checkpoints of each kind of network; Markdown."""
    told = []
    for (model, mixing), part in settling(all_trained(runs)).groupby(["model", "mixing"]):
        if len(part) >= 5:
            rho = {
                name: part[name].corr(part.settled, method="spearman")
                for name in ("growth", "accuracy")
            }
            told.append(
                f"{rho['growth']:+.2f} for {network(model, mixing)} ({len(part)} checkpoints of {part.run.nunique()} runs; with accuracy {rho['accuracy']:+.2f})"
            )
    if not told:
        return ""
    return (
        f"The rank correlation of the share that settles in a wrong place with the median growth of the failures is, repeats included, {'; '.join(told)}. "
        "Checkpoints of one training are not independent, so this is a description, not a test."
    )


def network(model: str, mixing: str) -> str:
    """A kind of network in words: "HRM with attention"."""
    return f"{model} with {'an MLP' if mixing == 'mlp' else mixing}"


LIKE = 0.03  # difference of accuracy up to which two checkpoints count as equally far
SOLVES = 0.05  # accuracy from which a checkpoint counts as one that solves


def alike(runs: list[Run]) -> pd.DataFrame:
    """Pairs of checkpoints of like accuracy whose networks differ in one thing, architecture or mixing: what becomes of their failures.

    One row a pair, on one board side: side, differ in, and of both (a, b) network, run, step, accuracy, settled, low, high. The nearest
    pair is taken first, and each checkpoint once a comparison; both solve at least 5 %, and differ by at most 3 points.
    """
    table = settling(all_trained(runs)).query("accuracy >= @SOLVES")
    measured = {
        (tables.keeper(run), run.meta["step"]): run.name for run in all_trained(runs)
    }  # a kept checkpoint that is a run as well: the run has more failures
    table = table[
        [
            measured.get((name, step), name) == name
            for name, step in zip(table.run, table.step, strict=True)
        ]
    ]
    table = table.assign(
        network=[network(*pair) for pair in zip(table.model, table.mixing, strict=True)]
    )
    pairs = []
    for factor, same in (("model", "mixing"), ("mixing", "model")):
        both = table.merge(table, on=["side", same], suffixes=(" a", " b"))
        both = (
            both[both[f"{factor} a"] < both[f"{factor} b"]]
            .assign(gap=lambda t: (t["accuracy a"] - t["accuracy b"]).abs())
            .query("gap <= @LIKE")
        )
        used = set()
        for _, row in both.sort_values(["gap", "run a", "step a", "run b", "step b"]).iterrows():
            ends = {(row[f"run {end}"], row[f"step {end}"]) for end in "ab"}
            if not ends & used:
                used |= ends
                pairs.append(
                    row[
                        [
                            "side",
                            *(
                                f"{name} {end}"
                                for end in "ab"
                                for name in (
                                    "network",
                                    "run",
                                    "step",
                                    "accuracy",
                                    "settled",
                                    "low",
                                    "high",
                                )
                            ),
                        ]
                    ].to_dict()
                    | {"differ in": "architecture" if factor == "model" else factor}
                )
    return pd.DataFrame(pairs)


def alike_table(runs: list[Run]) -> pd.DataFrame:
    """:func:`alike` as shown: both checkpoints with what they solve, and the share of their failures that settles in a wrong place."""
    rows = []
    for p in alike(runs).to_dict("records"):
        row = {"differ in": p["differ in"], "source": HERE}
        for end in "ab":
            row[end] = (
                f"{p[f'network {end}']}: {p[f'run {end}']}, step {p[f'step {end}']:,.0f}, {p[f'accuracy {end}']:.0%} solved"
            )
            row[f"settled {end}"] = (
                f"{p[f'settled {end}']:.0%} {report.interval(p[f'low {end}'], p[f'high {end}'], '.0%')}"
            )
        rows.append(row)
    return pd.DataFrame(rows) if rows else joined([])


def alike_sentence(runs: list[Run]) -> str:
    """In how many pairs of like accuracy one network's failures clearly settle more often than the other's; Markdown, empty without pairs."""
    pairs = alike(runs)
    told = []
    for (first, second), part in pairs.groupby(["network a", "network b"]) if len(pairs) else ():
        more, fewer = (
            int((part["low a"] > part["high b"]).sum()),
            int((part["high a"] < part["low b"]).sum()),
        )
        told.append(
            f"those of an {first} settle clearly more often than those of a {second} in {more} of {len(part)} pairs, clearly less often in {fewer}".replace(
                "an TRM", "a TRM"
            )
        )
    return (
        f"Of the failures of checkpoints that solve equally much (within {100 * LIKE:.0f} points), {'; '.join(told)}."
        if told
        else ""
    )
