"""The explorer with a kernel behind it: an anywidget made from the scripts of the published page.

While the book is built there is no kernel for the reader, and a sentence stands there.
"""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from rrm_companion import embed, pagedata, show

from rrm_core.analysis import cells, stats
from rrm_core.runs.tables import Run


def summary(run: Run, threshold: float, state: str = "h") -> pd.DataFrame:
    """What the kernel recomputes at a threshold in a view: quantity, estimate with interval, n."""
    late, right, _ = pagedata.views(run)[state]
    out, correct = late.to_numpy() >= threshold, right.to_numpy(bool)
    score, unit = -run.table.lambda_1.to_numpy("float64")[late.index], stats.units(run.table)
    unit = unit[late.index]
    estimates = {
        "share of failures that settle": stats.share(~out[~correct], unit[~correct]),
        "share of successes that settle": stats.share(~out[correct], unit[correct]),
        "AUC of -λ1, all puzzles": stats.auc(score, correct, unit),
        "AUC of -λ1, unsettled puzzles": stats.auc(score[out], correct[out], unit[out]),
    }
    return pd.DataFrame([{"quantity": q, "estimate": e, "n": e.n} for q, e in estimates.items()])


def component(models: dict[str, Run]) -> Any:
    """The explorer as an anywidget that answers requests for blocks of examples."""
    import anywidget
    import traitlets

    known = {run.name: run for run in models.values()}
    blocks = cache(lambda name: pagedata.blocks(known[name]))
    first = next(iter(known.values()))
    late, otsu = cells.late_drift(first.table), cells.band_of(first).otsu
    start = float(np.median(late) if np.isnan(otsu) else otsu)

    class Explorer(anywidget.AnyWidget):
        _esm = "\n".join(map(embed.static_text, (*embed.COMPONENTS, "live.js")))
        _css = "\n".join(map(embed.static_text, embed.STYLES))
        labels = traitlets.Dict().tag(sync=True)
        rows = traitlets.Unicode().tag(sync=True)  # JSON: as a text it is saved quickly
        run = traitlets.Unicode(first.name).tag(sync=True)
        state = traitlets.Unicode("h").tag(sync=True)
        tau = traitlets.Float(start).tag(sync=True)

    def answer(widget: Explorer, wanted: dict, _: list) -> None:
        """A page asks for {run, block}; the same comes back with the examples of that block."""
        if wanted.get("run") in known and wanted.get("block") in range(len(blocks(wanted["run"]))):
            widget.send(wanted | {"examples": blocks(wanted["run"])[wanted["block"]]})

    labels = {run.name: model for model, run in models.items()}
    each = [f"{embed.as_json(name)}:{pagedata.rows_json(run)}" for name, run in known.items()]
    widget = Explorer(labels=labels, rows=f"{{{','.join(each)}}}")
    widget.on_msg(answer)
    return widget


def live(models: dict[str, Run]) -> object:
    """The explorer with a kernel behind it: an ipywidgets box of it and its :func:`summary`."""
    if embed.publishing():
        return None  # no reader of a published page has a kernel
    import ipywidgets

    known = {run.name: run for run in models.values()}
    explorer, results = component(models), ipywidgets.HTML()

    def recompute(*_: object) -> None:
        table = summary(known[explorer.run], explorer.tau, explorer.state)
        model = explorer.labels[explorer.run]
        title = f"{model}, recomputed at log10 late drift < {explorer.tau:.4f}"
        results.value = show.table(table, title, digits=3).html

    explorer.observe(recompute, names=["run", "state", "tau"])
    recompute()
    return ipywidgets.VBox([explorer, results])
