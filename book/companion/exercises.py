"""Exercises whose answers are computed from a run's tables; learning objectives and reading time of the chapters.

``check("3.1-a", 0.02)`` says whether an answer is right and, if not, what kind of mistake it looks like; it never gives the
answer away. Texts stand in ``static/exercises.yml``; how each answer, and each common mistake, is computed stands in
:mod:`rrm_companion.answers`. A chapter shows :func:`opening` at its top and :func:`closing` at its end.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from html import escape

import yaml
from rrm_companion import answers, chapters, embed

from rrm_core.runs import tables
from rrm_core.runs.tables import Run

RUN = "trm-9x9-brief"  # as in the chapters' parameters
WORDS = 200  # read in a minute
LOOK = 0.5  # minutes for a table or a figure
WORK = 4  # minutes for an exercise
KINDS = {
    "share": 'a share: a number from 0 to 1, or a percentage such as "12 %"',
    "number": "a number",
    "count": "a whole number",
    "cell": "the letter of a cell, A, B, C or D",
    "choice": "one of the names offered",
    "run": "the name of a run",
}


class ExerciseError(ValueError):
    """An exercise or chapter that does not exist, or a run that cannot answer it; the message lists those that can."""


@dataclass(frozen=True)
class Exercise:
    """One exercise: where it stands, what kind of answer it wants, and its texts."""

    id: str
    chapter: str
    kind: str
    ask: str
    hint: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What :func:`check` says: ``right`` and a sentence. Shown as the sentence."""

    right: bool
    message: str

    def __str__(self) -> str:
        return self.message

    def _repr_markdown_(self) -> str:
        return f"**{'Right.' if self.right else 'Not yet.'}** {self.message.removeprefix('Right.').strip()}"


# --- the texts ---------------------------------------------------------------------------------------------------


@cache
def texts() -> dict[str, dict]:
    """{chapter: {"objectives": [...], "exercises": [...]}} of ``static/exercises.yml``."""
    return yaml.safe_load(embed.static_text("exercises.yml"))


@cache
def exercises() -> dict[str, Exercise]:
    """{id: Exercise}, in the order of the chapters."""
    return {
        e["id"]: Exercise(
            e["id"], chapter, e["kind"], e["ask"], e["hint"], tuple(e.get("options", ()))
        )
        for chapter, entry in texts().items()
        for e in entry["exercises"]
    }


def chapter(name: str) -> str:
    """The full name of chapter `name` (``3_1`` or ``3_1_decomposition``); an unknown one is refused, listing those there are."""
    found = [c for c in texts() if c == name or c.startswith(f"{name}_")]
    if len(found) != 1:
        raise ExerciseError(f"unknown chapter {name!r}; known: {', '.join(texts())}")
    return found[0]


def find(id: str) -> Exercise:
    """The exercise `id`; an unknown one is refused, listing those there are."""
    if id not in exercises():
        raise ExerciseError(f"unknown exercise {id!r}; known: {', '.join(exercises())}")
    return exercises()[id]


def opened(run: Run | str) -> Run:
    """A run by name, or as it is."""
    return run if isinstance(run, Run) else tables.load_run(run)


def question(exercise: Exercise, run: Run) -> str:
    """The exercise's sentence with this run's name and facts filled in, in Markdown."""
    return exercise.ask.format(run=f"`{run.name}`", **answers.facts(exercise.id, run))


# --- reading an answer -------------------------------------------------------------------------------------------


def as_number(given: object) -> float | None:
    """`given` as a number: 0.12, "0.12", "12 %", "1,234", "3/25", "−0.4"; None when it is not one."""
    if isinstance(given, bool):
        return None
    if not isinstance(given, str):
        try:
            return float(given)
        except (TypeError, ValueError):
            return None
    text = given.strip().replace("\u2212", "-").replace(" ", "").replace("\u202f", "")
    percent, text = text.endswith("%"), text.rstrip("%")
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    try:
        value = float(Fraction(text)) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError):
        return None
    return value / 100 if percent else value


def understood(exercise: Exercise, given: object) -> object:
    """`given` in the form that the exercise compares, or None when it is of another form."""
    if exercise.kind == "cell":
        letter = str(given).strip().upper().removeprefix("CELL").strip()
        return letter if letter in ("A", "B", "C", "D") else None
    if exercise.kind == "choice":
        plain = {option.lower().replace("_", ""): option for option in exercise.options}
        return plain.get(re.sub(r"[\s_-]", "", str(given).lower().replace("λ", "lambda")))
    if exercise.kind == "run":
        name = str(getattr(given, "name", given)).strip().removesuffix("(measured here)").strip()
        return name if name in tables.original_names() else None
    value = as_number(given)
    if value is None or not math.isfinite(value):
        return None
    if exercise.kind == "share" and value > 1:
        value /= 100  # 12.5 for "12.5 %"
    if exercise.kind == "count" and value != round(value):
        return None
    if exercise.kind == "share" and not 0 <= value <= 1:
        return None
    return value


def close(exercise: Exercise, given: object, wanted: object) -> bool:
    """Whether two answers agree: counts, cells and choices exactly; shares within 0.005 and a tenth; numbers within 2 %.

    A share is never accepted where 0 and not-0 would be confused: a tenth of a small share is a small tolerance.
    """
    if exercise.kind in ("cell", "choice", "run", "count"):
        return given == wanted
    tolerance = (
        min(0.005, 0.1 * abs(wanted))
        if exercise.kind == "share"
        else answers.TOLERANCE.get(exercise.id, 0.02 * abs(wanted))
    )
    return abs(given - wanted) <= tolerance + 1e-12


