"""What a chapter shows: the paper's figures and this run's side by side, each row naming its source.

Tables are pandas frames with a column ``source`` ("paper" or "measured here"); every number comes from a table in
data/. Units: exponents in nats per update, growth in nats per segment.
"""

from __future__ import annotations

import re
from html import escape

import numpy as np
import pandas as pd
from rrm_companion.embed import HTML, say  # noqa: F401 (say: for the chapters)

from rrm_core.analysis import cells, controls, early, halting, spectrum, stats
from rrm_core.analysis.cells import CELLS
from rrm_core.analysis.stats import Estimate
from rrm_core.runs import tables
from rrm_core.runs.tables import Run
from rrm_core.store import paths
from rrm_core.store.files import read_json

PAPER, HERE = "paper", "measured here"
LONG = 24  # rows
NAMES = {
    "idx": "puzzle",
    "lambda_1": "λ1",
    "lambda_8": "λ8",
    "q_halt_16": "q_halt",
    "token_acc": "cells right",
    "halted_at": "halts at",
    "naked_backtracks": "guesses",
    "late_drift": "late drift",
    "drift_slope": "drift slope",
}


# --- opening and showing -----------------------------------------------------------------------------------------


def open_runs(run: str, compare: list[str]) -> list[Run]:
    """The discussed run first, then those beside it; a wrong type or an unknown run is refused, naming those there are."""
    if not isinstance(run, str):
        raise TypeError(f"run={run!r}: expected the name of one run, a text")
    if not isinstance(compare, list) or not all(isinstance(name, str) for name in compare):
        raise TypeError(f"compare={compare!r}: expected a list of names of runs, possibly empty")
    return [tables.load_run(name) for name in dict.fromkeys([run, *compare])]


def show(table: pd.DataFrame, caption: str, whole: bool = False) -> HTML:
    """A table as HTML with a caption above; floats to three decimals, none in a column of whole numbers, NaN as a dash.

    A table without rows becomes its caption and a word that nothing was measured; one of more than :data:`LONG` scrolls in a box of its own unless it
    is asked for `whole`.
    """
    if not len(table):
        return HTML(f'<p class="rrm-empty">{escape(caption)} <em>Not measured yet.</em></p>')
    counts = [c for c in table.select_dtypes("number") if (table[c].dropna() % 1 == 0).all()]
    table = table.assign(
        **{c: [f"{v:,.0f}" if np.isfinite(v) else "–" for v in table[c]] for c in counts}
    )
    table = table.replace({"source": {HERE: "here"}}) if "source" in table else table
    body = table.to_html(
        index=False,
        border=0,
        na_rep="–",
        float_format="{:.3f}".format,
        classes="rrm-table",
        justify="left",
    )
    long = len(table) > LONG and not whole
    box, caption = (
        ("rrm-scroll rrm-long", f"{caption} {len(table)} rows; scroll for more.")
        if long
        else ("rrm-scroll", caption)
    )
    return HTML(
        f'<div class="{box}" tabindex="0" role="region" aria-label="{escape(caption, quote=True)}">{body.replace("<thead>", f"<caption>{escape(caption)}</caption><thead>", 1)}</div>'
    )


def plain(text: object) -> str:
    """`text` of others for a Markdown sentence: anything that could become HTML or a link is replaced by an underscore."""
    return re.sub(r"[^\w .+-]", "_", str(text))[:100]


def interval(low: float, high: float, spec: str = ".3f") -> str:
    """ "[low, high]", or a dash where there is none."""
    return "–" if np.isnan(low) or np.isnan(high) else f"[{low:{spec}}, {high:{spec}}]"


def paper_value(row: pd.Series, spec: str = ".3f") -> str:
    """A published figure with its interval, where one is printed."""
    return f"{row.value:{spec}}" + (
        "" if np.isnan(row.low) else f" {interval(row.low, row.high, spec)}"
    )


# --- section 2 ---------------------------------------------------------------------------------------------------


