"""What the components of a page know about a run, as JSON: its rows, and its puzzles in blocks.

Rows are what every threshold needs; an example is one puzzle's boards and profiles over the T = 16
segments, B = puzzles. Readers: ``static/explorer.js`` and ``static/viewer.js``.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from rrm_companion import embed

from rrm_core.analysis import cells, fates, stats
from rrm_core.runs import tables
from rrm_core.runs.tables import Run, lambda_at, log_drift, read_trajectories, segments
from rrm_core.store.cache import PACKAGE, cached
from rrm_core.sudoku.board import box_shape

HORIZONS = (32, 64, 128, 256)  # segments, of the study long
BLOCK = 64  # puzzles a script: about 50 kB, so that a click costs a blink also from a slow host


def null(value: float) -> float | None:
    """`value` as JSON can carry it: NaN becomes null."""
    return None if np.isnan(value) else float(value)


def short(values: np.ndarray, digits: int = 5) -> list[float | None]:
    """Floats rounded to `digits` significant digits, for what is only shown."""
    return [null(float(f"{v:.{digits}g}")) for v in np.asarray(values, dtype="float64")]


short4 = partial(short, digits=4)  # for what is drawn and not computed with


def exact(values: np.ndarray) -> list[float | None]:
    """Floats in the fewest decimals that tell each from its neighbours: ranks and ties survive."""
    return [null(float(str(v))) for v in np.asarray(values)]


# --- rows ----------------------------------------------------------------------------------------


def views(run: Run) -> dict[str, tuple[pd.Series, pd.Series, pd.Series]]:
    """{view: (late drift, right, halted at)} by row of the table, of the puzzles the view has.

    The three states after segment 16; z_H of the puzzles that were run on; and in bfloat16.
    """
    at = pd.Series(range(len(run.table)), run.table.idx)
    right, halted = (run.table[c].reset_index(drop=True) for c in ("correct", "halted_at"))
    known = [s for s in cells.STATES if s == "h" or "drift_l_01" in run.table]
    out = {s: (pd.Series(cells.late_drift(run.table, s)), right, halted) for s in known}
    if (long := fates.study(run, "long")) is not None:
        long = long.set_axis(at[long.idx].to_numpy())
        for t in HORIZONS:
            late, halted = long[f"late_{t:03d}"].astype("float64"), long.halted_at
            out[f"h{t}"] = late, long[f"correct_{t:03d}"], halted.where(halted < t, 0)
    if (precision := fates.study(run, "precision")) is not None:
        part = precision[precision.variant == "bfloat16"]
        part = part.set_axis(at[part.idx].to_numpy())
        out["bfloat16"] = part.late.astype("float64"), part.correct, part.halted_at
    return out


def view(run: Run, name: str, late: pd.Series, right: pd.Series, halted: pd.Series) -> dict:
    """What the explorer needs of a view: values, thresholds, bars, sweep, calmest failures.

    After more segments than 16 the thresholds are those of 16: what came to rest since?
    """
    band = cells.band_of(run) if name[1:].isdigit() else cells.band(late.to_numpy())
    every = range(len(run.table))
    missed = ~run.table.correct.to_numpy()[late.index]  # at 16: the boards shown are of then
    calm = late[~right & missed].sort_values().index
    halts = halted[calm].to_numpy() > 0
    shown = ["percentile", "threshold", "settled_failures"]
    return {
        "late": [null(v) for v in late.reindex(every)],
        "correct": right.reindex(every, fill_value=False).astype(int).tolist(),
        "halted_at": halted.reindex(every, fill_value=0).astype(int).tolist(),
        "otsu": null(band.otsu),
        "strict": null(band.strict),
        "strict_percentile": null(band.strict_percentile),
        "exists": band.exists,
        "reason": band.reason,
        "bins": cells.bins(late.to_numpy(), right).to_dict("records"),
        "sweep": cells.sweep(late.to_numpy(), right)[shown].dropna().to_dict("records"),
        "calmest": [*calm[halts][:2].tolist(), *calm[~halts][:2].tolist()],
    }


def growth(run: Run) -> np.ndarray:
    """(B, T): the largest exponent of segments 1..t, for t = 1..16; the last is lambda_1."""
    horizons = range(1, segments(run.table) + 1)
    return np.stack([lambda_at(run.table, h, run.updates_per_segment) for h in horizons], axis=1)


def bands(run: Run) -> dict:
    """{"drift" or "growth": {cell: [low, median, high]}}: how typical puzzles of A and D move."""
    assigned, _ = cells.at_otsu(run.table)
    curves = {"drift": log_drift(cells.drift(run.table)), "growth": growth(run)}
    out = {}
    for what, values in curves.items():
        inside = {cell: values[assigned == cell] for cell in "AD"}
        out[what] = {
            cell: list(map(short4, np.quantile(v, [0.1, 0.5, 0.9], axis=0).T))
            for cell, v in inside.items()
            if len(v)
        }
    return out


def rows(run: Run) -> dict:
    """Everything that the components know about a run before a puzzle is chosen, as JSON values."""
    df, side, unit = run.table, math.isqrt(len(run.table.puzzle.iloc[0])), stats.units(run.table)
    parts = {name: view(run, name, *given) for name, given in views(run).items()}
    calmest = sorted({i for part in parts.values() for i in part["calmest"]})
    whole = ["idx", "halted_at", "givens", "backtracks", "naked_backtracks"]
    return {
        "label": run.label,
        "n": len(df),
        "unit": unit.tolist() if stats.repeated(unit) else None,
        "segments": segments(df),
        "side": side,
        "box_rows": box_shape(side)[0],
        "block": BLOCK,
        "states": parts,
        "boards": dict(zip(calmest, last_boards(run, calmest), strict=True)),
        "correct": df.correct.astype(int).tolist(),
        "lambda_1": exact(df.lambda_1),
        "token_acc": short(df.token_acc),
        "margin": short(tables.halting_margin(df)[:, -1]),
        "bands": bands(run),
    } | {column: df[column].tolist() for column in whole}


def last_boards(run: Run, rows: list[int]) -> list[list[str]]:
    """[puzzle, answer after the last segment, solution] of some rows of the table."""
    df = run.table.iloc[rows]
    answers = read_trajectories(run.name).set_index("idx").loc[df.idx].iloc[:, -1]
    return np.stack([df.puzzle, answers, df.solution], 1).tolist()


def kept(name: str, run: Run, make: Callable[[Run], list[str]]) -> list[str]:
    """The texts ``make(run)``, made once for a run as it is: several outputs carry the same."""
    made, code = lambda: pd.DataFrame({"text": make(run)}), (PACKAGE, Path(__file__).parent)
    return cached(f"{run.name}-{name}", run.content, made, code).text.tolist()


def rows_json(run: Run) -> str:
    """:func:`rows` as JSON."""
    return kept("rows", run, lambda run: [embed.as_json(rows(run))])[0]


def rows_script(run: Run) -> str:
    """The sidecar script of a run: it puts :func:`rows` where the components look."""
    return embed.sidecar("rows", run.name, rows_json(run))


# --- examples, in blocks -------------------------------------------------------------------------


def examples(run: Run) -> pd.DataFrame:
    """One row a puzzle, in the order of the table: puzzle, solution, and lists of T.

    answers: boards, "" where as the segment before; drift: log10, of z_H; margin: of halting;
    growth: :func:`growth`.
    """
    df = run.table
    stored = read_trajectories(run.name).set_index("idx").loc[df.idx]
    changed = stored.where(stored.ne(stored.shift(axis=1)), "").to_numpy().tolist()
    parts = {"puzzle": df.puzzle.tolist(), "solution": df.solution.tolist(), "answers": changed}
    curves = {"drift": log_drift(cells.drift(df)), "margin": tables.halting_margin(df)}
    curves["growth"] = growth(run)
    parts |= {name: list(map(short4, values)) for name, values in curves.items()}
    return pd.DataFrame(parts, index=df.idx)


def blocks(run: Run) -> list[dict[int, dict]]:
    """The :func:`examples` of a run in blocks of :data:`BLOCK` rows: {idx: example}."""
    table = examples(run)
    return [table.iloc[i : i + BLOCK].to_dict("index") for i in range(0, len(table), BLOCK)]


def block_scripts(run: Run) -> list[str]:
    """The scripts of the blocks: each puts its examples where ``static/examples.js`` looks."""
    found = kept("blocks", run, lambda run: [*map(embed.as_json, blocks(run))])
    return [embed.sidecar("blocks", f"{run.name}/{i}", text) for i, text in enumerate(found)]
