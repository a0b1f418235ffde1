"""Restart and select, and early pruning: what picking by a signal gains, and what giving up by one loses. Like :mod:`rrm_core.analysis.fates`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from rrm_core.analysis import fates as findings
from rrm_core.analysis import stats
from rrm_core.analysis.stats import LEVEL, Estimate, few, proportion
from rrm_core.runs.tables import Run, signals_at

RANDOM_ORDERS = 200  # orders of the restarts that are averaged over
PICKS = {
    "q_halt": ("q_halt", 1),
    "late drift": ("late", -1),
    "λ1": ("lambda_1", -1),
}  # column, direction


def grid(table: pd.DataFrame, column: str) -> np.ndarray:
    """(puzzles, restarts) of a column of the study `restarts`, the stored start left out; puzzles by idx."""
    return table[table.restart > 0].pivot(index="idx", columns="restart", values=column).to_numpy()


def weights(run: Run, table: pd.DataFrame) -> np.ndarray:
    """(puzzles,) how many puzzles of the run each puzzle of a sample stratified by outcome stands for, scaled to mean 1."""
    idx = np.sort(table.idx.unique())
    correct = run.table.set_index("idx").correct.loc[idx].to_numpy()
    share = run.table.correct.mean()
    return np.where(
        correct, share / max(correct.mean(), 1e-12), (1 - share) / max((~correct).mean(), 1e-12)
    )


def picked(table: pd.DataFrame, pick: str, orders: np.ndarray) -> np.ndarray:
    """(puzzles, R) probability, over random orders of the restarts, that what a rule picks of the first 1..R is right."""
    correct = grid(table, "correct").astype(float)
    if pick == "random":
        return np.repeat(correct.mean(1, keepdims=True), orders.shape[1], axis=1)
    if pick == "oracle":
        return np.mean(
            [np.maximum.accumulate(correct[:, order], axis=1) for order in orders], axis=0
        )
    column, sign = PICKS[pick]
    score = sign * grid(table, column).astype("float64")
    out = np.zeros_like(correct)
    for order in orders:
        s = score[:, order]
        best = np.array(
            [s[:, : r + 1].argmax(1) for r in range(s.shape[1])]
        )  # (R, puzzles) position in the order
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
            e = stats.mean(right[:, r], w)
            rows.append(
                {
                    "pick": pick,
                    "restarts": r + 1,
                    "accuracy": e.value,
                    "low": e.low,
                    "high": e.high,
                    "n": e.n,
                }
            )
    return pd.DataFrame(rows)


def blind_curve(run: Run, table: pd.DataFrame, strict: float) -> pd.DataFrame:
    """The selector-blind ceiling against R: share of the run's puzzles whose lowest-drift restart is wrong, settled and would halt."""
    blind = table.assign(correct=~table.correct & table.halts & (table.late < strict))
    hit, w = picked(blind, "late drift", orders(int(table.restart.max()))), weights(run, table)
    found = [
        stats.mean(share, w) if share.any() else proportion(0, len(share)) for share in hit.T
    ]  # a bootstrap of zeros has no width
    return pd.DataFrame(
        [
            {"restarts": r, "share": e.value, "low": e.low, "high": e.high}
            for r, e in enumerate(found, 1)
        ]
    )


def selection_gain(run: Run, pick: str = "q_halt", stored: bool = False) -> Estimate:
    """Accuracy of the best of all restarts by a rule minus that of one restart at random (or of the `stored` start), over the run's puzzles.

    All puzzles share the draws of the restarts, so the interval has two parts: a bootstrap over puzzles, and a jackknife over the draws.
    """
    table = findings.study(run, "restarts")
    if table is None:
        return findings.missing("restarts")
    column, sign = PICKS[pick]
    correct, score, w = (
        grid(table, "correct").astype(float),
        sign * grid(table, column).astype("float64"),
        weights(run, table),
    )
    start = table[table.restart == 0].sort_values("idx").correct.to_numpy("float64")

    def gain(kept: np.ndarray) -> np.ndarray:
        best = score[:, kept] == score[:, kept].max(
            1, keepdims=True
        )  # equally good ones share the pick
        return (best * correct[:, kept]).sum(1) / best.sum(1) - (
            start if stored else correct[:, kept].mean(1)
        )

    found, every = stats.mean(gain(np.arange(correct.shape[1])), w), np.arange(correct.shape[1])
    without = np.array([np.average(gain(np.delete(every, j)), weights=w) for j in every])
    draws = (len(every) - 1) * without.var()
    half = np.sqrt(((found.high - found.low) / 2) ** 2 + norm.ppf(0.5 + LEVEL / 2) ** 2 * draws)
    return Estimate(
        found.value,
        found.value - half,
        found.value + half,
        found.n,
        "bootstrap over puzzles and jackknife over restarts",
    )


def pruned_successes(run: Run, signal: str, h: int = 4) -> Estimate:
    """Of the puzzles wrong at h and solved at 16, the share in the worse half by a signal: one half if it knows nothing.

    How many are in the worse half is fixed, so the exact interval of a share is somewhat wider than it need be.
    """
    wrong = ~run.table[f"correct_{h:02d}"].to_numpy()
    score, later = (
        signals_at(run.table, h, run.updates_per_segment)[signal][wrong],
        run.table.correct.to_numpy()[wrong],
    )
    if refused := few(int(later.sum()), "Clopper-Pearson"):
        return refused
    worse = np.argsort(np.argsort(score, kind="stable"), kind="stable") < len(score) / 2
    return proportion(int((worse & later).sum()), int(later.sum()))
