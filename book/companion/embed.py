"""What an output of a notebook is made of: HTML, sentences, scripts and styles that travel once.

While the book is built, scripts and styles stand in its ``_static/rrm`` and travel with no output.
"""

import json
import os
import re
import sys
from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files

import pandas as pd

from rrm_core.store.cache import cached

STATIC = files("rrm_companion") / "static"
COMPONENTS: tuple[str, ...] = ("charts.js", "dom.js", "stats.js", "plots.js")
COMPONENTS += ("examples.js", "explorer.js", "viewer.js")  # in the order they need each other
STYLES = ("explorer.css", "viewer.css")
ALONE = ("exercises.css", "slides.css", "exercises.js", "slides.js")  # not in a kernel
EVERYWHERE = ("charts.css", *STYLES, *COMPONENTS, *ALONE)  # on every page
SOMEWHERE = ("vega.js", "playground.css", "playground.js", "motion.css", "motion.js")
VEGA = version("vl-convert-python")  # what draws the still pictures, and holds Vega
UNKNOWN = re.compile(r"[+−-]?\bnan\b%?")  # a number that was computed from nothing


class HTML:
    """Something that a notebook shows as HTML."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


def minus(text: str) -> str:
    """`text` with a true minus before its numbers."""
    return re.sub(r"(?<![\w−-])-(?=\d)", "−", text)


def say(text: str) -> object:
    """A sentence whose numbers were computed, as Markdown, with true minus; NaN reads –."""
    from IPython.display import Markdown

    told, missing = UNKNOWN.subn("–", minus(text))
    return Markdown(told + "\n\n*–: this run has nothing to measure it on.*" * bool(missing))


def publishing() -> bool:
    """True while the book is built: scripts come from ``_static/rrm``, not with the output."""
    return os.environ.get("RRM_PUBLISH") == "1"


def static_text(name: str) -> str:
    """A file of ``static``; ``vega.js`` is Vega, Vega-Lite and Vega-Embed from vl-convert."""
    if name == "vega.js":
        import vl_convert

        make = getattr(vl_convert, "javascript_bundle")  # noqa: B009  # its stub is wrong
        bundle = cached("vega", VEGA, lambda: pd.DataFrame({"js": [make()]}), ()).js[0]
        return f"(function(){{{bundle}}})();"  # its top-level names would clash with Sphinx's
    return (STATIC / name).read_text()


def inline(*names: str) -> str:
    """Scripts and styles to put into an output of a notebook; empty while the book is built."""
    if publishing():
        return ""
    wrap = {"js": "<script>{}</script>", "css": "<style>{}</style>"}
    texts = {name: static_text(name).replace("</script", "<\\/script") for name in names}
    return "".join(wrap[name.rsplit(".", 1)[1]].format(text) for name, text in texts.items())


_sent: dict[str, tuple] = {}  # file: the cell that sent it, the call that ran the cell


def unsent(names: Iterable[str]) -> list[str]:
    """Those of `names` that no output has: a cell that runs again lost its own; Colab has none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    asked: dict = getattr(shell, "get_parent", dict)()  # papermill names no cell
    cell, call = asked.get("metadata", {}).get("cellId"), asked.get("header", {}).get("msg_id")
    lost = {n for n, (by, at) in _sent.items() if cell and by == cell and at != call}
    new = [n for n in names if n not in _sent or n in lost or "google.colab" in sys.modules]
    _sent.update(dict.fromkeys(new, (cell, call)))
    return new


def once(*names: str) -> str:
    """:func:`inline` of the :func:`unsent` of those files: a notebook carries Vega once."""
    return inline(*unsent(names))


def as_json(value: object) -> str:
    """JSON that may stand inside a script element: no ``<`` survives, NaN is refused."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def sidecar(table: str, key: str, json: str) -> str:
    """A script that puts the value `json` where the components look: ``rrm.<table>[key]``."""
    home = f"(globalThis.rrm=globalThis.rrm||{{}}).{table}=rrm.{table}||{{}}"
    return f"{home};rrm.{table}[{as_json(key)}]={json};\n"
