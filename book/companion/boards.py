"""Boards to look at: HTML tables with givens bold and wrong cells marked."""

import math
from html import escape

from rrm_core.sudoku.board import box_shape


def board(text: str, caption: str, given: str | None = None, solution: str | None = None) -> str:
    """HTML table of a board; givens bold, cells that differ from `solution` marked."""
    side, given = math.isqrt(len(text)), given or text
    rows = []
    for r in range(side):
        at = range(r * side, (r + 1) * side)
        cells = (cell(text[i], given[i], solution[i] if solution else "", i, side) for i in at)
        rows.append(f"<tr>{''.join(cells)}</tr>")
    label = escape(caption, quote=True)
    return (
        f"<figure><figcaption>{label}</figcaption>"
        f'<table class="rrm-board rrm-side-{side}" aria-label="{label}">'
        f"<tbody>{''.join(rows)}</tbody></table></figure>"
    )


def cell(text: str, given: str, right: str, at: int, side: int) -> str:
    """The cell at position `at` of a board; `right` is what should stand there, "" for unknown."""
    height, width = box_shape(side)
    row, column = divmod(at, side)
    wrong = bool(right) and text != right
    names = {
        "rrm-given": given != ".",
        "rrm-wrong": wrong,
        "rrm-right": column + 1 < side and (column + 1) % width == 0,
        "rrm-below": row + 1 < side and (row + 1) % height == 0,
    }
    title = f' title="wrong: should be {escape(right)}"' if wrong else ""
    shown = "" if text == "." else escape(text)
    return f'<td class="{" ".join(name for name, on in names.items() if on)}"{title}>{shown}</td>'
