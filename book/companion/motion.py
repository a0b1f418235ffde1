"""The player of the first page: two puzzles of a model side by side, one solved and one failed.

What it plays is the study ``recorded``. It stands in the page itself, so that the player starts at
once and a saved page keeps it. Twin: ``static/motion.js``.
"""

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
RISE = 0.3  # decades of drift after segment 16 by which a failure does more than go on


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

    First come failures with the most frequent fate of the run and, among these, those whose drift
    does not rise after segment 16; then by their distance to the median late drift. A puzzle that,
    in this other batch, ended otherwise than in the run is left out.
    """
    table, otsu = fates.study(run, "recorded"), cells.band_of(run).otsu
    if table is None:
        return None
    side, made = math.isqrt(len(table.answer[0])), run.meta["architecture"]
    middle = np.median(cells.late_drift(run.table)[~run.table.correct.to_numpy()])
    ends = table.groupby("idx").last().rename(columns={"right": "correct_256", "drift": "late_256"})
    here = table[table.segment == SEGMENTS].set_index("idx")
    after = table[table.segment > SEGMENTS].groupby("idx").drift.max() - here.drift
    here = here.assign(gap=(here.drift - middle).abs(), rises=after > RISE)
    here = here.assign(fate=fates.fate(ends, otsu, 256))
    if isinstance(followed := fates.followed(run), pd.DataFrame):
        here = here.assign(fate=here.fate != followed.fate.mode()[0])
    here = here[here.right == here.correct_in_table]
    order = {"solved": here[here.right], "failed": here[~here.right]}
    order["failed"] = order["failed"].sort_values(["fate", "rises", "gap"])
    parts = dict(list(table.groupby("idx")))
    return {
        "side": side,
        "box_rows": box_shape(side)[0],
        "numbers": (side**2 + made["prefix"]) * made["width"] if "prefix" in made else None,
        "puzzles": len(run.table),
        "threshold": null(otsu),
        "segments": table.segment[table.idx == table.idx[0]].tolist(),
    } | {kind: [puzzle(run, idx, parts[idx]) for idx in of.index] for kind, of in order.items()}


def player(models: dict[str, Run]) -> HTML:
    """The player of the models that were recorded; their last boards where no script runs."""
    told = {model: recorded(run) for model, run in models.items()}
    found = {m: data for m, data in told.items() if data and data["solved"] and data["failed"]}
    if not found:
        return HTML("<p>Nothing is recorded: <code>rrm study recorded --run RUN</code></p>")
    model, data = next(iter(found.items()))
    still = f"<p>{model}, segment {SEGMENTS}.</p>"
    for kind in ("failed", "solved"):
        first = data[kind][0]
        text = [answer for answer in first["answers"][:SEGMENTS] if answer][-1]
        still = boards.board(text, kind, first["puzzle"], first["solution"]) + still
    return HTML(
        f'{embed.inline(*STYLES, *SCRIPTS)}<div class="rrm-motion">'
        f'<script type="application/json">{embed.as_json(found)}</script>'
        f'<div class="rrm-inside"><div class="rrm-boards">{still}</div></div></div>'
        "<script>window.rrm && rrm.motions && rrm.motions()</script>"
    )
