"""The ledger: each claim of the paper beside what a run shows, with interval and verdict.

Rows and rules stand in ``data/published/claims.yml``. A direction holds when the 95 % interval lies wholly on the
claimed side of its null, fails when wholly on the other, and is undecided otherwise; an equivalence (a signal that knows
nothing) holds when the interval lies within 0.05 of one half, and else fails when it leaves one half out; a magnitude agrees when the intervals
overlap. "Cannot be measured" always has a cause that a machine checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from functools import cache

import numpy as np
import pandas as pd
import yaml

from rrm_core.analysis import cells, controls, evolution, motion, selection, stats
from rrm_core.analysis import fates as findings
from rrm_core.analysis.stats import Estimate, few, proportion, unmeasured
from rrm_core.runs import tables
from rrm_core.runs.tables import Run
from rrm_core.store import paths

VERDICTS = ("holds", "fails", "undecided", "agrees", "differs", "cannot be measured")
BINS_NEEDED = 3  # of late drift, for a matched AUC to be a claim's evidence
CEILING = 0.995  # an AUC to which the 0.005 of row X1 cannot be added
FIELDS = {
    "id",
    "claim",
    "says",
    "measure",
    "rule",
    "side",
    "null",
    "published",
    "only",
    "needs",
    "tied",
}


class ClaimError(ValueError):
    """A ledger row that breaks the rules of the ledger."""


# --- what is measured --------------------------------------------------------------------------------------------


def late(run: Run) -> np.ndarray:
    """(B,) late drift of z_H."""
    return cells.late_drift(run.table)


def auc(score: np.ndarray, good: np.ndarray) -> Estimate:
    """AUC, refused where a class holds fewer than 20 puzzles."""
    good = np.asarray(good, dtype=bool)
    return few(
        min(int(good.sum()), int((~good).sum())), "DeLong", "in a class", len(good)
    ) or stats.auc(score, good)


def share(hits: np.ndarray) -> Estimate:
    """Share of a group, refused where the group holds fewer than 20 puzzles."""
    return few(len(hits), "Clopper-Pearson") or proportion(int(hits.sum()), len(hits))


def median_growth(run: Run, correct: bool) -> Estimate:
    """Median growth of the largest exponent of one outcome, nats per segment."""
    values = (
        run.table.lambda_1[run.table.correct == correct].to_numpy("float64")
        * run.updates_per_segment
    )
    return few(len(values), "bootstrap", "in a class") or stats.median(values)


def weakest(estimates: list[Estimate]) -> Estimate:
    """The estimate with the lowest bound; one that cannot be measured wins."""
    return min(estimates, key=lambda e: -np.inf if np.isnan(e.value) else e.low)


def exponent_aucs(run: Run) -> list[Estimate]:
    """AUC of each of the K exponents; a run with fewer lacks a column."""
    return [auc(-run.table[f"lambda_{i}"], run.table.correct) for i in range(1, tables.K + 1)]


def spectral_mean(run: Run) -> Estimate:
    """AUC of the mean of the K exponents; a run with fewer lacks a column."""
    return auc(
        -np.mean(
            [run.table[f"lambda_{i}"].to_numpy("float64") for i in range(1, tables.K + 1)], axis=0
        ),
        run.table.correct,
    )


def early(run: Run, signal: str, h: int = 4) -> Estimate:
    """AUC of a signal after `h` segments among puzzles still wrong there."""
    wrong = ~run.table[f"correct_{h:02d}"].to_numpy()
    return auc(
        stats.signals_at(run.table, h, run.updates_per_segment)[signal][wrong],
        run.table.correct.to_numpy()[wrong],
    )


def settled_failures(run: Run, threshold: float) -> Estimate:
    """Share of the failures below a threshold."""
    return share(late(run)[~run.table.correct] < threshold)


def blind_failures(run: Run) -> Estimate:
    """Share of the failures that are settled (strict) and would halt: what no selector by settling and halting can see."""
    wrong = ~run.table.correct.to_numpy()
    return share(
        (late(run)[wrong] < cells.band_of(run).strict) & (run.table.halted_at.to_numpy()[wrong] > 0)
    )


def blind_share(run: Run) -> Estimate:
    """Share of cell B (strict) that would halt."""
    inside = (late(run) < cells.band_of(run).strict) & ~run.table.correct.to_numpy()
    return share(run.table.halted_at.to_numpy()[inside] > 0)


def auc_settled_failures(run: Run) -> Estimate:
    """P(a settled failure has a lower largest exponent than an unsettled one)."""
    wrong = ~run.table.correct.to_numpy()
    return auc(
        -run.table.lambda_1.to_numpy("float64")[wrong], late(run)[wrong] < cells.band_of(run).strict
    )


def below_every_failure(run: Run) -> Estimate:
    """Share of the successes whose late drift is below that of every failure seen; the interval is given these failures."""
    correct, values = run.table.correct.to_numpy(), late(run)
    return few(
        min(int(correct.sum()), int((~correct).sum())),
        "Clopper-Pearson",
        "in a class",
        len(correct),
    ) or stats.below_failures(values, correct)


def matched(run: Run) -> Estimate:
    """The AUC matched on late drift among unsettled puzzles, refused where fewer than three bins carry it: wide bins match nothing."""
    table, found = controls.decile_auc(run.table, late(run), cells.band_of(run).strict)
    used = int(table.used.sum()) if len(table) else 0
    return (
        found
        if used >= BINS_NEEDED or np.isnan(found.value)
        else unmeasured(
            found.n,
            found.method,
            f"few bins: {used} of late drift hold {stats.MINIMUM} of each outcome, {BINS_NEEDED} are needed",
        )
    )


def both_controls(run: Run) -> list[Estimate]:
    """Both controls: late drift and the solver's difficulty."""
    return [matched(run), controls.binned_auc(run.table, "naked_backtracks")[1]]


