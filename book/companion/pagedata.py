"""What the components of a page know about a run, as JSON: its rows, and its examples in blocks to be loaded on demand.

Rows are what every threshold needs; an example is one puzzle's boards and profiles over the T = 16 segments, B = puzzles.
The readers are ``static/explorer.js`` and ``static/viewer.js``. Statistics come from :mod:`rrm_core.analysis.cells` and :mod:`rrm_core.analysis.stats`.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from rrm_companion import embed

from rrm_core.analysis import cells, stats
from rrm_core.runs.tables import (
    SEGMENTS,
    Run,
    columns,
    halting_margin,
    lambda_at,
    log_drift,
    read_trajectories,
)
from rrm_core.sudoku import board as sudoku

BLOCK = 64  # puzzles a script: about 50 kB, so that a click costs a blink also from a slow host


def null(value: float) -> float | None:
    """`value` as JSON can carry it: NaN becomes null."""
    return None if np.isnan(value) else float(value)


def short(values: np.ndarray, digits: int = 5) -> list[float]:
    """Floats rounded to `digits` significant digits, for what is only shown."""
    return [float(f"{v:.{digits}g}") for v in np.asarray(values, dtype="float64")]


def exact(values: np.ndarray) -> list[float]:
    """Floats in the fewest decimals that tell each from its neighbours in its own precision: ranks and ties survive."""
    return [float(str(v)) for v in np.asarray(values)]


# --- rows --------------------------------------------------------------------------------------------------------


def state_part(run: Run, state: str) -> dict:
    """What the explorer needs about the drift of one state: every value in full precision, thresholds, histogram, sweep."""
    values = cells.late_drift(run.table, state)
    band = cells.band(values)
    return {
        "late": values.tolist(),
        "otsu": null(band.otsu),
        "strict": null(band.strict),
        "strict_percentile": null(band.strict_percentile),
        "exists": band.exists,
        "reason": band.reason,
        "bins": cells.bins(values, run.table.correct).to_dict("records"),
        "sweep": cells.sweep(values, run.table.correct)[
            ["percentile", "threshold", "settled_failures"]
        ].to_dict("records"),
    }


def growth(run: Run) -> np.ndarray:
    """(B, T) cumulative growth per update: the largest exponent of segments 1..t, for t = 1..16; the last is lambda_1."""
    return np.stack(
        [lambda_at(run.table, h, run.updates_per_segment) for h in range(1, SEGMENTS + 1)], axis=1
    )


def rows(run: Run) -> dict:
    """Everything that the components know about a run before a puzzle is chosen, as JSON values."""
    df = run.table
    n_wrong = int((~df.correct).sum())
    side = math.isqrt(len(df.puzzle.iloc[0]))
    low, high = stats.bounds(n_wrong)
    assigned, _ = cells.at_otsu(df)
    bands = {
        what: cells.quantile_bands(values, assigned)
        for what, values in (("drift", log_drift(cells.drift(df))), ("growth", growth(run)))
    }
    return {
        "label": run.label,
        "n": len(df),
        "side": side,
        "box_rows": sudoku.box_shape(side)[0],
        "block": BLOCK,
        "states": {state: state_part(run, state) for state in cells.STATES},
        "correct": df.correct.astype(int).tolist(),
        "idx": df.idx.tolist(),
        "lambda_1": exact(df.lambda_1),
        "token_acc": short(df.token_acc),
        "margin": short(halting_margin(df)[:, -1]),
        "halted_at": df.halted_at.tolist(),
        "givens": df.givens.tolist(),
        "backtracks": df.backtracks.tolist(),
        "naked_backtracks": df.naked_backtracks.tolist(),
        "bound": {"low": short(low), "high": short(high)},
        "zero_bound": null(stats.zero_bound(n_wrong)),
        "bands": {
            what: {
                cell: [short(q, 4) for q in g[["low", "median", "high"]].to_numpy()]
                for cell, g in table.groupby("cell")
            }
            for what, table in bands.items()
        },
    }


def rows_script(run: Run) -> str:
    """The sidecar script of a run: it puts :func:`rows` where the components look."""
    return embed.sidecar("rows", run.name, rows(run))


# --- examples, in blocks -----------------------------------------------------------------------------------------


def examples(run: Run) -> pd.DataFrame:
    """One row a puzzle, in the order of the table: puzzle, solution, answers, drift, margin, growth (lists of T).

    A board is a text, "" where it is that of the segment before. drift: log10, of z_H; margin: of halting; growth: :func:`growth`.
    Four significant digits: these are drawn, not computed with.
    """
    df = run.table
    answers = (
        read_trajectories(run.name)
        .set_index("idx")
        .loc[df.idx, columns("answer")]
        .to_numpy(dtype=object)
    )
    changed = [
        [a if t == 0 or a != line[t - 1] else "" for t, a in enumerate(line)] for line in answers
    ]
    curves = {
        "drift": log_drift(cells.drift(df)),
        "margin": halting_margin(df),
        "growth": growth(run),
    }
    parts = {"puzzle": df.puzzle.tolist(), "solution": df.solution.tolist(), "answers": changed}
    return pd.DataFrame(
        parts | {name: [short(line, 4) for line in values] for name, values in curves.items()},
        index=df.idx,
    )


def blocks(run: Run) -> list[dict[int, dict]]:
    """The :func:`examples` of a run in blocks of :data:`BLOCK` rows of its table: {idx: example}."""
    table = examples(run)
    return [table.iloc[i : i + BLOCK].to_dict("index") for i in range(0, len(table), BLOCK)]


def block_script(run: Run, number: int, block: dict[int, dict]) -> str:
    """The script of a block: it puts the examples where ``static/examples.js`` looks."""
    return embed.sidecar("blocks", f"{run.name}/{number}", block)
