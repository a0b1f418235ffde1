"""The settled-band explorer and the trajectory viewer in the published page, without a kernel; the door to all widgets.

``explorer`` and ``viewer`` give HTML that lives by itself (``static/explorer.js``, ``static/viewer.js``); ``live`` and
``live_viewer`` put the same components into Jupyter (:mod:`rrm_companion.kernel`). Counts are those of :mod:`rrm_core.analysis.cells`,
AUC that of :mod:`rrm_core.analysis.stats`, in both. Source of the design: paper section 2.3.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np
from rrm_companion import embed, pagedata
from rrm_companion.boards import board, boards
from rrm_companion.embed import HTML
from rrm_companion.kernel import COMPONENTS, STYLES, live, live_viewer, summary
from rrm_companion.pagedata import rows

from rrm_core.analysis import cells
from rrm_core.runs.tables import SEGMENTS, Run, read_trajectories
from rrm_core.store.files import write_bytes

__all__ = [
    "HTML",
    "board",
    "boards",
    "explorer",
    "live",
    "live_viewer",
    "rows",
    "summary",
    "viewer",
    "write_static",
]


def write_static(out: Path, runs: list[Run]) -> None:
    """Write every script, style and sidecar of the published pages to ``out`` (the book's ``_static/rrm``)."""
    for name in ("vega.js", "charts.css", "playground.js", "playground.css", *COMPONENTS, *STYLES):
        write_bytes(embed.static_text(name).encode(), out / name)
    for run in runs:
        write_bytes(pagedata.rows_script(run).encode(), out / "rows" / f"{run.name}.js")
        for number, block in enumerate(pagedata.blocks(run)):
            write_bytes(
                pagedata.block_script(run, number, block).encode(),
                out / "boards" / run.name / f"{number}.js",
            )


def travelling(runs: list[Run]) -> str:
    """Scripts, styles, rows and boards for an output of a notebook; empty while the book is built.

    Boards are large (about 1 MB a run), so they travel with the first output that needs them.
    """
    if embed.publishing():
        return ""
    new = embed.unsent(f"boards of {run.name}" for run in runs)
    boards_ = [
        pagedata.block_script(run, i, block)
        for run in runs
        if f"boards of {run.name}" in new
        for i, block in enumerate(pagedata.blocks(run))
    ]
    return (
        f"<script>{''.join([*map(pagedata.rows_script, runs), *boards_])}</script>"
        + embed.inline(*STYLES, *COMPONENTS)
    )


def component(kind: str, runs: list[Run], still: str) -> HTML:
    """The component `kind` of `runs`, the first one chosen; `still` stands there until, or unless, scripts run."""
    if not runs:
        raise ValueError(f"no runs for the {kind}; expected at least one, as from tables.load_run")
    options = embed.as_json(
        {
            "runs": [run.name for run in runs],
            "labels": {run.name: run.label for run in runs},
            "address": embed.publishing(),
        }
    )
    return HTML(
        f'{travelling(runs)}<div class="rrm-{kind}"><script type="application/json">{options}</script>{still}</div>'
        f"<script>window.rrm && rrm.{kind}s && rrm.{kind}s()</script>"
    )


def explorer(runs: list[Run]) -> HTML:
    """The settled-band explorer of `runs`: works in the page alone, from disk, without a network."""
    return component("explorer", runs, still_cells(runs))


def viewer(runs: list[Run]) -> HTML:
    """The trajectory viewer of `runs`: one example of each cell, its boards and profiles over the 16 segments."""
    return component("viewer", runs, still_boards(runs[0]) if runs else "")


def still_cells(runs: list[Run]) -> str:
    """The explorer's table for readers without scripts: cells at the Otsu and strict thresholds of each run."""
    lines = []
    for run in runs:
        values = cells.late_drift(run.table)
        band = cells.band(values)
        for name, threshold in (("Otsu", band.otsu), ("strict", band.strict)):
            if np.isfinite(threshold):
                n = cells.count(cells.assign(values, run.table.correct, threshold))
                lines.append(
                    f"<tr><td>{escape(run.label)}</td><td>{name} {threshold:.3f}</td>"
                    + "".join(f"<td>{n[c]}</td>" for c in cells.CELLS)
                    + "</tr>"
                )
    head = "".join(f"<th>{h}</th>" for h in ("run", "threshold", *cells.CELLS))
    return f"<table><caption>Cells at the two thresholds (the explorer needs JavaScript)</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def still_boards(run: Run) -> str:
    """The viewer for readers without scripts: the typical puzzle of each cell at Otsu, after segments 1, 4 and 16."""
    df, (assigned, _) = run.table, cells.at_otsu(run.table)
    answers = read_trajectories(run.name).set_index("idx")
    parts = [
        f'<p class="rrm-note">{escape(run.label)}, Otsu threshold: the typical puzzle of each cell (median late drift). The moving viewer needs JavaScript.</p>'
    ]
    for cell, at in cells.typical(cells.late_drift(df), assigned).items():
        if at is None:
            parts.append(f"<p>Cell {cell}: no puzzle.</p>")
            continue
        row = df.iloc[at]
        shown = [
            board(
                answers.loc[row.idx, f"answer_{t:02d}"],
                f"cell {cell}, puzzle {row.idx}, after segment {t}",
                row.puzzle,
                row.solution,
            )
            for t in (1, 4, SEGMENTS)
        ]
        parts.append(f'<div class="rrm-boards">{"".join(shown)}</div>')
    return "".join(parts)
