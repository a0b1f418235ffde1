"""Boards to look at: HTML tables with givens bold and wrong cells marked."""

from __future__ import annotations

import math
from html import escape

from rrm_companion import embed
from rrm_companion.embed import HTML

from rrm_core.runs.tables import Run, columns, read_trajectories
from rrm_core.sudoku import board as sudoku


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
            names += ["rrm-right"] * (c + 1 < side and (c + 1) % width == 0) + ["rrm-below"] * (
                r + 1 < side and (r + 1) % height == 0
            )
            title = f' title="wrong: should be {escape(solution[i])}"' if wrong else ""
            line.append(
                f'<td class="{" ".join(names)}"{title}>{escape(text[i]) if text[i] != "." else ""}</td>'
            )
        body.append(f"<tr>{''.join(line)}</tr>")
    return f'<figure><figcaption>{escape(caption)}</figcaption><table class="rrm-board" aria-label="{escape(caption, quote=True)}"><tbody>{"".join(body)}</tbody></table></figure>'


def boards(run: Run, idx: list[int]) -> HTML:
    """Puzzle, final answer with wrong cells marked, and solution of the puzzles `idx` of a run."""
    answers = read_trajectories(run.name).set_index("idx")[columns("answer")[-1]]
    chosen = run.table.set_index("idx").loc[list(idx), ["puzzle", "solution"]]
    blocks = []
    for i, row in chosen.iterrows():
        three = (
            board(row.puzzle, f"puzzle {i}")
            + board(answers[i], "answer, wrong cells marked", row.puzzle, row.solution)
            + board(row.solution, "solution", row.puzzle)
        )
        blocks.append(f'<div class="rrm-boards">{three}</div>')
    return HTML(embed.once("explorer.css") + "".join(blocks))
