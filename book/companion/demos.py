"""What the demo notebooks do: train a small model while the class watches, restart one puzzle, look at one exponent.

Each function returns a table or a chart; nothing is written to disk. B puzzles, T = 16 segments, K tangents.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict

import altair as alt
import numpy as np
import pandas as pd
import torch
from rrm_companion import boards as drawn
from rrm_companion import charts, embed, pagedata, playground

from rrm_core.analysis import cells, stats
from rrm_core.dynamics import rollout
from rrm_core.models.recursive import RecursiveModel, digits, load_model, tokens
from rrm_core.runs import measure
from rrm_core.runs.tables import (
    LATE,
    SEGMENTS,
    Run,
    columns,
    load_run,
    log_drift,
    read_trajectories,
)
from rrm_core.store import paths
from rrm_core.sudoku import board as sudoku
from rrm_core.training import trainer as train


class DemoError(ValueError):
    """A parameter of a demo out of range, or a puzzle that is not there; the message says what was expected."""


def within(name: str, value: float, low: float, high: float, whole: bool = False) -> float:
    """`value`, refused unless it is a number from `low` to `high` (a whole one where `whole`)."""
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise DemoError(
            f"{name}={value!r}: expected a {'whole ' if whole else ''}number from {low} to {high}"
        )
    return value


# --- training in front of the class ------------------------------------------------------------------------------


def trainer(steps: int, lr: float, seed: int) -> train.Trainer:
    """A 4x4 TRM (preset "smoke") that has not learned anything yet; evaluations read 64 validation puzzles."""
    torch.set_num_threads(1)  # two threads are slower than one at this size
    config, recipe = train.preset("smoke", steps=steps, lr=lr, seed=seed, eval_puzzles=64)
    return train.Trainer(config, recipe, tempfile.gettempdir())  # nothing is saved


def watch(
    student: train.Trainer, every: float, enough: float, say: Callable[[str], None] = print
) -> pd.DataFrame:
    """Train, and evaluate every `every` seconds, until a share `enough` of the validation puzzles is solved or the recipe's steps are done.

    One row an evaluation: the training log's columns, ``eval_exact``, ``eval_token_acc`` and ``watched_s``. Stops early on
    purpose: a 4x4 model soon solves everything, and then there are no failures to look at.
    """
    rows, started, tick = [], time.monotonic(), time.monotonic()
    while True:
        student.advance()
        done = student.step >= student.recipe.steps
        if done or time.monotonic() - tick >= every:
            row = (
                student.summary(time.monotonic() - tick)
                | student.evaluate()
                | {"watched_s": time.monotonic() - started}
            )
            rows.append(row)
            say(
                f"{row['watched_s']:4.0f} s   step {row['step']:4d}   cells right {row['eval_token_acc']:6.1%}   puzzles solved {row['eval_exact']:6.1%}"
            )
            tick = time.monotonic()
            if done or row["eval_exact"] >= enough:
                return pd.DataFrame(rows)


def unfinished(log: pd.DataFrame, steps: int) -> str:
    """In words and Markdown: what kind of model this is when it is measured."""
    last = log.iloc[-1]
    return (
        f"The model has trained for {last.watched_s:.0f} seconds ({int(last.step)} of at most {steps} steps) and solves {last.eval_exact:.0%} of the validation puzzles. It is "
        "**unfinished**: its failures are those of a model that is still learning. 4x4 has 36 essentially different minimal puzzles in all, so this run claims nothing."
    )


def measured(model: RecursiveModel, puzzle_set: str, n: int, k: int = 4) -> pd.DataFrame:
    """The measurement table of the first `n` puzzles of a set, `k` exponents each."""
    return measure.rows(model, measure.subset(puzzle_set, n), k=k)[0]


def sorted_into_cells(df: pd.DataFrame) -> str:
    """In words and Markdown: the cells at Otsu's threshold and the AUC of λ1, or why there are none."""
    band = cells.band(cells.late_drift(df))
    solved = f"{int(df.correct.sum())} of {len(df)} puzzles are solved after segment {SEGMENTS}. "
    if np.isnan(band.otsu):
        return solved + f"No cells: {band.reason}."
    n = cells.count(cells.assign(cells.late_drift(df), df.correct, band.otsu))
    shown = ", ".join(f"{cell} {number}" for cell, number in n.items())
    if not band.exists:
        return (
            solved
            + f"**Late drift has one hump** (separability {band.separability:.2f}), so this model has no settled band, and its cells mean little: {shown}."
        )
    auc = stats.auc(-df.lambda_1, df.correct)
    return (
        solved
        + f"Late drift has two humps (separability {band.separability:.2f}). Cells at Otsu: {shown}. Failures that settle: {stats.proportion(n['B'], n['B'] + n['D']):.1%}. AUC of −λ1: {auc}."
    )


