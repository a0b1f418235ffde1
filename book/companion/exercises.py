"""An exercise that checks itself in the page: question, box, hint and answer to unfold.

The check is ``static/exercises.js``; it needs no kernel. Without scripts the answer unfolds still.
"""

import re
from collections.abc import Sequence
from html import escape

from rrm_companion import embed, show

BOX = '<input type="text" autocomplete="off" aria-label="your answer">'
PICK = '<select autocomplete="off" aria-label="your answer">'


def ask(
    question: str,
    answer: float | str,
    hint: str,
    tolerance: float | None = None,
    choices: Sequence[str] = (),
    digits: int = 2,
) -> embed.HTML:
    """`question` (one line of Markdown), folded, with a box that says whether an answer is right.

    A number may be typed as 0.12, 3/25 or 12 %; it is right within `tolerance`, at least half of
    the last of `digits`, and exactly where it is whole. With `choices` the answer is one of them.
    """
    if choices and answer not in choices:
        raise ValueError(f"answer={answer!r}: expected one of the choices {', '.join(choices)}")
    if not choices and isinstance(answer, str):
        raise ValueError(f"answer={answer!r} is a text: expected a number, or choices to pick from")
    if answer != answer:
        asked = inline(embed.UNKNOWN.sub("–", question))
        return embed.HTML(f"<p>{asked} This run has no answer.</p>")
    whole = not isinstance(answer, str) and float(answer).is_integer()
    tolerance = max(tolerance or 0, 0 if choices or whole else 0.5 * 10**-digits)  # as it is shown
    right = show.cell(int(answer) if whole else answer, digits)
    options = "".join(f"<option>{escape(choice)}</option>" for choice in ("", *choices))
    box = f"{PICK}{options}</select>" if choices else BOX
    wanted = escape(str(answer if choices else float(answer)), quote=True)
    return embed.HTML(
        f"{embed.once('exercises.css', 'exercises.js')}"
        f'<details class="rrm-exercise" data-answer="{wanted}" data-tolerance="{tolerance:g}">'
        f"<summary>Exercise</summary><p>{inline(question)}</p>"
        f'<p>{box} <output aria-live="polite"></output></p>'
        f"<details><summary>Hint</summary><p>{inline(hint)}</p></details>"
        f"<details><summary>Answer</summary><p>{escape(right)}</p></details></details>"
    )


def inline(text: str) -> str:
    """A line of Markdown as HTML: code and emphasis only."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))
    return re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text)
