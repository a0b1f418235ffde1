"""What an output of a notebook is made of: HTML, sentences, scripts and styles that travel once, and JSON that cannot end a script.

While the book is built, scripts and styles stand in its ``_static/rrm`` and travel with no output.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from importlib.resources import files

STATIC = files("rrm_companion") / "static"


class HTML:
    """Something that a notebook shows as HTML."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


def say(text: str) -> object:
    """A sentence whose numbers were computed, as Markdown."""
    from IPython.display import Markdown

    return Markdown(text)


def publishing() -> bool:
    """True while the book is built: scripts then come from ``_static/rrm``, otherwise they travel with the output."""
    return os.environ.get("RRM_PUBLISH") == "1"


def static_text(name: str) -> str:
    """A file of ``rrm_core/static``; ``vega.js`` is Vega, Vega-Lite and Vega-Embed from vl-convert."""
    if name == "vega.js":
        import vl_convert

        return f"(function(){{{vl_convert.javascript_bundle()}}})();"  # its top-level names would clash with Sphinx's
    return (STATIC / name).read_text()


def inline(*names: str) -> str:
    """Scripts and styles to put into an output of a notebook; empty while the book is built."""
    if publishing():
        return ""
    wrap = {"js": "<script>{}</script>", "css": "<style>{}</style>"}
    return "".join(
        wrap[name.rsplit(".", 1)[1]].format(static_text(name).replace("</script", "<\\/script"))
        for name in names
    )


_sent: set[str] = set()


def unsent(names: Iterable[str]) -> list[str]:
    """Those of `names` that this process has not sent yet; all of them in Colab, where every output is a page of its own."""
    new = [name for name in names if name not in _sent or "google.colab" in sys.modules]
    _sent.update(new)
    return new


def once(*names: str) -> str:
    """:func:`inline` of the :func:`unsent` of those files: a notebook carries Vega once, not once a chart."""
    return inline(*unsent(names))


def as_json(value: object) -> str:
    """JSON that may stand inside a script element: no ``<`` survives, NaN is refused."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def sidecar(table: str, key: str, value: object) -> str:
    """A script of its own that puts `value` where the components look: ``rrm.<table>[key]``."""
    return f"(globalThis.rrm=globalThis.rrm||{{}}).{table}=rrm.{table}||{{}};rrm.{table}[{as_json(key)}]={as_json(value)};\n"