# --- one puzzle --------------------------------------------------------------------------------------------------


def trained(run: Run) -> RecursiveModel:
    """The weights that were measured, on one thread."""
    torch.set_num_threads(1)
    return load_model(paths.run_dir(run.name))


def chosen(name: str, puzzle: int) -> tuple[Run, int, int]:
    """(run, idx of the chosen puzzle, idx of another one with the other outcome to set beside it).

    ``puzzle`` = -1: of the failures that move on (Otsu's threshold or above) while their answer stands still in segments 9 to 16, the one in the middle by late
    drift; of all failures where none does. The other one is the middle one of its kind; of successes, of those that settle, where any do.
    """
    run = load_run(name)
    df, late = run.table, cells.late_drift(run.table)
    settled, middle = late < cells.otsu(late).threshold, {}
    answers = (
        read_trajectories(name)
        .set_index("idx")
        .loc[df.idx, columns("answer")[SEGMENTS // 2 :]]
        .to_numpy()
    )
    still = (answers == answers[:, :1]).all(1)
    for outcome, wanted in ((True, settled), (False, still & ~settled)):
        rows = np.flatnonzero(df.correct.to_numpy() == outcome)
        if wanted[rows].any():
            rows = rows[wanted[rows]]
        if len(rows):
            middle[outcome] = int(df.idx.iloc[cells.middle(late, rows)])
    idx = middle.get(False, middle.get(True)) if puzzle == -1 else puzzle
    if idx not in set(df.idx):
        raise DemoError(
            f"puzzle={puzzle}: the run {name!r} has the puzzles {df.idx.min()} to {df.idx.max()}; -1 takes a failure that moves on while its answer stands still"
        )
    outcome = bool(df.correct[df.idx == idx].iloc[0])
    return run, idx, middle.get(not outcome, idx)


def row_of(run: Run, idx: int) -> pd.Series:
    """The row of puzzle `idx`."""
    return run.table.set_index("idx", drop=False).loc[idx]


def rolled(model: RecursiveModel, run: Run, idx: list[int], k: int = 8) -> rollout.Rollout:
    """The rollout of the puzzles `idx` from the start frame of the run. They go alone, not in the run's chunk of 32: quicker, and equal up to round-off."""
    boards = np.stack([sudoku.parse(row_of(run, i).puzzle) for i in idx])
    return rollout.unroll(model, tokens(boards), k=k, seed=run.meta["seed"])


def boards(run: Run, idx: int, out: rollout.Rollout, row: int = 0) -> embed.HTML:
    """The decoded board after every segment, wrong cells marked; `row` of the rollout is puzzle `idx`."""
    puzzle = row_of(run, idx)
    texts = [sudoku.to_text(board) for board in digits(out.answer[row])]
    shown = [
        drawn.board(
            text,
            f"after segment {t}" + (": solved" if text == puzzle.solution else ""),
            puzzle.puzzle,
            puzzle.solution,
        )
        for t, text in enumerate(texts, 1)
    ]
    return embed.HTML(f'{embed.once("explorer.css")}<div class="rrm-boards">{"".join(shown)}</div>')


def motion(run: Run, idx: list[int], out: rollout.Rollout) -> pd.DataFrame:
    """One row a puzzle and segment: puzzle (idx and outcome), segment, drift (log10 of z_H's), growth (summed so far along the first tangent, nats)."""
    parts = []
    for row, i in enumerate(idx):
        name = f"#{i}, {cells.outcomes([row_of(run, i).correct])[0]}"
        parts.append(
            pd.DataFrame(
                {
                    "puzzle": name,
                    "segment": np.arange(1, SEGMENTS + 1),
                    "drift": log_drift(out.drift_h[row].numpy()),
                    "growth": out.growth[row, :, 0].cumsum(0).numpy(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def agreement(run: Run, idx: int, out: rollout.Rollout, row: int = 0) -> str:
    """In words: how closely the drift of this rollout repeats the shipped table, first two segments and all."""
    shipped, now = (
        row_of(run, idx)[columns("drift_h")].to_numpy("float64"),
        out.drift_h[row].numpy(),
    )
    off = np.abs(now - shipped) / np.maximum(shipped, 0.1)
    return f"Against the shipped table, drift differs by at most {off[:2].max():.1e} in the first two segments and {off.max():.1e} in all (relative; a wandering state amplifies round-off)."


def restarted(
    model: RecursiveModel, run: Run, idx: int, size: float, kicks: int, seed: int = 0
) -> pd.DataFrame:
    """One row a restart and segment: restart, segment, drift (log10), correct (at the end), for one puzzle.

    The start state gets Gaussian noise of `size` times its root mean square on both z_H and z_L; every restart another draw.
    """
    state = [z.clone() for z in model.initial_state(kicks)]
    draw = torch.Generator().manual_seed(seed)
    kicked = tuple(
        z + size * z.float().pow(2).mean().sqrt() * torch.randn(z.shape, generator=draw)
        for z in state
    )
    board = np.repeat(sudoku.parse(row_of(run, idx).puzzle)[None], kicks, 0)
    out = rollout.unroll(model, tokens(board), k=0, state=kicked)
    solved = (
        (out.answer[:, -1] == tokens(sudoku.parse(row_of(run, idx).solution)[None])).all(-1).numpy()
    )
    drift = log_drift(out.drift_h.numpy())
    return pd.DataFrame(
        {
            "restart": np.repeat(np.arange(kicks), SEGMENTS),
            "segment": np.tile(np.arange(1, SEGMENTS + 1), kicks),
            "drift": drift.ravel(),
            "outcome": np.repeat(cells.outcomes(solved), SEGMENTS),
            "size": size,
        }
    )


def restart_table(restarts: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """One row a size of the kick: restarts, those that solve the puzzle with exact interval, those that end below the threshold."""
    rows = []
    for size, part in restarts.groupby("size"):
        ends = (
            part[part.segment > SEGMENTS - LATE]
            .groupby("restart")
            .agg(late=("drift", lambda d: np.log10((10**d).mean())), outcome=("outcome", "first"))
        )
        solved = int((ends.outcome == "correct").sum())
        rows.append(
            {
                "size of the kick": f"{size:g}",
                "restarts": len(ends),
                "solved": solved,
                "share solved": f"{stats.proportion(solved, len(ends)):.0%}",
                "settled (below Otsu)": int((ends.late < threshold).sum()),
            }
        )
    return pd.DataFrame(rows)


# --- one exponent ------------------------------------------------------------------------------------------------


def growing_window(run: Run) -> pd.DataFrame:
    """One row an outcome and segment: outcome, segment, low, median, high of λ1 over segments 1..segment (10 %, 50 %, 90 %), per update."""
    return cells.quantile_bands(
        pagedata.growth(run), cells.outcomes(run.table.correct), ("correct", "wrong")
    ).rename(columns={"cell": "outcome"})


def frames_table(run: Run, n: int, frames: int) -> pd.DataFrame:
    """λ1 of the first `n` puzzles of a run from `frames` different start frames: idx, correct, shipped, frame, lambda_1."""
    model, df = trained(run), run.table.head(n)
    boards, rows = np.stack([sudoku.parse(p) for p in df.puzzle]), []
    for seed in range(frames):
        out = rollout.unroll(model, tokens(boards), k=run.meta["k"], seed=seed)
        values = out.growth.sum(1).max(-1).values.numpy() / (SEGMENTS * run.updates_per_segment)
        rows += [
            {"idx": i, "correct": c, "shipped": s, "frame": seed, "lambda_1": v}
            for i, c, s, v in zip(df.idx, df.correct, df.lambda_1, values, strict=True)
        ]
    return pd.DataFrame(rows)


def frames_line(table: pd.DataFrame, run: Run) -> str:
    """In words: how much λ1 differs between start frames of one puzzle, and between puzzles in the whole run."""
    within_one = table.groupby("idx").lambda_1.std().mean()
    return (
        f"Between {table.frame.nunique()} start frames the λ1 of one puzzle varies by {within_one:.4f} (standard deviation, mean over {table.idx.nunique()} puzzles); "
        f"between the {len(run.table):,} puzzles of the run it varies by {run.table.lambda_1.std():.4f}. All puzzles of a run share one frame, so the first number does not enter a comparison of puzzles by chance."
    )


def by_angle(horizons: list[int], **matrix: float) -> pd.DataFrame:
    """One row an angle and horizon of a linear map: angle of the first tangent (degrees), steps, exponent, exact."""
    angles = np.arange(0.0, 181.0, 3.0)
    start = np.tile([1.0, 0.0], (len(angles), 1))
    values = playground.history("linear", start, max(horizons), angles, **matrix)[..., 0]
    return pd.DataFrame(
        [
            {
                "angle": a,
                "steps T": t,
                "exponent": values[t - 1, i],
                "exact": playground.linear_exact(t, a, **matrix),
            }
            for t in horizons
            for i, a in enumerate(angles)
        ]
    )


def spread_table(name: str, horizons: list[int], n: int, **values: float) -> pd.DataFrame:
    """One row a horizon of a toy map: median, middle 90 % and its width over `n` starts; and the width times the root of T."""
    found = playground.ensemble(name, n, max(horizons), **values)[..., 0]
    rows = []
    for t in horizons:
        low, middle, high = np.nanquantile(found[t - 1], [0.05, 0.5, 0.95])
        rows.append(
            {
                "steps T": t,
                "median": middle,
                "from": low,
                "to": high,
                "width of the middle 90 %": high - low,
                "width times √T": (high - low) * np.sqrt(t),
                "width times T": (high - low) * t,
            }
        )
    return pd.DataFrame(rows)


# --- charts ------------------------------------------------------------------------------------------------------


def lines(
    table: pd.DataFrame,
    x: str,
    y: str,
    y_title: str,
    color: str,
    title: str,
    source: str,
    what: str,
    detail: str | None = None,
    rule: float = np.nan,
) -> alt.Chart:
    """Lines of `y` over `x`, one a value of `color` (and of `detail`), and a dashed rule at `rule`; outcomes in the book's colours and dashes."""
    below = alt.Legend(
        orient="bottom"
    )  # at the side of two charts it would lie outside the column of the page
    if color == "outcome":  # both channels know both outcomes, so that their legends are one
        shade, dash = (
            alt.Color("outcome:N", legend=below, **charts.OUTCOME),
            alt.StrokeDash(
                "outcome:N",
                legend=below,
                title=charts.OUTCOME["title"],
                scale=alt.Scale(domain=["correct", "wrong"]),
            ),
        )
    else:
        shade, dash = (
            channel(f"{color}:N", title=color, legend=below)
            for channel in (alt.Color, alt.StrokeDash)
        )
    marks = {
        "x": alt.X(f"{x}:Q", title=x),
        "y": alt.Y(f"{y}:Q", title=y_title, scale=alt.Scale(zero=False)),
        "color": shade,
        "strokeDash": dash,
    }
    chart = (
        alt.Chart(table)
        .mark_line(strokeWidth=1.6, opacity=0.8)
        .encode(**marks, **({"detail": f"{detail}:N"} if detail else {}))
    )
    ruled = chart + charts.level(rule) if np.isfinite(rule) else chart
    return charts.titled(ruled.properties(width=charts.WIDTH, height=190), title, source, what)


def window(table: pd.DataFrame, source: str) -> alt.Chart:
    """λ1 as the window grows: median and 10-90 % of each outcome; `table` from :func:`growing_window`."""
    base = alt.Chart(table).encode(
        x=alt.X("segment:Q", title="segments in the window"),
        color=alt.Color("outcome:N", **charts.OUTCOME),
    )
    area = base.mark_area(opacity=0.18).encode(
        y=alt.Y("low:Q", title=charts.LAMBDA, scale=alt.Scale(zero=False)), y2="high:Q"
    )
    middle = base.mark_line(strokeWidth=2).encode(
        y="median:Q", strokeDash=alt.StrokeDash("outcome:N", title=charts.OUTCOME["title"])
    )
    return charts.titled(
        (area + middle + charts.level(0.0)).properties(width=420, height=220),
        "λ1 as the window grows",
        source,
        "Lines: median of each outcome; bands: 10-90 %.",
    )


def recipe_line(student: train.Trainer) -> str:
    """In words: the sizes and the recipe of the model that is trained."""
    config, recipe = asdict(student.config), student.recipe
    count = sum(p.numel() for p in student.model.parameters())
    return f"A {config['model'].upper()} for {config['side']}x{config['side']} boards, width {config['width']}, {count:,} parameters; batches of {recipe.batch}, learning rate {recipe.lr:g}, at most {recipe.steps} steps."