def beyond(run: Run) -> Estimate:
    """What the exponent adds to the AUC of late drift and the final halting logit, cross-validated."""
    row = controls.nested_auc(run.table).iloc[0]
    if row.auc_without >= CEILING:
        return unmeasured(
            len(run.table),
            "bootstrap",
            f"at the ceiling: the AUC is {row.auc_without:.4f} without it",
        )
    return Estimate(row.difference, row.low, row.high, len(run.table), "bootstrap", row.reason)


MEASURES: dict[str, Callable[[Run], Estimate]] = {
    "auc_lambda_1": lambda run: auc(-run.table.lambda_1, run.table.correct),
    "auc_weakest_exponent": lambda run: weakest(exponent_aucs(run)),
    "auc_spectral_mean": spectral_mean,
    "auc_late_drift": lambda run: auc(-late(run), run.table.correct),
    "median_growth_correct": lambda run: median_growth(run, True),
    "median_growth_wrong": lambda run: median_growth(run, False),
    "settled_failures": lambda run: settled_failures(run, cells.band_of(run).strict),
    "settled_failures_otsu": lambda run: settled_failures(run, cells.band_of(run).otsu),
    "settled_successes_otsu": lambda run: share(
        late(run)[run.table.correct] < cells.band_of(run).otsu
    ),
    "successes_below_every_failure": below_every_failure,
    "blind_share": blind_share,
    "auc_settled_failures": auc_settled_failures,
    "auc_matched": matched,
    "auc_within_givens": lambda run: controls.binned_auc(run.table, "givens")[1],
    "auc_within_difficulty": lambda run: controls.binned_auc(run.table, "naked_backtracks")[1],
    "auc_weakest_control": lambda run: weakest(both_controls(run)),
    "early_lambda_1": lambda run: early(run, "lambda1"),
    "early_drift": lambda run: early(run, "drift_h"),
    "early_q_halt": lambda run: early(run, "q_halt"),
    "sign_reversal": lambda run: weakest(
        [early(run, "drift_h"), auc(-late(run), run.table.correct)]
    ),
    "auc_q_halt": lambda run: auc(run.table.q_halt_16, run.table.correct),
    "blind_failures": blind_failures,
    "lambda_1_beyond": beyond,
    "growth_D_change": evolution.training_change,
    "gap_change": lambda run: evolution.training_change(run, "D - A"),
    "growth_D_beyond_A": evolution.through_failures,
    "multi4_D": evolution.multi4_d_mass,
    "multi4_growth_A": evolution.multi4_growth_a,
    "lingering": findings.lingering,
    "long_solved": lambda run: findings.fate_at(run, "solved later"),
    "long_settled_wrong": lambda run: findings.fate_at(run, "settled in a wrong place"),
    "attracted_failures": motion.attracted,
    "moving_parts": motion.parting,
    "selection_gain": selection.selection_gain,
    "selection_gain_stored": lambda run: selection.selection_gain(run, stored=True),
    "pruned_lambda_1": lambda run: selection.pruned_successes(run, "lambda1"),
    "pruned_q_halt": lambda run: selection.pruned_successes(run, "q_halt"),
}


