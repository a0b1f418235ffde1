"""Every number in the prose of chapters and pages is computed again from code or data, or is the paper's, read from data/published."""

import re

import numpy as np
import pytest

from rrm_core.analysis import cells, stats
from rrm_core.dynamics.rollout import SEGMENTS
from rrm_core.runs import measure, tables
from rrm_core.studies import evolution, long, multi4, numerics, recurrence, restarts
from rrm_core.sudoku import board as sudoku


def published(table, model, quantity):
    return float(
        tables.published(table).query("model == @model and quantity == @quantity").value.iloc[0]
    )


def b_share(decimals):
    """The quotient behind the paper's share of settled HRM failures."""
    return f"{100 * published('cells', 'HRM', 'strict_B') / (published('cells', 'HRM', 'strict_B') + published('cells', 'HRM', 'strict_D')):.{decimals}f} %"


# {page: {number as it stands: what it must be}}; numbers of sections, headings, code and citations are left out.
WINDOW = {str(SEGMENTS): lambda: SEGMENTS, "13": lambda: SEGMENTS - cells.LATE + 1}
NUMBERS = {
    "book/claims": {
        "95 %": lambda: "95 %",
        "0.05": lambda: stats.EQUIVALENT,
        "20": lambda: stats.SMALLEST,
        "256": lambda: evolution.PUZZLES,
    },
    "book/limitations": WINDOW
    | {
        "256": lambda: long.HORIZON,
        "32": lambda: {measure.CHUNK, numerics.PUZZLES // 2},
        "4": lambda: 4,
    },
    "notebooks/2_setup": WINDOW
    | {
        "49": lambda: 49,
        "1": lambda: 1,
        "22": lambda: (
            22 if "HRM (22 May estimator)" in set(tables.published("separation").model) else None
        ),
        "0.75": lambda: cells.UNIFORM,
        "0.05": lambda: cells.DIP,
    },
    "notebooks/3_1_decomposition": WINDOW
    | {
        "0.55 %": lambda: (
            f"{100 * published('cells', 'HRM', 'settled_failures_strict_as_printed'):.2f} %"
        ),
        "0.54 %": lambda: b_share(2),
        "21": lambda: published("cells", "HRM", "strict_B"),
        "3,894": lambda: (
            published("cells", "HRM", "strict_B") + published("cells", "HRM", "strict_D")
        ),
        "512": lambda: 512,
    },
    "notebooks/3_2_controls": {"80 %": lambda: "80 %"},
    "notebooks/3_3_early_window": {"4": lambda: 4},
    "notebooks/3_4_training": {"256": lambda: evolution.PUZZLES, "0.001": lambda: multi4.SIGMA},
    "notebooks/4_prior_accounts": WINDOW
    | {
        "256": lambda: {long.HORIZON, 256},
        "128": lambda: {long.SUCCESSES} & {recurrence.FAILURES},
        "64": lambda: (
            {recurrence.SUCCESSES} & {recurrence.COUNTED} & {recurrence.LAGS[long.HORIZON]}
        ),
        "2": lambda: 2,
        "512": lambda: 512,
    },
    "notebooks/5_implications": WINDOW
    | {
        "128": lambda: restarts.PUZZLES // 2,
        "64": lambda: restarts.WITH_EXPONENT,
        "1": lambda: restarts.SIGMAS[-1],
        "4": lambda: 4,
    },
}


def prose(text):
    """The text without header, code cells, fences, headings, inline code, formulas, citations and links to sections."""
    text = re.sub(r"\A---.*?\n---\n|```\{code-cell\}.*?\n```\n|```bash.*?```", "", text, flags=re.S)
    text = re.sub(r"^#+ .*$", "", text, flags=re.M)
    return re.sub(
        r"\[[^\]]*\]\([^)]*\)|\{cite[^}]*\}`[^`]*`|`[^`]*`|\$[^$]*\$|[Ss]ections? \d(\.\d)?|Appendix \w\.\d|D\.3",
        "",
        text,
    )


def numbers(text):
    return [
        m.group().rstrip(",")
        for m in re.finditer(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?: ?%)?(?!\w)", prose(text))
    ]


@pytest.mark.parametrize("page", NUMBERS)
def test_every_number_in_the_prose_is_accounted_for(root, page):
    found = numbers((root / f"{page}.md").read_text())
    assert found
    for text in found:
        assert text in NUMBERS[page], (
            f"{page}: the number {text} is typed; compute it in a cell, or say here what it must be"
        )
        value = NUMBERS[page][text]()
        number = text if isinstance(value, str) else float(text.replace(",", "").replace("%", ""))
        assert number in value if isinstance(value, set) else number == value, (
            f"{page}: {text} is {value} now"
        )


def test_every_chapter_is_covered(root):
    assert {f"notebooks/{p.stem}" for p in (root / "notebooks").glob("*.md")} <= set(NUMBERS)


def test_essentially_different_6x6_grids_are_49():
    _, solutions = sudoku.generate(6, 3000, seed=0)
    assert len(np.unique(sudoku.canonical(solutions), axis=0)) == 49
