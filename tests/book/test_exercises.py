"""Exercises: answers come from the tables, mistakes are named, the right answer is never said."""

import re

import numpy as np
import pytest
from rrm_companion import answers, exercises

from rrm_core.analysis import cells, stats
from rrm_core.runs import tables
from rrm_core.runs.tables import Run

IDS = list(exercises.exercises())


def shown(value):
    """The numbers in a text."""
    return [float(x) for x in re.findall(r"-?\d+\.?\d*", value)]


def test_every_chapter_has_objectives_and_two_or_three_exercises(root):
    assert sorted(exercises.texts()) == sorted(p.stem for p in (root / "notebooks").glob("*.md"))
    for entry in exercises.texts().values():
        assert len(entry["objectives"]) >= 2 and len(entry["exercises"]) in (2, 3)
    assert set(IDS) == set(answers.ANSWERS) == set(answers.WHY) and set(answers.MISTAKES) | set(
        answers.TOLERANCE
    ) <= set(IDS)
    assert all(e.kind in exercises.KINDS for e in exercises.exercises().values())


@pytest.mark.parametrize("id", IDS)
def test_the_right_answer_is_right_and_far_ones_are_not(id, run):
    exercise = exercises.find(id)
    wanted = exercises.solution(exercise, run)
    verdict = exercises.check(id, wanted, run)
    assert (
        verdict.right and verdict.message.startswith("Right.") and answers.WHY[id] in str(verdict)
    )
    wrong = {
        "cell": [c for c in "ABCD" if c != wanted],
        "choice": [o for o in exercise.options if o != wanted],
        "run": [r for r in ("trm-6x6", "hrm-6x6") if r != wanted],
    }
    far = wrong.get(exercise.kind) or [
        wanted + 1
        if exercise.kind == "count"
        else 2 * wanted + 1
        if exercise.kind == "number"
        else wanted - 0.3
        if wanted > 0.5
        else wanted + 0.3
    ]
    for answer in far:
        found = exercises.check(id, answer, run)
        assert not found.right and len(found.message) > 15
        assert (
            all(abs(x - wanted) > 1e-9 for x in shown(found.message))
            if not isinstance(wanted, str)
            else not re.search(rf"\b{wanted}\b", found.message.replace("A, B, C or D", ""))
        )


@pytest.mark.parametrize("id", IDS)
def test_common_mistakes_are_named(id, run):
    exercise, wanted = exercises.find(id), exercises.solution(exercises.find(id), run)
    seen = []
    for message, value in answers.mistakes(id, run).items():
        if (
            value is None
            or exercises.close(exercise, value, wanted)
            or exercises.understood(exercise, value) is None
        ):
            continue
        found = exercises.check(id, value, run)
        assert not found.right and (found.message == message or found.message in seen), (
            message,
            found.message,
        )
        seen.append(message)


def test_answers_against_a_second_way_of_counting(runs):
    run = runs["trm-6x6"]
    df = run.table
    strict, otsu = (getattr(cells.band(cells.late_drift(df)), w) for w in ("strict", "otsu"))
    late = np.log10(df[[f"drift_h_{t}" for t in (13, 14, 15, 16)]].astype("float64").mean(axis=1))
    failed = df[~df.correct]
    assert exercises.check("3.1-a", float((late[~df.correct] < strict).mean()), run).right
    assert exercises.check(
        "3.1-b",
        int((late[df.correct] < late[~df.correct].min()).sum()) / int(df.correct.sum()),
        run,
    ).right
    assert exercises.check(
        "5-a", int(((late < strict) & ~df.correct & (df.halted_at > 0)).sum()), run
    ).right
    assert exercises.check("5-b", f"{(failed.halted_at > 0).sum()}/{len(failed)}", run).right
    assert exercises.check("3.3-a", int((~df.correct_04).sum()), run).right
    assert exercises.check("5-c", float(df.halted_at.replace(0, 16).mean()), run).right
    assert exercises.check("4-c", f"{100 * (df.lambda_1[df.correct] > 0).mean():.2f} %", run).right
    idx = int(re.search(r"Puzzle (\d+)", exercises.question(exercises.find("2-c"), run))[1])
    assert not df.correct[df.idx == idx].item()
    assert exercises.check("2-c", "B" if late[df.idx == idx].item() < otsu else "D", run).right
    for bad, message in (
        (float(stats.auc(-df.lambda_1, df.correct).value), "That is the AUC"),
        (float(df.correct.mean()), "accuracy of the model"),
    ):
        assert message in exercises.check("3.1-c", bad, run).message


def test_answers_depend_on_the_run(runs):
    found = [
        {id: exercises.solution(exercises.find(id), run) for id in IDS}
        for run in (runs["trm-6x6"], runs["hrm-6x6"])
    ]
    same = {id for id in IDS if found[0][id] == found[1][id]}
    assert same <= {"2-c", "3.2-c", "3.3-c", "3.4-c"}, (
        "a number that no run changes is not computed"
    )
    assert (
        exercises.check("5-a", found[1]["5-a"], "hrm-6x6").right
        and not exercises.check("5-a", found[1]["5-a"], "trm-6x6").right
    )


