"""The settled-band explorer: in the published page without a kernel, in Jupyter with one; and boards to look at.

``explorer`` gives HTML that lives by itself (``static/explorer.js``); ``live`` puts the same component into Jupyter as
an anywidget and recomputes AUC and intervals with :mod:`rrm_core.stats` as the threshold moves. Counts are those of
:mod:`rrm_core.cells` in both. Source of the design: paper section 2.3.
"""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from rrm_core import cells, charts, stats, sudoku
from rrm_core.files import write_bytes
from rrm_core.tables import SEGMENTS, Run, columns, read_trajectories

ONLY_LIVE = "With a kernel (JupyterLab, Colab, Binder), this cell shows the same explorer with AUC and intervals recomputed by `rrm_core` as the threshold moves."


class HTML:
    """Something that a notebook shows as HTML."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


def null(value: float) -> float | None:
    """`value` as JSON can carry it: NaN becomes null."""
    return None if np.isnan(value) else float(value)


def short(values: np.ndarray, digits: int = 5) -> list[float]:
    """Floats rounded to `digits` significant digits, for what is only shown."""
    return [float(f"{v:.{digits}g}") for v in np.asarray(values, dtype="float64")]


def state_part(run: Run, state: str) -> dict:
    """What the explorer needs about the drift of one state: every value in full precision, thresholds, histogram."""
    values = cells.late_drift(run.table, state)
    band = cells.band(values)
    return {
        "late": values.tolist(),
        "otsu": null(band.otsu),
        "strict": null(band.strict),
        "strict_percentile": null(band.strict_percentile),
        "exists": band.exists,
        "reason": band.reason,
        "bins": charts.bins(values, run.table.correct).to_dict("records"),
    }


def wrong_part(run: Run) -> dict[int, dict]:
    """{idx: puzzle, solution, answer after the last segment, log10 drift of z_H} of every failure."""
    failed = run.table[~run.table.correct]
    answers = read_trajectories(run.name).set_index("idx")[f"answer_{SEGMENTS:02d}"]
    logs = np.log10(np.maximum(cells.drift(failed), cells.FLOOR))
    return {int(row.idx): {"puzzle": row.puzzle, "solution": row.solution, "answer": answers[row.idx], "drift": short(d, 4)}
            for row, d in zip(failed.itertuples(), logs, strict=True)}  # fmt: skip


def rows(run: Run) -> dict:
    """Everything the explorer knows about a run, as JSON values; see ``static/explorer.js``."""
    df = run.table
    n_wrong = int((~df.correct).sum())
    side = math.isqrt(len(df.puzzle.iloc[0]))
    states = {state: state_part(run, state) for state in cells.STATES}
    threshold = states["h"]["otsu"]
    assigned = cells.assign(states["h"]["late"], df.correct, threshold) if threshold is not None else np.where(df.correct, "A", "D")
    bands = cells.profiles(df, assigned)
    bounds = [stats.proportion(k, n_wrong) for k in range(n_wrong + 1)] if n_wrong else []
    return {
        "label": run.label,
        "n": len(df),
        "side": side,
        "box_rows": sudoku.box_shape(side)[0],
        "states": states,
        "correct": df.correct.astype(int).tolist(),
        "idx": df.idx.tolist(),
        "lambda_1": short(df.lambda_1),
        "token_acc": short(df.token_acc),
        "q_halt": short(df[f"q_halt_{SEGMENTS}"]),
        "halted_at": df.halted_at.tolist(),
        "givens": df.givens.tolist(),
        "naked_backtracks": df.naked_backtracks.tolist(),
        "bound": {"low": short([b.low for b in bounds]), "high": short([b.high for b in bounds])},
        "zero_bound": null(stats.zero_bound(n_wrong)),
        "wrong": wrong_part(run),
        "bands": {cell: [short(q, 4) for q in g[["low", "median", "high"]].to_numpy()] for cell, g in bands.groupby("cell")},
    }


def rows_script(run: Run) -> str:
    """The sidecar script of a run: it puts :func:`rows` where ``explorer.js`` looks."""
    return f"(window.rrm=window.rrm||{{}}).rows=rrm.rows||{{}};rrm.rows[{charts.as_json(run.name)}]={charts.as_json(rows(run))};\n"


def write_static(out: Path, runs: list[Run]) -> None:
    """Write every script, style and sidecar of the published pages to ``out`` (the book's ``_static/rrm``)."""
    for name in ("vega.js", "charts.js", "charts.css", "explorer.js", "explorer.css", "playground.js", "playground.css"):
        write_bytes(charts.static_text(name).encode(), out / name)
    for run in runs:
        write_bytes(rows_script(run).encode(), out / "rows" / f"{run.name}.js")


def specs() -> dict[str, dict]:
    """The explorer's two charts as Vega-Lite without data."""
    return {"histogram": charts.late_drift_histogram(None, None).to_dict(), "scatter": charts.drift_lambda_scatter(None, None).to_dict()}


def still(runs: list[Run]) -> str:
    """The explorer's table for readers without scripts: cells at the Otsu and strict thresholds of each run."""
    lines = []
    for run in runs:
        values = cells.late_drift(run.table)
        band = cells.band(values)
        for name, threshold in (("Otsu", band.otsu), ("strict", band.strict)):
            if np.isfinite(threshold):
                n = cells.count(cells.assign(values, run.table.correct, threshold))
                lines.append(f"<tr><td>{escape(run.label)}</td><td>{name} {threshold:.3f}</td>" + "".join(f"<td>{n[c]}</td>" for c in cells.CELLS) + "</tr>")
    head = "".join(f"<th>{h}</th>" for h in ("run", "threshold", *cells.CELLS))
    return f"<table><caption>Cells at the two thresholds (the explorer needs JavaScript)</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def explorer(runs: list[Run]) -> HTML:
    """The settled-band explorer of `runs`, the first one chosen: works in the page alone, from disk, without a network."""
    options = {"runs": [run.name for run in runs], "charts": specs()}
    data = "" if charts.publishing() else f"<script>{''.join(rows_script(run) for run in runs)}</script>"
    assets = charts.once("charts.css", "explorer.css", "vega.js", "charts.js", "explorer.js")
    return HTML(f'{data}{assets}<div class="rrm-explorer"><script type="application/json">{charts.as_json(options)}</script>{still(runs)}</div>'
                "<script>window.rrm && rrm.explorers && rrm.explorers()</script>")  # fmt: skip


# --- with a kernel -----------------------------------------------------------------------------------------------


def summary(run: Run, threshold: float, state: str = "h") -> pd.DataFrame:
    """What the kernel recomputes at a threshold: quantity, estimate with interval (or why there is none), n."""
    df = run.table
    values = cells.late_drift(df, state)
    assigned = cells.assign(values, df.correct, threshold)
    n, out = cells.count(assigned), ~np.isin(assigned, ["A", "B"])
    score = -df.lambda_1.to_numpy("float64")
    _, matched = stats.matched_auc(df, values, threshold, resamples=1000)
    estimates = {
        "share of failures that settle (B of B + D)": stats.proportion(n["B"], n["B"] + n["D"]),
        "share of successes that settle (A of A + C)": stats.proportion(n["A"], n["A"] + n["C"]),
        "AUC of -λ1, all puzzles": stats.auc(score, df.correct),
        "AUC of -λ1, unsettled puzzles (C against D)": stats.auc(score[out], df.correct.to_numpy()[out]),
        "the same, matched on late drift (1,000 resamples)": matched,
    }
    return pd.DataFrame([{"quantity": name, "estimate": str(e), "n": e.n, "method": e.method} for name, e in estimates.items()])


def live(runs: list[Run]) -> object:
    """The explorer with a kernel behind it: an ipywidgets box of the same component and the recomputed :func:`summary`.

    While the book is built there is no kernel for the reader, so a sentence stands there instead of a dead slider.
    """
    if charts.publishing():
        from IPython.display import Markdown

        return Markdown(ONLY_LIVE)
    import anywidget
    import ipywidgets
    import traitlets

    known = {run.name: run for run in runs}
    first = cells.band(cells.late_drift(runs[0].table))

    class Explorer(anywidget.AnyWidget):
        _esm = "\n".join([charts.static_text("charts.js"), charts.static_text("explorer.js"), charts.static_text("live.js")])
        _css = charts.static_text("explorer.css")
        rows = traitlets.Dict().tag(sync=True)
        run = traitlets.Unicode(runs[0].name).tag(sync=True)
        state = traitlets.Unicode("h").tag(sync=True)
        tau = traitlets.Float(0.0 if np.isnan(first.otsu) else first.otsu).tag(sync=True)

    component = Explorer(rows={run.name: rows(run) for run in runs})
    results = ipywidgets.HTML()

    def recompute(*_: object) -> None:
        table = summary(known[component.run], component.tau, component.state)
        title = f"<b>{escape(known[component.run].label)}</b>, recomputed at log10 late drift &lt; {component.tau:.4f}"
        results.value = title + table.to_html(index=False, border=0)

    component.observe(recompute, names=["run", "state", "tau"])
    recompute()
    return ipywidgets.VBox([component, results])


# --- boards ------------------------------------------------------------------------------------------------------


def board(text: str, caption: str, given: str | None = None, solution: str | None = None) -> str:
    """HTML table of a board; givens bold, cells that differ from `solution` marked and underlined."""
    side = math.isqrt(len(text))
    height, width = sudoku.box_shape(side)
    given = text if given is None else given
    body = []
    for r in range(side):
        line = []
        for c in range(side):
            i = r * side + c
            wrong = solution is not None and text[i] != solution[i]
            names = ["rrm-given"] * (given[i] != ".") + ["rrm-wrong"] * wrong
            names += ["rrm-right"] * (c + 1 < side and (c + 1) % width == 0) + ["rrm-below"] * (r + 1 < side and (r + 1) % height == 0)
            title = f' title="wrong: should be {escape(solution[i])}"' if wrong else ""
            line.append(f'<td class="{" ".join(names)}"{title}>{escape(text[i]) if text[i] != "." else ""}</td>')
        body.append(f"<tr>{''.join(line)}</tr>")
    return f'<figure><figcaption>{escape(caption)}</figcaption><table class="rrm-board" aria-label="{escape(caption, quote=True)}"><tbody>{"".join(body)}</tbody></table></figure>'


def boards(run: Run, idx: list[int]) -> HTML:
    """Puzzle, final answer with wrong cells marked, and solution of the puzzles `idx` of a run."""
    answers = read_trajectories(run.name).set_index("idx")[columns("answer")[-1]]
    chosen = run.table.set_index("idx").loc[list(idx), ["puzzle", "solution"]]
    blocks = []
    for i, row in chosen.iterrows():
        three = board(row.puzzle, f"puzzle {i}") + board(answers[i], "answer, wrong cells marked", row.puzzle, row.solution) + board(row.solution, "solution", row.puzzle)
        blocks.append(f'<div class="rrm-boards">{three}</div>')
    return HTML(charts.once("explorer.css") + "".join(blocks))