def runs_table(runs: list[Run]) -> pd.DataFrame:
    """T1: model, size, task, median givens, puzzles, accuracy and steps of the paper's two models and of the runs."""
    printed = tables.published("runs").set_index(["model", "quantity"])
    paper = printed.value
    rows = [
        {
            "run": model,
            "source": PAPER,
            "parameters": f"{paper[model, 'parameters']:,.0f}",
            "task": "9x9",
            "givens": np.nan,
            "puzzles": int(printed.n[model, "accuracy"]),
            "accuracy": paper[model, "accuracy"],
            "exponents per": "QR step",
            "steps a segment": int(paper[model, "qr_steps_per_segment"]),
            "trained to step": int(paper[model, "checkpoint_step"]),
        }
        for model in ("TRM", "HRM")
    ]
    for run in runs:
        side, meta = run.meta["side"], run.meta
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "parameters": f"{meta['parameters']:,}",
                "task": f"{side}x{side}" + (", hard" if "hard" in str(meta.get("puzzles")) else ""),
                "givens": int(run.table.givens.median()),
                "puzzles": len(run.table),
                "accuracy": run.table.correct.mean(),
                "exponents per": "state update",
                "steps a segment": run.updates_per_segment,
                "trained to step": meta["step"],
            }
        )
    return pd.DataFrame(rows)


def costs_table(runs: list[Run]) -> pd.DataFrame:
    """What each run took, in minutes, as its records say: the whole training (shared by the checkpoints of one), the measurement, the studies."""
    rows = []
    for run in runs:
        records = [
            read_json(path) for path in sorted((paths.run_dir(run.name) / "studies").glob("*.json"))
        ]
        trained = run.meta.get("training_s")
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "parameters": f"{run.meta['parameters']:,}",
                "training": round(trained / 60) if trained else np.nan,
                "to step": run.meta.get("training_steps"),
                "n": len(run.table),
                "k": run.meta["k"],
                "measured on": plain(run.meta.get("device", "cpu")),
                "measuring": round(run.meta["wall_s"] / 60),
                "studies": len(records),
                "all of them": round(sum(r["wall_s"] for r in records) / 60),
            }
        )
    return pd.DataFrame(rows)


def growth_table(runs: list[Run]) -> pd.DataFrame:
    """T1, second half: median λ1 by outcome per step and per segment. Only growth compares across rows; the last column leaves out the start."""
    paper = (
        tables.published("separation")
        .query("quantity.str.startswith('median_lambda_1')")
        .set_index(["model", "quantity"])
        .value
    )
    steps = (
        tables.published("runs")
        .query("quantity == 'qr_steps_per_segment'")
        .set_index("model")
        .value
    )
    rows = [
        (
            "paper",
            m,
            paper[m, "median_lambda_1_correct"],
            paper[m, "median_lambda_1_wrong"],
            steps[m],
            np.nan,
        )
        for m in ("TRM", "HRM")
    ]
    for run in runs:
        medians = run.table.groupby("correct").lambda_1.median().reindex([True, False])
        later = tables.growth_after(run.table[~run.table.correct], 4)
        rows.append(
            (
                HERE,
                run.name,
                medians[True],
                medians[False],
                run.updates_per_segment,
                np.median(later) if len(later) else np.nan,
            )
        )
    return pd.DataFrame(
        [
            {
                "run": name,
                "source": source,
                "λ1 correct, per step": good,
                "λ1 wrong, per step": bad,
                "steps a segment": int(n),
                "growth correct, per segment": good * n,
                "growth wrong, per segment": bad * n,
                "growth wrong, segments 5 to 16": later,
            }
            for source, name, good, bad, n, later in rows
        ]
    )


def checkpoints_table(runs: list[Run]) -> pd.DataFrame:
    """Which checkpoint of which training each run measured, what it and the best of that training solve of the validation puzzles, and on how many puzzles it fails."""
    rows = []
    for run in runs:
        meta = run.meta
        if meta["step"] is None or not meta.get("recipe"):
            origin = f"imported ({plain(meta.get('import', {}).get('checkpoint', 'a checkpoint without a training log'))})"
        else:
            origin = f"step {meta['step']:,} of {meta['training_steps']:,}{', begun with the weights of another' if meta['recipe'].get('start') else ''}"
        row = {
            "run": run.name,
            "source": HERE,
            "checkpoint": origin,
            "validation: solved there": "–",
            "validation: most solved": "–",
        }
        if meta["step"] is not None and len(log := tables.evaluations(run.name)):
            here, best = tables.nearest(log, meta["step"]), log.loc[log.eval_exact.idxmax()]
            row |= {
                "validation: solved there": f"{here.eval_exact:.1%}",
                "validation: most solved": f"{best.eval_exact:.1%} at step {best.step:,.0f}",
            }
        given = meta.get("extra_givens", 0)
        rows.append(
            row
            | {
                "measured on": f"{len(run.table):,} test puzzles{f', {given} extra givens in each' if given else ''}",
                "solved": f"{run.table.correct.mean():.1%}",
                "failures": int((~run.table.correct).sum()),
            }
        )
    return pd.DataFrame(rows)