def test_reasonable_forms_are_understood():
    for given, value in (
        (0.12, 0.12),
        ("0.12", 0.12),
        ("12 %", 0.12),
        ("12%", 0.12),
        ("1,234", 1234),
        ("3/25", 0.12),
        ("\u22120.4", -0.4),
        (np.float32(0.5), 0.5),
        (" 7 ", 7),
    ):
        assert exercises.as_number(given) == pytest.approx(value)
    for given in ("many", None, [1, 2], True, "1,2", "1/0", ""):
        assert exercises.as_number(given) is None
    cell, choice, share, count = (exercises.find(i) for i in ("2-c", "3.3-c", "3.1-a", "2-a"))
    assert {exercises.understood(cell, a) for a in ("b", "B", " cell b", "Cell B")} == {
        "B"
    } and exercises.understood(cell, "E") is None
    assert {exercises.understood(choice, a) for a in ("lambda_1", "lambda1", "Lambda 1", "λ1")} == {
        "lambda1"
    } and exercises.understood(choice, "drift") is None
    assert (
        exercises.understood(share, 12.5) == 0.125
        and exercises.understood(share, -0.1) is None
        and exercises.understood(share, 250) is None
    )
    assert exercises.understood(count, "96.0") == 96 and exercises.understood(count, 96.5) is None
    assert {
        exercises.understood(exercises.find("3.4-c"), a)
        for a in ("trm-6x6", "trm-6x6 (measured here)")
    } == {"trm-6x6"}


def test_an_answer_of_the_wrong_form_is_told_which_form():
    assert "expected the letter of a cell" in exercises.check("2-c", 7).message
    assert (
        "expected one of the names offered: givens, naked_backtracks"
        in exercises.check("3.2-c", "both").message
    )
    assert (
        f"expected the name of a run: {', '.join(tables.original_names())}"
        in exercises.check("3.4-c", "mine").message
    )
    assert (
        "'a lot' is not an answer of the right form; expected a share"
        in exercises.check("3.1-a", "a lot").message
    )


def test_unknown_exercises_chapters_and_runs_are_refused():
    with pytest.raises(exercises.ExerciseError, match=r"unknown exercise '9.9-z'; known: 2-a, 2-b"):
        exercises.check("9.9-z", 1)
    with pytest.raises(exercises.ExerciseError, match=r"unknown chapter '3'; known: 2_setup"):
        exercises.opening("3")
    with pytest.raises(ValueError, match="unknown run 'nope'; known: hrm-6x6"):
        exercises.check("2-a", 1, "nope")


def test_a_run_that_cannot_answer_says_why(runs):
    solved = Run(
        "trm-6x6",
        runs["trm-6x6"].meta,
        runs["trm-6x6"].table.query("correct").head(60).reset_index(drop=True),
    )
    with pytest.raises(
        exercises.ExerciseError,
        match="3.1-a cannot be answered on the run 'trm-6x6': it has one outcome only; try another run of",
    ):
        exercises.check("3.1-a", 0, solved)
    assert "cannot be answered" in exercises.closing("2", solved).html
    imported = Run("trm-6x6", runs["trm-6x6"].meta | {"step": None}, runs["trm-6x6"].table)
    with pytest.raises(exercises.ExerciseError, match="no training log"):
        exercises.check("3.4-a", 0, imported)


def test_reading_time_counts_words_not_code(root, monkeypatch, tmp_path):
    for name in exercises.texts():
        words, minutes = exercises.reading(name)
        assert (
            100 < words < 3000
            and words / exercises.WORDS <= minutes <= words / exercises.WORDS + 20
        )
    (tmp_path / "notebooks").mkdir()
    text = (
        "---\nx: y\n---\n\n# Two words\n\n"
        + "word " * 398
        + "\n\n```{code-cell} ipython3\n:tags: [hide-input]\n\na = 'not counted at all'\n```\n"
    )
    (tmp_path / "notebooks" / "2_setup.md").write_text(text)
    monkeypatch.setattr(exercises.chapters.paths, "data_dir", lambda: tmp_path / "data")
    assert exercises.reading("2") == (400, 3)


def test_what_a_chapter_shows(run, monkeypatch):
    for name, entry in exercises.texts().items():
        opening = exercises.opening(name).data
        assert (
            all(o in opening for o in entry["objectives"])
            and f"about {exercises.reading(name)[1]} minutes" in opening
        )
        monkeypatch.setenv("RRM_PUBLISH", "1")
        page = exercises.closing(name, run).html
        monkeypatch.delenv("RRM_PUBLISH")
        here = exercises.closing(name, run).html
        for e in entry["exercises"]:
            assert (
                f"exercises.check(&quot;{e['id']}&quot;, ..." in page
                and f"Hint to {e['id']}" in page
            )
        assert "Open this chapter in Jupyter" in page and "Open this chapter" not in here
        assert ("run=&quot;" in page) == (run.name != exercises.RUN)
        assert "{" not in page, "an unfilled brace"
