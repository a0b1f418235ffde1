"""The player of the first page: two puzzles of a model side by side, one solved and one failed.

What it plays is the study ``recorded``. It stands in the page itself, so that the player starts at
once and a saved page keeps it. Twin: ``static/motion.js``.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from rrm_companion import boards, embed
from rrm_companion.embed import HTML
from rrm_companion.pagedata import null, short4

from rrm_core.analysis import cells, fates
from rrm_core.runs.tables import SEGMENTS, Run
from rrm_core.sudoku.board import box_shape

SCRIPTS = ("dom.js", "plots.js", "examples.js", "motion.js")
STYLES = ("explorer.css", "motion.css")


def puzzle(run: Run, idx: int, part: pd.DataFrame) -> dict:
    """A recorded puzzle: boards ("" where as in the segment before), curves, path, as JSON."""
    row = run.table.set_index("idx").loc[idx]
    answers = part.answer.where(part.answer != part.answer.shift(), "")
    return {
        "idx": int(idx),
        "puzzle": row.puzzle,
        "solution": row.solution,
        "right": part.right.astype(int).tolist(),
        "answers": answers.tolist(),
        "drift": short4(part.drift),
        "growth": short4(part.growth.dropna()),
        "path": [short4(xy) for xy in part[["x", "y"]].to_numpy()],
        "explained": round(float(part.explained.iloc[0]), 3),
    }


def recorded(run: Run) -> dict | None:
    """What the player knows of a run, as JSON; None where nothing is recorded.

    The failure that is nearest to the median late drift of the run's failures comes first.
    """
    table = fates.study(run, "recorded")
    if table is None:
        return None
    parts, made = dict(list(table.groupby("idx"))), run.meta["architecture"]
    found = [puzzle(run, idx, parts[idx]) for idx in table.idx.unique()]
    kinds: dict[str, list] = {"solved": [], "failed": []}
    for each in found:  # as they went here: in another batch a wandering one may end elsewhere
        kinds["solved" if each["right"][SEGMENTS - 1] else "failed"].append(each)
    late = cells.late_drift(run.table)[~run.table.correct.to_numpy()]
    kinds["failed"].sort(key=lambda each: abs(each["drift"][SEGMENTS - 1] - np.median(late)))
    side = math.isqrt(len(found[0]["puzzle"]))
    return {
        "side": side,
        "box_rows": box_shape(side)[0],
        "numbers": (side**2 + made["prefix"]) * made["width"],
        "puzzles": len(run.table),
        "threshold": null(cells.band_of(run).otsu),
        "segments": parts[found[0]["idx"]].segment.tolist(),
        **kinds,
    }


def player(models: dict[str, Run]) -> HTML:
    """The player of the models that were recorded; their last boards where no script runs."""
    found = {model: data for model, run in models.items() if (data := recorded(run))}
    found = {model: data for model, data in found.items() if data["solved"] and data["failed"]}
    if not found:
        return HTML("<p>Nothing is recorded: <code>rrm study recorded --run RUN</code></p>")
    model, data = next(iter(found.items()))
    still = []
    for kind in ("solved", "failed"):
        first = data[kind][0]
        text = [answer for answer in first["answers"][:SEGMENTS] if answer][-1]
        still.append(boards.board(text, f"{model}, {kind}", first["puzzle"], first["solution"]))
    still = [
        f'<div class="rrm-boards">{"".join(still)}</div>',
        f"<p>{model}, segment {SEGMENTS}.</p>",
    ]
    return HTML(
        f'{embed.inline(*STYLES, *SCRIPTS)}<div class="rrm-motion">'
        f'<script type="application/json">{embed.as_json(found)}</script>'
        f'<div class="rrm-inside">{"".join(still)}</div></div>'
        "<script>window.rrm && rrm.motions && rrm.motions()</script>"
    )