def band_table(runs: list[Run], strict_percentile: float = 0) -> pd.DataFrame:
    """The thresholds of every run, and whether its late drift has a settled band at all; the paper's first."""
    paper = tables.published("cells").set_index(["model", "quantity"]).value
    rows = [
        {
            "run": m,
            "source": PAPER,
            "Otsu": paper[m, "otsu_threshold"],
            "strict": paper.get((m, "strict_threshold"), np.nan),
            "strict percentile": paper[m, "strict_percentile"],
            "separability": np.nan,
            "dip p": np.nan,
            "settled band": "yes",
            "by": "–",
        }
        for m in ("TRM", "HRM")
    ]
    for run in runs:
        band = cells.band_of(run, strict_percentile)
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "Otsu": band.otsu,
                "strict": band.strict,
                "strict percentile": band.strict_percentile,
                "separability": band.separability,
                "dip p": band.dip_p,
                "settled band": "yes" if band.exists else f"no: {band.reason}",
                "by": band.by,
            }
        )
    return pd.DataFrame(rows)


# --- section 3.1 -------------------------------------------------------------------------------------------------


def cells_row(name: str, source: str, threshold: str, n: dict[str, float], note: str = "") -> dict:
    """One row of T2."""
    wrong = n["B"] + n["D"]
    share = stats.proportion(int(n["B"]), int(wrong))
    right = n["A"] + n["C"]
    return {
        "run": name,
        "source": source,
        "threshold": threshold,
        **{c: f"{n[c]:,.0f}" if np.isfinite(n[c]) else "–" for c in CELLS},
        "failures that settle": f"{share:.2%}" if wrong else "no failure",
        "successes that settle": f"{n['A'] / right:.1%}" if right > 0 else "–",
        "note": note,
    }


def cells_table(runs: list[Run], strict_percentile: float = 0) -> pd.DataFrame:
    """T2: cells A, B, C, D at the Otsu and strict thresholds, and B's share of the failures with its exact interval.

    Intervals of the paper's rows are computed here from its printed counts.
    """
    paper = tables.published("cells").set_index(["model", "quantity"]).value
    rows = []
    for model, name in (
        ("TRM", "otsu"),
        ("HRM", "otsu"),
        ("HRM", "strict"),
        ("HRM (joint estimator)", "strict"),
    ):
        rows.append(
            cells_row(
                model, PAPER, name, {c: paper.get((model, f"{name}_{c}"), np.nan) for c in CELLS}
            )
        )
    for run in runs:
        values, band = cells.late_drift(run.table), cells.band_of(run, strict_percentile)
        note = "" if band.exists else "no band: counts only"
        for name, threshold in (("otsu", band.otsu), ("strict", band.strict)):
            if np.isfinite(threshold):
                rows.append(
                    cells_row(
                        run.name,
                        HERE,
                        f"{name} {threshold:.3f}",
                        cells.count(cells.assign(values, run.table.correct, threshold)),
                        note,
                    )
                )
    return pd.DataFrame(rows)


def separation_table(runs: list[Run]) -> pd.DataFrame:
    """C1: how well λ1, the spectral mean and the sum of positive exponents separate outcomes, with medians of λ1."""
    paper = tables.published("separation")
    rows = []
    for model in ("TRM", "HRM"):
        p = paper[paper.model == model].set_index("quantity")
        rows.append(
            {
                "run": model,
                "source": PAPER,
                "n": int(p.n.iloc[0]),
                "AUC of -λ1": paper_value(p.loc["auc_lambda_1"]),
                "AUC of -mean": paper_value(p.loc["auc_spectral_mean"]),
                "AUC of -sum of positive": paper_value(p.loc["auc_sum_of_positive_exponents"]),
                "median λ1 correct": paper_value(p.loc["median_lambda_1_correct"]),
                "median λ1 wrong": paper_value(p.loc["median_lambda_1_wrong"]),
            }
        )
    for run in runs:
        a = spectrum.aggregates(run.table)
        auc = [
            Estimate(r.auc, r.low, r.high, r.n_correct + r.n_wrong, "", r.reason)
            for r in a.itertuples()
        ]
        medians = [
            stats.median(run.table.lambda_1[mask])
            for mask in (run.table.correct, ~run.table.correct)
        ]
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "n": len(run.table),
                "AUC of -λ1": str(auc[0]),
                "AUC of -mean": str(auc[1]),
                "AUC of -sum of positive": str(auc[2]),
                "median λ1 correct": str(medians[0]),
                "median λ1 wrong": str(medians[1]),
            }
        )
    return pd.DataFrame(rows)


