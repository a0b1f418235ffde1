"""What picking by a signal gains (study `restarts`), and what giving up by one loses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import fates, stats
from rrm_core.analysis.stats import Estimate, Z, few
from rrm_core.runs.tables import Run, signals_at

RANDOM_ORDERS = 200  # orders of the restarts that are averaged over
PICKS = {
    "q_halt": ("q_halt", 1),
    "late drift": ("late", -1),
    "λ1": ("lambda_1", -1),
}  # column, sign


def grid(table: pd.DataFrame, column: str) -> np.ndarray:
    """(B, R) float64 of a column of the study, the stored start left out; puzzles by idx."""
    restarts = table[table.restart > 0]
    return restarts.pivot(index="idx", columns="restart", values=column).to_numpy("float64")


def weights(run: Run, table: pd.DataFrame) -> np.ndarray:
    """(B,) how many puzzles of the run each one of a sample by outcome stands for; mean 1."""
    correct = run.table.set_index("idx").correct.loc[np.sort(table.idx.unique())].to_numpy()
    share = run.table.correct.mean()
    good, bad = (max(side.mean(), 1e-12) for side in (correct, ~correct))
    return np.where(correct, share / good, (1 - share) / bad)


def orders(restarts: int) -> np.ndarray:
    """(200, R) seeded random orders."""
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(restarts) for _ in range(RANDOM_ORDERS)])


def picked(table: pd.DataFrame, pick: str, orders: np.ndarray) -> np.ndarray:
    """(B, R) probability, over random orders, that the pick of the first 1..R is right."""
    correct = grid(table, "correct")
    if pick == "random":
        return np.repeat(correct.mean(1, keepdims=True), orders.shape[1], axis=1)
    if pick == "oracle":
        return np.mean([np.maximum.accumulate(correct[:, o], axis=1) for o in orders], axis=0)
    column, sign = PICKS[pick]
    score, out = sign * grid(table, column), np.zeros_like(correct)
    for order in orders:
        s = score[:, order]
        best = np.stack([s[:, : r + 1].argmax(1) for r in range(s.shape[1])], 1)
        out += np.take_along_axis(correct[:, order], best, axis=1)
    return out / len(orders)


def restart_curve(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """One row a rule and number of restarts: pick, restarts, accuracy, low, high, n."""
    rows, drawn = [], orders(int(table.restart.max()))
    for pick in ("oracle", *PICKS, "random"):
        part = table[table.idx.isin(table.idx[table.lambda_1.notna()])] if pick == "λ1" else table
        w, unit = weights(run, part), stats.units(run.table, np.sort(part.idx.unique()))
        for r, right in enumerate(picked(part, pick, drawn).T, 1):
            e = stats.mean(right, w, unit)
            rows.append((pick, r, e.value, e.low, e.high, e.n))
    return pd.DataFrame(rows, columns=["pick", "restarts", "accuracy", "low", "high", "n"])


def blind_curve(run: Run, table: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """The selector-blind ceiling: puzzles whose calmest restart is settled, wrong, halting.

    One row a number of restarts: restarts, share, low, high.
    """
    blind = table.assign(correct=~table.correct & table.halts & (table.late < threshold))
    hit, w = picked(blind, "late drift", orders(int(table.restart.max()))), weights(run, table)
    unit, rows = stats.units(run.table, np.sort(table.idx.unique())), []
    for r, share in enumerate(hit.T, 1):  # a bootstrap of zeros has no width
        e = stats.mean(share, w, unit) if share.any() else stats.proportion(0, len(share))
        rows.append((r, e.value, e.low, e.high))
    return pd.DataFrame(rows, columns=["restarts", "share", "low", "high"])


def selection_gain(run: Run, pick: str = "q_halt", stored: bool = False) -> Estimate:
    """Accuracy of the best restart by a rule, less that of one at random or of the `stored`.

    All puzzles share the draws of the restarts, so the interval has two parts: a bootstrap over
    puzzles, and a jackknife over the draws.
    """
    table = fates.study(run, "restarts")
    if table is None:
        return fates.missing("restarts")
    column, sign = PICKS[pick]
    correct, score = grid(table, "correct"), sign * grid(table, column)
    w, unit = weights(run, table), stats.units(run.table, np.sort(table.idx.unique()))
    start = table[table.restart == 0].sort_values("idx").correct.to_numpy("float64")

    def gain(kept: np.ndarray) -> np.ndarray:
        best = score[:, kept] == score[:, kept].max(1, keepdims=True)  # equals share the pick
        base = start if stored else correct[:, kept].mean(1)
        return (best * correct[:, kept]).sum(1) / best.sum(1) - base

    every = np.arange(correct.shape[1])
    found = stats.mean(gain(every), w, unit)
    without = [np.average(gain(np.delete(every, j)), weights=w) for j in every]
    draws = (len(every) - 1) * np.var(without)
    half = np.sqrt(((found.high - found.low) / 2) ** 2 + Z**2 * draws)
    method = "bootstrap over puzzles and jackknife over restarts"
    return Estimate(found.value, found.value - half, found.value + half, found.n, method)


def pruned_successes(run: Run, signal: str, h: int = 4) -> Estimate:
    """Of the puzzles wrong at h and solved at 16, the share in the worse half by a signal.

    One half if the signal knows nothing. How many are in the worse half is fixed, so the interval
    of a share is somewhat wider than it need be.
    """
    wrong = run.table[~run.table[f"correct_{h:02d}"]]
    score = pd.Series(signals_at(wrong, h, run.updates_per_segment)[signal])
    worse, later = (
        score.rank(method="first").to_numpy() - 1 < len(score) / 2,
        wrong.correct.to_numpy(),
    )
    refused = few(int(later.sum()), "Clopper-Pearson")
    return refused or stats.share(worse[later], stats.units(wrong)[later])
