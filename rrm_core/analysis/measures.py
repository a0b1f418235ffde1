"""The measures that claims and Robustness rest on: an :class:`Estimate` each, of one run.

Each is a line of :data:`MEASURES`. A group of fewer than 20 puzzles is not told, and a column that
a table lacks is a reason, not a traceback. :func:`measured` keeps what it computed on disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, controls, evolution, fates, motion, phases, selection, stats
from rrm_core.analysis.stats import Estimate, few, unmeasured
from rrm_core.runs import tables
from rrm_core.runs.tables import K, Run, last_q_halt
from rrm_core.store.cache import cached

CODE = (Path(__file__).parent, Path(tables.__file__))  # what a kept measure depends on


def wrong(run: Run) -> np.ndarray:
    """(B,) bool: wrong at segment 16."""
    return ~run.table.correct.to_numpy()


def halts(run: Run) -> np.ndarray:
    """(B,) bool: would have halted."""
    return run.table.halted_at.to_numpy() > 0


def auc(run: Run, score: np.ndarray, good: np.ndarray | None = None, among=slice(None)) -> Estimate:
    """AUC of `score` for `good` (B,), by default correct, among the puzzles `among`."""
    good = (~wrong(run) if good is None else good)[among]
    least, score = min(int(good.sum()), int((~good).sum())), np.asarray(score)[among]
    refused = few(least, "DeLong", "in a class", len(good))
    return refused or stats.auc(score, good, stats.units(run.table)[among])


def share(run: Run, hits: np.ndarray, among: np.ndarray) -> Estimate:
    """Share of `hits` (B,) among the puzzles `among` (B,)."""
    refused = few(int(among.sum()), "Clopper-Pearson")
    return refused or stats.share(hits[among], stats.units(run.table)[among])


def settled(run: Run, cut: str = "otsu") -> np.ndarray:
    """(B,) bool: late drift below a threshold of the band, "otsu", "strict" or "cut", if any."""
    band = cells.band_of(run)
    if np.isnan(threshold := getattr(band, cut)):
        raise LookupError(band.strict_reason or band.reason or "late drift does not vary")
    return late(run) < threshold


def late(run: Run) -> np.ndarray:
    """(B,) late drift of z_H."""
    return cells.late_drift(run.table)


def growth(run: Run, correct: bool) -> Estimate:
    """Median growth of the largest exponent of one outcome, nats a segment."""
    of = run.table[run.table.correct == correct]
    values = of.lambda_1.to_numpy("float64") * run.updates_per_segment
    return few(len(of), "Woodruff", "in a class") or stats.median(values, stats.units(of))


def exponents(run: Run) -> list[np.ndarray]:
    """The K exponents, each (B,); a run with fewer lacks a column."""
    return [run.table[f"lambda_{i}"].to_numpy("float64") for i in range(1, K + 1)]


def calmer(run: Run) -> Estimate:
    """Share of the successes whose late drift is below that of every failure seen."""
    n = run.table.correct.value_counts().reindex([True, False], fill_value=0)
    refused = few(int(n.min()), "Clopper-Pearson", "in a class", len(run.table))
    return refused or stats.below_failures(late(run), run.table.correct, stats.units(run.table))


def early(run: Run, signal: str, h: int = 4) -> Estimate:
    """AUC of a signal after `h` segments among puzzles still wrong there."""
    score = tables.signals_at(run.table, h, run.updates_per_segment)[signal]
    return auc(run, score, among=~run.table[f"correct_{h:02d}"].to_numpy())


def weakest(*estimates: Estimate) -> Estimate:
    """The estimate with the lowest bound; one that cannot be measured wins."""
    return min(estimates, key=lambda e: -np.inf if np.isnan(e.value) else e.low)


MEASURES: dict[str, Callable[[Run], Estimate]] = {
    "auc_lambda_1": lambda run: auc(run, -run.table.lambda_1),
    "auc_weakest_exponent": lambda run: weakest(*[auc(run, -x) for x in exponents(run)]),
    "auc_spectral_mean": lambda run: auc(run, -np.mean(exponents(run), axis=0)),
    "auc_late_drift": lambda run: auc(run, -late(run)),
    "auc_q_halt": lambda run: auc(run, last_q_halt(run.table)),
    "median_growth_correct": partial(growth, correct=True),
    "median_growth_wrong": partial(growth, correct=False),
    "stopwatch": lambda run: phases.stopwatch(run.table),
    "settled_failures": lambda run: share(run, settled(run, "strict"), wrong(run)),
    "settled_failures_otsu": lambda run: share(run, settled(run), wrong(run)),
    "settled_successes_otsu": lambda run: share(run, settled(run), ~wrong(run)),
    "successes_below_every_failure": calmer,
    "blind_failures": lambda run: share(run, settled(run, "cut") & halts(run), wrong(run)),
    "blind_share": lambda run: share(run, halts(run), settled(run, "strict") & wrong(run)),
    "auc_settled_failures": lambda run: auc(
        run, -run.table.lambda_1, settled(run, "strict"), wrong(run)
    ),
    "auc_matched": lambda run: controls.matched_auc(run.table),
    "auc_in_bins": lambda run: controls.decile_auc(run.table)[1],
    "givens_gain": lambda run: controls.givens_gain(run.table),
    "auc_within_difficulty": lambda run: controls.binned_auc(run.table, "naked_backtracks")[1],
    "auc_weakest_control": lambda run: weakest(
        measure("auc_matched", run), measure("auc_within_difficulty", run)
    ),
    "lambda_1_beyond": lambda run: controls.beyond(run.table),
    "early_lambda_1": partial(early, signal="lambda1"),
    "early_drift": partial(early, signal="drift_h"),
    "early_q_halt": partial(early, signal="q_halt"),
    "sign_reversal": lambda run: weakest(early(run, "drift_h"), auc(run, -late(run))),
    "growth_D_change": evolution.training_change,
    "gap_change": partial(evolution.training_change, of="D - A"),
    "growth_D_beyond_A": evolution.through_failures,
    "multi4_D": evolution.multi4_d_mass,
    "multi4_growth_A": evolution.multi4_growth_a,
    "lingering": fates.lingering,
    "long_solved": partial(fates.fate_at, name="solved later"),
    "long_settled_wrong": partial(fates.fate_at, name="settled in a wrong place"),
    "attracted_failures": motion.attracted,
    "moving_parts": motion.parting,
    "selection_gain": selection.selection_gain,
    "selection_gain_stored": partial(selection.selection_gain, stored=True),
    "pruned_lambda_1": partial(selection.pruned_successes, signal="lambda1"),
    "pruned_q_halt": partial(selection.pruned_successes, signal="q_halt"),
}


def measure(name: str, run: Run) -> Estimate:
    """The estimate of a measure of a run; a column or threshold that it lacks is its reason."""
    function = MEASURES[name]
    try:
        return function(run)
    except (KeyError, AttributeError) as error:  # table["column"], table.column
        quoted = re.findall(r"'(\w+)'", str(error))
        if isinstance(error, AttributeError) and quoted[0] != "DataFrame":
            raise
        column = quoted[0 if isinstance(error, KeyError) else -1]  # pandas ends on the index's kind
        return unmeasured(len(run.table), "", f"missing column {column}")
    except LookupError as error:
        return unmeasured(len(run.table), "", str(error))


def measured(run: Run, names: Collection[str] = tuple(MEASURES)) -> pd.DataFrame:
    """One row a measure: value, low, high, n, method, reason; each kept on disk.

    A measure is made again when the run's table or studies, or the code of this room, change.
    """
    rows = []
    for name in names:
        made = lambda name=name: pd.DataFrame([asdict(measure(name, run))])  # noqa: E731
        rows += cached(f"{run.name}-{name}", run.content, made, CODE).to_dict("records")
    return pd.DataFrame(rows, list(names))
