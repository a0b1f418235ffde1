"""The settled-band explorer and the trajectory viewer, in the page and, the explorer, in a kernel.

``explorer`` and ``viewer`` give HTML that lives by itself (``static/explorer.js``, ``viewer.js``);
:mod:`rrm_companion.kernel` puts the explorer into Jupyter with Python behind it. Counts are those
of :mod:`rrm_core.analysis.cells`, AUC that of :mod:`rrm_core.analysis.stats`, in both.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rrm_companion import boards, embed, pagedata, show
from rrm_companion.embed import HTML

from rrm_core.analysis import cells
from rrm_core.runs.tables import Run, read_trajectories, segments
from rrm_core.store.files import write_bytes


def explorer(models: dict[str, Run], only: str = "") -> HTML:
    """The explorer of `models` in the page alone; only="threshold" leaves histogram and cells."""
    return component("explorer", models, still_cells, only=only)


def viewer(models: dict[str, Run]) -> HTML:
    """The trajectory viewer: a puzzle of each cell, its boards and profiles over 16 segments."""
    return component("viewer", models, still_boards)


def component(kind: str, models: dict[str, Run], still: Callable, **more: object) -> HTML:
    """The component `kind`; ``still(models)`` stands there until, or unless, scripts run.

    Outside the built book its scripts, styles, rows and boards come with it. Boards are large
    (about 1 MB a run), so they travel with the first output that needs them.
    """
    if not models:
        raise ValueError(f"no models for the {kind}; expected one at least, as from show.models")
    options = {
        "runs": [run.name for run in models.values()],
        "labels": {run.name: model for model, run in models.items()},
        "address": embed.publishing(),
        **more,
    }
    brought = ""
    if not embed.publishing():
        runs = {f"boards of {run.name}": run for run in models.values()}
        scripts = [pagedata.rows_script(run) for run in runs.values()]
        for name in embed.unsent(runs):
            scripts += pagedata.block_scripts(runs[name])
        brought = f"<script>{''.join(scripts)}</script>"
        brought += embed.inline(*embed.STYLES, *embed.COMPONENTS)
    return HTML(
        f'{brought}<div data-only="{more.get("only", "")}" class="rrm-{kind}">'
        f'<script type="application/json">{embed.as_json(options)}</script>{still(models)}</div>'
        f"<script>window.rrm && rrm.{kind}s && rrm.{kind}s()</script>"
    )


def write_static(out: Path) -> None:
    """Write every script and style of the published pages to `out` (the book's ``_static/rrm``)."""
    for name in (*embed.EVERYWHERE, *embed.SOMEWHERE):
        write_bytes(embed.static_text(name).encode(), out / name)


def write_sidecars(out: Path, run: Run) -> None:
    """Write what the components of a page load of `run`: its rows, and its puzzles in blocks."""
    write_bytes(pagedata.rows_script(run).encode(), out / "rows" / f"{run.name}.js")
    for number, script in enumerate(pagedata.block_scripts(run)):
        write_bytes(script.encode(), out / "boards" / run.name / f"{number}.js")


# --- for readers without scripts -----------------------------------------------------------------


def still_cells(models: dict[str, Run]) -> str:
    """The explorer's table: cells at Otsu's threshold of each model."""
    counts = [cells.count(cells.at_otsu(run.table)[0]) for run in models.values()]
    frame = pd.DataFrame(counts).assign(model=list(models))[["model", *cells.CELLS]]
    return show.table(frame, "Puzzles in each cell at Otsu's threshold").html


def still_boards(models: dict[str, Run]) -> str:
    """The viewer's boards: the typical puzzle of each cell, after segments 1, 4 and 16."""
    model, run = next(iter(models.items()))
    df, (assigned, _) = run.table, cells.at_otsu(run.table)
    answers, out = read_trajectories(run.name).set_index("idx"), []
    for cell, at in cells.typical(cells.late_drift(df), assigned).items():
        if at is None:
            continue
        row = df.iloc[at]
        for t in (1, 4, segments(df)):
            caption = f"{model}, cell {cell}, puzzle {row.idx}, after segment {t}"
            text = answers.loc[row.idx, f"answer_{t:02d}"]
            out.append(boards.board(text, caption, row.puzzle, row.solution))
    return f'<div class="rrm-boards">{"".join(out)}</div>'