# --- checking ----------------------------------------------------------------------------------------------------


def check(id: str, answer: object, run: Run | str = RUN) -> Verdict:
    """Whether `answer` to exercise `id` is right for `run`; if not, what is wrong with it, without the answer.

    Numbers may be texts ("12 %", "3/25"), cells in small letters, choices with or without underscores.
    Raises :class:`ExerciseError` for an unknown exercise, and where this run cannot answer it.
    """
    exercise = find(id)
    run = opened(run)
    wanted = solution(exercise, run)
    given = understood(exercise, answer)
    if given is None:
        names = tables.original_names() if exercise.kind == "run" else exercise.options
        form = KINDS[exercise.kind] + (f": {', '.join(names)}" if names else "")
        return Verdict(False, f"{answer!r} is not an answer of the right form; expected {form}.")
    if close(exercise, given, wanted):
        return Verdict(True, f"Right. {answers.WHY[id]}")
    alike = {
        message: value
        for message, value in answers.mistakes(id, run).items()
        if value is not None
        and close(exercise, given, value)
        and not close(exercise, value, wanted)
    }
    if alike:  # where two mistakes lead to about the same number, the nearer one
        return Verdict(
            False, min(alike, key=lambda m: 0 if isinstance(given, str) else abs(given - alike[m]))
        )
    if exercise.kind in ("share", "number", "count"):
        return Verdict(False, f"Too {'small' if given < wanted else 'large'}. {exercise.hint}")
    return Verdict(False, f"No. {exercise.hint}")


def solution(exercise: Exercise, run: Run) -> object:
    """The right answer of an exercise for `run`, computed from its tables; :class:`ExerciseError` where there is none."""
    try:
        wanted = answers.ANSWERS[exercise.id](run)
    except answers.NoAnswer as reason:
        raise ExerciseError(
            f"exercise {exercise.id} cannot be answered on the run {run.name!r}: {reason}; try another run of {', '.join(tables.original_names())}"
        ) from None
    return wanted if isinstance(wanted, str) else float(wanted)


# --- what a chapter shows ----------------------------------------------------------------------------------------


def reading(name: str) -> tuple[int, int] | None:
    """(words, minutes) of chapter `name`: 200 words a minute, half a minute for each cell that shows a table or figure.

    Words of code do not count. None where the chapter's text is not there.
    """
    path = chapters.folder() / f"{chapter(name)}.md"
    if not path.exists():
        return None
    text = path.read_text().split("---\n", 2)[-1]
    shown = len(re.findall(r"^```\{code-cell\}[^\n]*\n:tags: \[hide-input\]", text, re.M))
    prose = re.sub(r"^```\{code-cell\}.*?^```$", "", text, flags=re.M | re.S)
    words = len(re.findall(r"[A-Za-zÀ-ɏ0-9]+(?:[-'’.][A-Za-zÀ-ɏ0-9]+)*", prose))
    return words, max(1, math.ceil(words / WORDS + LOOK * shown))


def opening(name: str) -> object:
    """Learning objectives and times of chapter `name`, as Markdown for its top."""
    entry, read = texts()[chapter(name)], reading(name)
    times = f"Reading: about {read[1]} minutes. " if read else ""
    lines = "\n".join(f"- {o}" for o in entry["objectives"])
    n = len(entry["exercises"])
    return embed.say(
        f"**After this chapter you can**\n\n{lines}\n\n{times}Exercises: {n}, about {n * WORK} minutes."
    )


def closing(name: str, run: Run | str = RUN) -> embed.HTML:
    """The exercises of chapter `name` for `run`, as HTML for its end: question, hint to unfold, and the line that checks.

    A page without a kernel cannot check an answer without carrying it, so it says how to check one in Jupyter.
    """
    run = opened(run)
    named = "" if run.name == RUN else f', run="{run.name}"'
    items = []
    for exercise in (e for e in exercises().values() if e.chapter == chapter(name)):
        try:
            solution(exercise, run)
            asked, call = question(exercise, run), f'exercises.check("{exercise.id}", ...{named})'
        except ExerciseError as error:
            items.append(f"<li><p><strong>{exercise.id}</strong> {escape(str(error))}</p></li>")
            continue
        names = tables.original_names() if exercise.kind == "run" else exercise.options
        options = f" <em>({escape(', '.join(names))})</em>" if names else ""
        items.append(
            f"<li><p><strong>{exercise.id}</strong> {inline(asked)}{options}</p>"
            f"<details><summary>Hint to {exercise.id}</summary><p>{inline(exercise.hint)}</p></details><pre><code>{escape(call)}</code></pre></li>"
        )
    how = (
        "A page cannot check an answer without carrying it. Open this chapter in Jupyter, put your answer in the place of the dots, and run the line"
        if embed.publishing()
        else "Put your answer in the place of the dots and run the line in a cell of its own"
    )
    return embed.HTML(
        f'<div class="rrm-exercises"><p>{how}; first <code>from rrm_companion import exercises</code>. It says what is wrong with an answer and does not give the right one away.</p>'
        f"<ul>{''.join(items)}</ul></div>"
    )


def inline(text: str) -> str:
    """One sentence of Markdown as HTML: code and emphasis only."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)


def timetable() -> list[dict]:
    """One row a chapter: words, tables and figures counted into minutes of reading, exercises and their minutes."""
    rows = []
    for name, entry in texts().items():
        read, n = reading(name), len(entry["exercises"])
        rows.append(
            {
                "chapter": name,
                "words": read[0] if read else float("nan"),
                "reading, minutes": read[1] if read else float("nan"),
                "exercises": n,
                "exercises, minutes": n * WORK,
            }
        )
    return rows