def published_spectrum(model: str) -> pd.DataFrame:
    """The paper's spectrum of a model in the form of :func:`rrm_core.analysis.stats.spectrum` (no intervals were printed)."""
    p = tables.published("spectrum").query("model == @model").set_index("quantity").value
    return pd.DataFrame(
        [
            {
                "i": i,
                "auc": p[f"auc_lambda_{i}"],
                "low": np.nan,
                "high": np.nan,
                "median_correct": p[f"median_lambda_{i}_correct"],
                "median_wrong": p[f"median_lambda_{i}_wrong"],
            }
            for i in range(1, 9)
        ]
    )


def medians_by_cell(run: Run, strict_percentile: float = 0) -> pd.DataFrame:
    """Medians of each cell at the strict threshold, the paper's HRM (22 May estimator: its λ are on another scale) first."""
    p = tables.published("cells").query("model == 'HRM (22 May estimator)'")
    names = ["lambda_1", "lambda_8", "token_acc", "halted_at", "q_halt_16", "givens", "drift_slope"]
    rows = []
    for cell in CELLS:
        mine = p[p.quantity.str.endswith(f"_{cell}")].set_index("quantity")
        rows.append(
            {
                "run": "HRM (22 May estimator)",
                "source": PAPER,
                "cell": cell,
                "n": int(mine.n.iloc[0]),
            }
            | {n: mine.value[f"median_{n}_{cell}"] for n in names}
        )
    band = cells.band_of(run, strict_percentile)
    if np.isfinite(band.strict):
        t = cells.table(run.table, band.strict)
        rows += (
            t.drop(columns="share").assign(run=run.name, source=HERE)[
                ["run", "source", "cell", "n", *[c for c in names if c in t]]
            ]
        ).to_dict("records")
    return pd.DataFrame(rows).rename(columns=NAMES)


def examples_table(run: Run, threshold: float) -> pd.DataFrame:
    """T3: the settled failures of a run (cell B), or the five nearest the band (cell D) where B is empty; 12 rows at most."""
    table = cells.settled_failures(run.table, threshold).head(12)
    blind = np.where(table.cell == "B", np.where(table.selector_blind, "yes", "no"), "–")
    keep = [
        "idx",
        "cell",
        "late_drift",
        "token_acc",
        "lambda_1",
        "q_halt_16",
        "halted_at",
        "givens",
        "naked_backtracks",
    ]
    return (
        table[keep]
        .assign(**{"idx": table.idx.astype(str), "selector-blind": blind})
        .rename(columns=NAMES)
    )


def settled_table(runs: list[Run], strict_percentile: float = 0) -> pd.DataFrame:
    """How many failures settle at the strict threshold, how many of them would halt; on how many of all failures the model would halt, and was right there."""
    rows = []
    for run in runs:
        band, wrong = cells.band_of(run, strict_percentile), run.table[~run.table.correct]
        if not np.isfinite(band.strict) or not len(wrong):
            continue
        inside = cells.settled_failures(run.table, band.strict).query("cell == 'B'")
        stops = wrong[wrong.halted_at > 0]
        right = sum(bool(row[f"correct_{row.halted_at:02d}"]) for _, row in stops.iterrows())
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "failures": len(wrong),
                "settled (B)": len(inside),
                "share": f"{stats.proportion(len(inside), len(wrong)):.2%}",
                "of B selector-blind": int(inside.selector_blind.sum()),
                "would halt, of all failures": f"{len(stops) / len(wrong):.0%}",
                "with an answer right there": right,
                "band": "yes" if band.exists else "no: settled is only the calmest",
            }
        )
    return pd.DataFrame(rows)


def telling(runs: list[Run], strict_percentile: float = 0) -> Run:
    """The first of `runs` that has a band with settled failures in it, to show examples of; the first of all where none has."""
    able = (
        run
        for run in runs
        if (band := cells.band_of(run, strict_percentile)).exists
        and (cells.late_drift(run.table)[~run.table.correct] < band.strict).any()
    )
    return next(able, runs[0])


