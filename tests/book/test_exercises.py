"""Exercises: each checks itself in the page, without a kernel and without a network."""

import re

import pytest
from rrm_companion import embed, exercises, show

ASK = {
    "share": exercises.ask("Which *share*?", 0.123, "Of `all`.", tolerance=0.005),
    "count": exercises.ask("How many?", 1234, "Count."),
    "negative": exercises.ask("How much?", -0.31, "Measure."),
    "choice": exercises.ask("Which cell?", "B", "Look.", choices=["A", "B", "C", "D"]),
}


@pytest.fixture
def sheet(page):
    """A page with the exercises, all unfolded."""
    script = f"<script>{embed.static_text('exercises.js')}</script>"
    body = "".join(f'<div id="{name}">{one.html}</div>' for name, one in ASK.items())
    page.set_content(f"<!doctype html><body>{body}{script}</body>")
    page.evaluate("document.querySelectorAll('.rrm-exercise').forEach(d => { d.open = true; })")
    return page


@pytest.mark.parametrize(
    ("name", "typed", "said"),
    [
        ("share", "0.12", "Right."),
        ("share", "12 %", "Right."),
        ("share", "12.3", "Right."),
        ("share", "3/25", "Right."),
        ("share", "0.2", "Too large."),
        ("share", "1/0", "Type a number: 0.12, 3/25 or 12 %."),
        ("share", "about a tenth", "Type a number: 0.12, 3/25 or 12 %."),
        ("count", "1,234", "Right."),
        ("count", "1235", "Too large."),
        ("negative", "−0.31", "Right."),
        ("negative", "-1", "Too small."),
    ],
)
def test_what_is_typed_is_judged_in_the_page(sheet, name, typed, said):
    box = sheet.locator(f"#{name} input")
    box.fill(typed)
    box.press("Enter")
    assert sheet.locator(f"#{name} output").inner_text() == said
    assert sheet.complaints == []


def test_a_choice_is_judged_and_an_empty_answer_is_not(sheet):
    box, said = sheet.locator("#choice select"), sheet.locator("#choice output")
    for chosen, wanted in (("A", "Not this one."), ("B", "Right."), ("", "")):
        box.select_option(chosen)
        assert said.inner_text() == wanted


def test_without_scripts_hint_and_answer_unfold(browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_content(ASK["share"].html)
    page.get_by_text("Exercise").click()
    assert page.locator("input").is_visible() and not page.get_by_text("0.12").is_visible()
    page.get_by_text("Answer").click()
    assert page.get_by_text("0.12").is_visible()
    context.close()


def test_texts_of_an_exercise_stay_texts():
    html = exercises.ask("<img src=x>", "<b>", "<i>", choices=["<b>"]).html
    assert "<img" not in html and "<b>" not in html and "<i>" not in html


def test_an_answer_that_cannot_be_is_refused_or_said():
    with pytest.raises(ValueError, match="expected one of the choices A, B"):
        exercises.ask("Which?", "C", "Look.", choices=["A", "B"])
    with pytest.raises(ValueError, match="expected a number"):
        exercises.ask("Which?", "C", "Look.")
    assert "no answer" in exercises.ask("How much?", float("nan"), "Measure.").html


def test_an_answer_is_right_as_it_is_shown():
    """Rounded to its digits an answer may be off by half of the last: no tolerance is smaller."""
    for value in (0.01502, 0.11456, 0.0868, 0.1333):
        made = exercises.ask("?", value, "hint", tolerance=0.002).html
        allowed = float(re.search(r'data-tolerance="([^"]+)"', made)[1])
        assert abs(float(show.cell(value, 2)) - value) <= allowed


def test_only_what_is_nearer_as_a_percentage_is_read_as_one(sheet):
    said = sheet.evaluate(
        "[['1.5', '0.6'], ['60', '0.6'], ['0,600', '0.6']]"
        ".map(([given, right]) => rrm.checkAnswer(given, right, 0.005, false))"
    )
    assert said == ["Too large.", "Right.", "Type a number: 0.12, 3/25 or 12 %."]