# --- the ledger --------------------------------------------------------------------------------------------------


@cache
def rows() -> tuple[dict, ...]:
    """The rows of ``claims.yml``, each checked."""
    found = yaml.safe_load((paths.data_dir() / "published" / "claims.yml").read_text())
    for row in found:
        wrong = set(row) - FIELDS or {"id", "claim", "says", "measure", "rule", "published"} - set(
            row
        )
        if (
            wrong
            or row["measure"] not in MEASURES
            or row["rule"] not in ("direction", "equivalence", "magnitude")
        ):
            raise ClaimError(
                f"claims.yml, row {row.get('id')}: wrong or missing {sorted(wrong) or [row['measure'], row['rule']]}"
            )
        if row["rule"] == "direction" and (
            row.get("side") not in ("above", "below")
            or not isinstance(row.get("null"), int | float)
        ):
            raise ClaimError(
                f"claims.yml, row {row['id']}: a direction needs side (above or below) and a null"
            )
        if row["rule"] == "equivalence" and not isinstance(row.get("null"), int | float):
            raise ClaimError(f"claims.yml, row {row['id']}: an equivalence needs a null")
    return tuple(found)


def published(row: dict, architecture: str) -> Estimate:
    """The paper's figure for an architecture; growth is its exponent times its own steps of a segment."""
    source = row["published"]
    if "value" in source and source.get("of") in (None, architecture):
        return Estimate(
            source["value"],
            source["value"],
            source["value"],
            source.get("n", 0),
            "printed" if "n" in source else "in words",
        )
    model = source.get(architecture)
    if model is None:
        return unmeasured(0, "printed", "the paper prints no figure")
    table = (
        tables.published(source["table"]).query("model == @model").set_index("quantity", drop=False)
    )
    if "share" in source:
        inside, outside = (int(table.value[name]) for name in source["share"])
        return proportion(inside, inside + outside)
    found = (
        table[table.quantity.str.startswith(source["least"])].sort_values("value").iloc[0]
        if "least" in source
        else table.loc[source["quantity"]]
    )
    scale = 1.0
    if row["measure"].startswith("median_growth"):
        scale = tables.printed(model, "qr_steps_per_segment")
    low, high = (found.value if np.isnan(x) else x for x in (found.low, found.high))
    return Estimate(
        found.value * scale,
        low * scale,
        high * scale,
        0 if np.isnan(found.n) else int(found.n),
        found.source,
    )


def cause(row: dict, run: Run) -> str:
    """Why a run cannot bear on a claim before anything is computed; empty when it can."""
    if row.get("only") not in (None, run.meta["model"]):
        return f"about {row['only'].upper()} only"
    if row.get("tied") not in (None, run.meta["side"]):
        return f"tied to {row['tied']}x{row['tied']}"
    if row.get("needs") == "band" and not cells.band_of(run).exists:
        return f"no band: {cells.band_of(run).reason}"
    return ""


def measure(row: dict, run: Run) -> Estimate:
    """The estimate of a row on a run; a missing column is a cause, not a traceback."""
    try:
        reason = cause(row, run)
        if not reason:
            return MEASURES[row["measure"]](run)
    except (KeyError, AttributeError) as error:  # table["column"], table.column
        text = error.name if isinstance(error, AttributeError) else str(error.args[0])
        missing = [
            name
            for name in (*tables.schema(tables.K), *tables.columns("q_continue"))
            if name not in run.table and re.search(rf"\b{name}\b", text or "")
        ]
        if not missing:
            raise
        reason = f"missing column {missing[0]}"
    return unmeasured(len(run.table), "", reason)


def nothing(row: dict) -> tuple[float, float]:
    """The range of an equivalence: values that count as its null."""
    return row["null"] - stats.EQUIVALENT, row["null"] + stats.EQUIVALENT


def verdict(row: dict, here: Estimate, paper: Estimate) -> str:
    """One of :data:`VERDICTS`, by the row's rule."""
    if np.isnan(here.value):
        return "cannot be measured"
    if row["rule"] == "magnitude":
        return "agrees" if here.low <= paper.high and paper.low <= here.high else "differs"
    if row["rule"] == "equivalence":
        low, high = nothing(row)
        return (
            "holds"
            if low <= here.low and here.high <= high
            else "undecided"
            if here.low <= row["null"] <= here.high
            else "fails"
        )
    above = row["side"] == "above"
    if here.low > row["null"]:
        return "holds" if above else "fails"
    if here.high < row["null"]:
        return "fails" if above else "holds"
    return "undecided"