def threshold_free_table(runs: list[Run]) -> pd.DataFrame:
    """The statement without a threshold: the share of successes whose late drift is below that of every failure."""
    p = tables.published("cells").query("quantity == 'successes_below_smallest_failure'").iloc[0]
    rows = [
        {
            "run": p.model,
            "source": PAPER,
            "failures": int(tables.printed(p.model, "n_wrong")),
            "smallest late drift of a failure": np.nan,
            "successes below it": f"{p.value:.1%}",
            "successes below 95 % of the failures": "–",
        }
    ]
    for run in runs:
        t = cells.threshold_free(cells.late_drift(run.table), run.table.correct)
        every, most = (
            stats.below_failures(cells.late_drift(run.table), run.table.correct, spare)
            for spare in (0, 0.05)
        )
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "failures": t["n_wrong"],
                "smallest late drift of a failure": t["smallest_failure"],
            }
            | {
                name: "–" if np.isnan(e.value) else f"{e:.1%}"
                for name, e in (
                    ("successes below it", every),
                    ("successes below 95 % of the failures", most),
                )
            }
        )
    return pd.DataFrame(rows)


# --- sections 3.2 to 5 -------------------------------------------------------------------------------------------


def controls_table(runs: list[Run], strict_percentile: float = 0) -> pd.DataFrame:
    """C4: the AUC of -λ1 overall, matched on late drift, and within bins of difficulty; and that of the difficulty alone."""
    p = (
        tables.published("controls")
        .drop_duplicates(["model", "quantity"])
        .set_index(["model", "quantity"])
    )
    m = "HRM (22 May estimator)"
    rows = [
        {
            "run": m,
            "source": PAPER,
            "overall": f"{p.value[m, 'auc_lambda_1']:.3f}",
            "matched on late drift": f"{p.value[m, 'matched_auc']:.3f}",
            "within givens": f"{p.value[m, 'binned_auc_givens']:.3f}",
            "givens alone": "–",
            "within naked_backtracks": "–",
            "naked_backtracks alone": "–",
        },
        {
            "run": "HRM (second estimator)",
            "source": PAPER,
            "overall": "–",
            "matched on late drift": f"{p.value['HRM (second estimator)', 'matched_auc']:.3f}",
            "within givens": "–",
            "givens alone": "–",
            "within naked_backtracks": "–",
            "naked_backtracks alone": "–",
        },
    ]
    for run in runs:
        values, band = cells.late_drift(run.table), cells.band_of(run, strict_percentile)
        matched = (
            controls.decile_auc(run.table, values, band.strict)[1]
            if np.isfinite(band.strict)
            else "cannot be measured: no band"
        )
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "overall": str(stats.auc(-run.table.lambda_1, run.table.correct)),
                "matched on late drift": str(matched),
            }
            | {
                f"{what} {by}" if what == "within" else f"{by} {what}": str(e)
                for by, sign in (("givens", 1), ("naked_backtracks", -1))
                for what, e in (
                    ("within", controls.binned_auc(run.table, by)[1]),
                    ("alone", stats.auc(sign * run.table[by], run.table.correct)),
                )
            }
        )
    return pd.DataFrame(rows)


def nested_table(runs: list[Run]) -> pd.DataFrame:
    """What λ1 adds to late drift and the final q_halt, and what they add to it: cross-validated AUCs and their difference."""
    parts = [controls.nested_auc(run.table).assign(run=run.name, source=HERE) for run in runs]
    t = pd.concat(parts, ignore_index=True)
    gain = [r.reason or f"{r.difference:+.3f} {interval(r.low, r.high)}" for r in t.itertuples()]
    return pd.DataFrame(
        {
            "run": t.run,
            "source": t.source,
            "signals": t.model,
            "AUC": t.auc,
            "compared with": t.without,
            "its AUC": t.auc_without,
            "difference": gain,
        }
    )


