"""The components with a kernel behind them: anywidgets made from the very scripts of the published page.

While the book is built there is no kernel for the reader, so a sentence stands there instead of a dead slider.
"""

from __future__ import annotations

from functools import cache
from html import escape

import numpy as np
import pandas as pd
from rrm_companion import embed, pagedata

from rrm_core.analysis import cells, controls, stats
from rrm_core.runs.tables import Run

COMPONENTS = (
    "charts.js",
    "dom.js",
    "plots.js",
    "examples.js",
    "explorer.js",
    "viewer.js",
)  # in the order they need each other
STYLES = ("explorer.css", "viewer.css")
ONLY_LIVE = "With a kernel (JupyterLab, Colab, Binder), this cell shows the same explorer with AUC and intervals recomputed by `rrm_core` as the threshold moves."
ONLY_LIVE_VIEWER = "With a kernel (JupyterLab, Colab, Binder), this cell shows the same viewer, its boards read by `rrm_core` as they are asked for."


def summary(run: Run, threshold: float, state: str = "h") -> pd.DataFrame:
    """What the kernel recomputes at a threshold: quantity, estimate with interval (or why there is none), n."""
    df = run.table
    values = cells.late_drift(df, state)
    assigned = cells.assign(values, df.correct, threshold)
    n, out = cells.count(assigned), ~np.isin(assigned, ["A", "B"])
    score = -df.lambda_1.to_numpy("float64")
    _, matched = controls.decile_auc(df, values, threshold, resamples=1000)
    estimates = {
        "share of failures that settle (B of B + D)": stats.proportion(n["B"], n["B"] + n["D"]),
        "share of successes that settle (A of A + C)": stats.proportion(n["A"], n["A"] + n["C"]),
        "AUC of -λ1, all puzzles": stats.auc(score, df.correct),
        "AUC of -λ1, unsettled puzzles (C against D)": stats.auc(
            score[out], df.correct.to_numpy()[out]
        ),
        "the same, matched on late drift (1,000 resamples)": matched,
    }
    return pd.DataFrame(
        [
            {"quantity": name, "estimate": str(e), "n": e.n, "method": e.method}
            for name, e in estimates.items()
        ]
    )


def component(kind: str, runs: list[Run]) -> object:
    """The component `kind` ("explorer" or "viewer") as an anywidget that answers requests for blocks of examples."""
    import anywidget
    import traitlets

    if not runs:
        raise ValueError(f"no runs for the {kind}; expected at least one, as from tables.load_run")
    known = {run.name: run for run in runs}
    blocks = cache(lambda name: pagedata.blocks(known[name]))
    first = cells.band(cells.late_drift(runs[0].table))

    class Component(anywidget.AnyWidget):
        _esm = "\n".join(embed.static_text(name) for name in (*COMPONENTS, "live.js"))
        _css = "\n".join(embed.static_text(name) for name in STYLES)
        kind = traitlets.Unicode().tag(sync=True)
        rows = traitlets.Dict().tag(sync=True)
        run = traitlets.Unicode(runs[0].name).tag(sync=True)
        state = traitlets.Unicode("h").tag(sync=True)
        tau = traitlets.Float(0.0 if np.isnan(first.otsu) else first.otsu).tag(sync=True)

    def answer(widget: Component, wanted: dict, _: list) -> None:
        """A page asks for {run, block}; the same comes back with the examples of that block."""
        if wanted.get("run") in known and wanted.get("block") in range(len(blocks(wanted["run"]))):
            widget.send(wanted | {"examples": blocks(wanted["run"])[wanted["block"]]})

    widget = Component(kind=kind, rows={run.name: pagedata.rows(run) for run in runs})
    widget.on_msg(answer)
    return widget


def live(runs: list[Run]) -> object:
    """The explorer with a kernel behind it: an ipywidgets box of the component and the recomputed :func:`summary`."""
    if embed.publishing():
        return embed.say(ONLY_LIVE)
    import ipywidgets

    known = {run.name: run for run in runs}
    explorer = component("explorer", runs)
    results = ipywidgets.HTML()

    def recompute(*_: object) -> None:
        table = summary(known[explorer.run], explorer.tau, explorer.state)
        title = f"<b>{escape(known[explorer.run].label)}</b>, recomputed at log10 late drift &lt; {explorer.tau:.4f}"
        results.value = title + table.to_html(index=False, border=0)

    explorer.observe(recompute, names=["run", "state", "tau"])
    recompute()
    return ipywidgets.VBox([explorer, results])


def live_viewer(runs: list[Run]) -> object:
    """The trajectory viewer with a kernel behind it: blocks of boards are read when a puzzle of theirs is chosen."""
    return embed.say(ONLY_LIVE_VIEWER) if embed.publishing() else component("viewer", runs)
