"""Every number typed in prose is a constant of the code, or the paper's, as printed."""

import re

import numpy as np
import pytest
from bs4 import BeautifulSoup

from rrm_core.analysis import controls, stats
from rrm_core.dynamics.rollout import SEGMENTS
from rrm_core.runs import tables
from rrm_core.runs.measure import CHUNK
from rrm_core.studies import lags, long, multi4, recurrence
from rrm_core.sudoku import board, symmetry

# What a number must be, on any page and on single ones. Numbers of sections, headings, code and
# citations are left out; a number that is computed stands in a cell.
ANYWHERE = {
    "1": 1,
    "13": SEGMENTS - tables.LATE + 1,
    "16": SEGMENTS,
    "256": long.HORIZON,
}
PAGES = {
    "book/claims": {"95 %": stats.LEVEL, "0.05": stats.EQUIVALENT, "20": stats.SMALLEST},
    "book/limitations": {"4": 4, "32": CHUNK, "2026": 2026},  # when the repositories were read
    "notebooks/2_setup": {
        "64": SEGMENTS * tables.printed("HRM", "qr_steps_per_segment"),
        "60 %": 0.6,  # aimed at when givens were added to the HRM's puzzles
        "128": 128,  # puzzles on which that was tried
    },
    "notebooks/3_1_decomposition": {},
    "notebooks/3_2_controls": {"0.05": controls.CALIPER, "1.12": round(10**controls.CALIPER, 2)},
    "notebooks/3_3_early_window": {},
    "notebooks/3_4_training": {"0.001": multi4.SIGMA},
    "notebooks/4_prior_accounts": {
        "32": lags.LONGEST,
        "64": recurrence.COUNTED,
    },
    "notebooks/5_implications": {},
}
LEFT_OUT = (
    r"\A---.*?\n---\n",
    r"```\{code-cell\}.*?^```$|```\w+\n.*?^```$",
    r"^#+ .*?$",
    r"\[[^\]]*\]\([^)]*\)|\{cite[^}]*\}`[^`]*`|`[^`]*`|\$[^$]*\$",
    r"[Ss]ections? \d(\.\d)?|Appendix \w\.\d|D\.3",
)


def numbers(text):
    """The numbers in a page's prose, as they stand."""
    for pattern in LEFT_OUT:
        text = re.sub(pattern, "", text, flags=re.S | re.M)
    found = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?: ?%)?(?!\w)", text)
    return [number.rstrip(",") for number in found]


def value(number):
    """A number as it stands in prose, 5.5 % as 0.055."""
    plain = float(number.replace(",", "").rstrip("% "))
    return plain / 100 if number.endswith("%") else plain


@pytest.mark.parametrize("page", PAGES)
def test_every_number_in_the_prose_is_accounted_for(root, page):
    known = ANYWHERE | PAGES[page]
    for number in numbers((root / f"{page}.md").read_text()):
        assert number in known, f"{page}: {number} is typed; compute it in a cell, or say here why"
        assert value(number) == pytest.approx(known[number]), f"{page}: {number} is {known[number]}"


def test_numbers_are_found_in_prose_and_nowhere_else():
    text = "---\na: 1\n---\n# 3.1 Title\nOf 1,024 puzzles 5.5 % in `x[7]`, [8](9), section 4.\n"
    assert numbers(text + "```{code-cell} ipython3\nx = 6\n```\n") == ["1,024", "5.5 %"]


def test_a_minus_in_prose_is_no_hyphen(book):
    """Computed or typed; code, tables of the ledger and what scripts draw are left out."""
    apart = "script, style, pre, code, math, details table, [class^=rrm-]:not(.rrm-table)"
    pages = sorted(p for part in ("book", "notebooks") for p in (book / part).rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        article = BeautifulSoup(page.read_text(), "html.parser").select_one("article")
        for part in article.select(apart):
            part.decompose()
        text = article.get_text(" ")
        assert not re.findall(r".{0,30}(?<![\w−-])-\d.{0,10}", text), page.name


def test_every_chapter_is_covered(root):
    assert {f"notebooks/{p.stem}" for p in (root / "notebooks").glob("*.md")} <= set(PAGES)


def test_essentially_different_6x6_grids_are_49():
    _, solutions = board.generate(6, 3000, seed=0)
    assert len(np.unique(symmetry.canonical(solutions), axis=0)) == 49