def would_change(row: dict, found: str, here: Estimate, paper: Estimate, run: Run) -> str:
    """What would change a verdict, in words."""
    if found == "cannot be measured":
        if here.reason.startswith("missing table"):
            return findings.making(here.reason.split("/")[-1].removesuffix(".parquet"), run)
        mends = {
            "no band": "a checkpoint whose late drift has two humps",
            "tied to": f"a run on {row.get('tied')}x{row.get('tied')}",
            "about": f"a run of {str(row.get('only')).upper()}",
            "n <": "more puzzles of that kind",
            "one bin": "a finer measure of difficulty",
            "few bins": "more puzzles of the rarer outcome",
            "the gap": "a training along which the gap widens",
            "at the ceiling": "a run on which late drift and q_halt leave something to tell",
            "missing column": "measure the run again",
        }
        if "checkpoint" in here.reason:
            return "more checkpoints with a band"
        return next(
            (mend for start, mend in mends.items() if here.reason.startswith(start)),
            "more puzzles of each outcome",
        )
    if row["rule"] == "magnitude":
        target = (
            f"{paper.value:.3g}"
            if paper.low == paper.high
            else f"[{paper.low:.3f}, {paper.high:.3f}]"
        )
        return f"an interval that {'misses' if found == 'agrees' else 'reaches'} {target}"
    if row["rule"] == "equivalence":
        low, high = nothing(row)
        within, without = f"lies within [{low:g}, {high:g}]", f"leaves {row['null']:g} out"
        return {
            "undecided": f"more puzzles, until the interval {within} or {without}",
            "holds": f"an interval that {without} and reaches beyond [{low:g}, {high:g}]",
            "fails": f"an interval that {within}, or holds {row['null']:g}",
        }[found]
    if found == "undecided":
        return f"more puzzles, until the interval leaves {row['null']:g}"
    side = "below" if (found == "holds") == (row["side"] == "above") else "above"
    impossible = side == "below" and row["null"] == 0 and here.method == "Clopper-Pearson"
    return f"an interval wholly {side} {row['null']:g}{', which no share has: one such puzzle is enough' if impossible else ''}"


def as_printed(paper: Estimate) -> str:
    """The paper's figure as the ledger shows it: a value that is only said in words, or printed with fewer digits than its interval, says so."""
    if np.isnan(paper.value):
        return "–"
    text = format(paper, ".3f") if paper.low < paper.high else f"{paper.value:.3f}"
    rounded = paper.low < paper.high and not paper.low <= paper.value <= paper.high
    return text + (
        " (in words)" if paper.method == "in words" else " (value rounded)" if rounded else ""
    )


def as_measured(here: Estimate) -> str:
    """The figure of a run as the ledger shows it: three decimals, four where a bound that is not zero would read 0.000."""
    return format(
        here, ".4f" if any(0 < abs(bound) < 0.0005 for bound in (here.low, here.high)) else ".3f"
    )


def ledger(run: Run, claims: Collection[str] | None = None) -> pd.DataFrame:
    """One row a claim (of those in `claims`, such as C1 or "contribution ii"; by default all): id, says, paper's figure, this run's, n, verdict, reason, what would change it."""
    out = []
    for row in rows():
        if claims is not None and row["claim"] not in claims:
            continue
        here, paper = measure(row, run), published(row, run.meta["model"])
        found = verdict(row, here, paper)
        weak = (
            row.get("needs") == "band"
            and not np.isnan(here.value)
            and cells.band_of(run).by == "separability"
        )
        out.append(
            {
                "id": row["id"],
                "claim": row["claim"],
                "says": row["says"],
                "run": run.name,
                "paper": as_printed(paper),
                "measured here": "–" if np.isnan(here.value) else as_measured(here),
                "n": here.n,
                "verdict": found,
                "reason": "band by separability alone" if weak else here.reason,
                "would change it": would_change(row, found, here, paper, run),
            }
        )
    return pd.DataFrame(out)


MARKS = {"holds": "✓ holds", "agrees": "✓ agrees", "fails": "✗ fails", "differs": "✗ differs"}


def side_by_side(runs: list[Run]) -> pd.DataFrame:
    """One row a claim, one column a run: the verdicts, the clear ones marked; a dash where the claim is about the other architecture."""
    out = pd.DataFrame([{"id": r["id"], "says": r["says"]} for r in rows()])
    for run in runs:
        found = ledger(run)
        out[run.name] = found.verdict.replace(MARKS).mask(
            found.reason.str.startswith("about "), "–"
        )
    return out