def early_table(runs: list[Run], h: int) -> pd.DataFrame:
    """C5: AUC of each signal after `h` segments among puzzles still wrong there (the paper's restricted set, our reading)."""
    p = tables.published("early_window")
    signals, rows = ("lambda1", "drift_h", "q_halt"), []
    for model in ("TRM", "HRM") if h == 4 else ():
        mine = p[p.model == model].set_index("quantity").value
        rows.append(
            {"run": model, "source": PAPER, "puzzles": "–"}
            | {
                s: f"{mine[f'auc_{s}_4']:.3f}" if f"auc_{s}_4" in mine else "not printed"
                for s in signals
            }
        )
    for run in runs:
        t = (
            early.early_window(run.table, run.updates_per_segment, h)
            .query("subset != 'all'")
            .set_index("signal")
        )
        found = {
            s: str(
                Estimate(
                    *t.loc[s, ["auc", "low", "high"]].astype(float),
                    n=0,
                    method="",
                    reason=t.reason[s],
                )
            )
            for s in signals
        }
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "puzzles": f"{t.n_correct.iloc[0]} solved later, {t.n_wrong.iloc[0]} not",
            }
            | found
        )
    return pd.DataFrame(rows).rename(
        columns={
            "lambda1": f"-λ1 over 1..{h}",
            "drift_h": f"+drift of segment {h}",
            "q_halt": f"+q_halt at {h}",
        }
    )


def outcome_table(runs: list[Run]) -> pd.DataFrame:
    """What one number a model hides: mean λ1 over all puzzles beside the means of those solved and not, per update and segment."""
    rows = []
    for run in runs:
        groups = {
            "all puzzles": slice(None),
            "correct": run.table.correct,
            "wrong": ~run.table.correct,
        }
        for name, mask in groups.items():
            x = run.table.lambda_1[mask].astype("float64")
            rows.append(
                {
                    "run": run.name,
                    "source": HERE,
                    "puzzles": name,
                    "n": len(x),
                    "mean λ1": x.mean(),
                    "standard deviation": x.std(),
                    "mean growth, per segment": x.mean() * run.updates_per_segment,
                    "share with λ1 > 0": f"{(x > 0).mean():.1%}" if len(x) else "–",
                }
            )
    return pd.DataFrame(rows)


def ceiling_table(runs: list[Run], strict_percentile: float = 0) -> pd.DataFrame:
    """The selector-blind ceiling: failures that settle, of all failures and of all that settle; those that would also halt, also at Otsu; successes turned away."""

    def shown(k: float, n: float) -> str:
        return f"{k / n:.1%}" if n else "–"

    p = tables.published("cells").set_index(["model", "quantity"]).value
    rows = []
    for model, which in (("TRM", "otsu"), ("HRM", "strict")):
        wrong = int(tables.printed(model, "n_wrong"))
        k = int(p[model, f"{which}_B"])
        rows.append(
            {
                "run": model,
                "source": PAPER,
                "failures": wrong,
                "settled (B)": k,
                "share of failures": f"{stats.proportion(k, wrong):.2%}",
                "settled and would halt": k,
                "the same at Otsu": "–",
                "wrong, of the settled": shown(k, p[model, f"{which}_A"] + k),
                "right, turned away": shown(
                    p[model, f"{which}_C"], p[model, f"{which}_A"] + p[model, f"{which}_C"]
                ),
                "turned away at Otsu": shown(
                    p[model, "otsu_C"], p[model, "otsu_A"] + p[model, "otsu_C"]
                ),
                "band": "yes",
            }
        )
    for run in runs:
        band, wrong = cells.band_of(run, strict_percentile), int((~run.table.correct).sum())
        if np.isfinite(band.strict) and wrong:
            table = cells.settled_failures(run.table, band.strict)
            k, (n, wide) = (
                int((table.cell == "B").sum()),
                (
                    cells.count(cells.assign(cells.late_drift(run.table), run.table.correct, t))
                    for t in (band.strict, band.otsu)
                ),
            )
            rows.append(
                {
                    "run": run.name,
                    "source": HERE,
                    "failures": wrong,
                    "settled (B)": k,
                    "share of failures": f"{stats.proportion(k, wrong):.2%}",
                    "settled and would halt": int(table.selector_blind.sum()),
                    "the same at Otsu": int(
                        cells.settled_failures(run.table, band.otsu).selector_blind.sum()
                    ),
                    "wrong, of the settled": shown(k, n["A"] + k),
                    "right, turned away": shown(n["C"], n["A"] + n["C"]),
                    "turned away at Otsu": shown(wide["C"], wide["A"] + wide["C"]),
                    "band": "yes" if band.exists else "no",
                }
            )
    return pd.DataFrame(rows)


def halting_table(run: Run, thresholds: int = 41) -> pd.DataFrame:
    """Accuracy against mean segments of both halting rules, one row a threshold (:func:`rrm_core.analysis.stats.halting_curve`)."""
    return pd.concat(
        [halting.halting_curve(run.table, rule, thresholds) for rule in ("q_halt", "drift_h")],
        ignore_index=True,
    )
