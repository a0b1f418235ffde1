"""What the book needs beyond Jupyter Book: scripts and rows served from itself, MathML, and a cache that cannot lie."""

from __future__ import annotations

import hashlib
import os
import re
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[2]


def digest() -> str:
    """Hash of everything a chapter's numbers depend on besides its own cells: rrm_core, data/ and the locked packages."""
    out = hashlib.sha256()
    for path in sorted(
        [
            *ROOT.glob("rrm_core/**/*"),
            *ROOT.glob("book/companion/**/*"),
            *ROOT.glob("data/**/*"),
            ROOT / "requirements.lock",
        ]
    ):
        if path.is_file() and "__pycache__" not in path.parts:
            out.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return out.hexdigest()[:16]


def launch(repository: str) -> str:
    """Markdown: how to run a chapter elsewhere; with the links and lines of `repository`, where it is published, filled in."""
    where = repository.rstrip("/") or "https://github.com/OWNER/NAME"
    owner_and_name = "/".join(where.split("/")[-2:])
    binder = f"https://mybinder.org/v2/gh/{owner_and_name}/HEAD?urlpath=lab/tree/notebooks"
    lines = [
        f"!git clone --depth 1 {where} companion",
        "%pip install --quiet -e companion[chapters]",
    ]
    link = (
        f"**Binder**: [open the notebooks in JupyterLab]({binder}). The first start takes some minutes."
        if repository
        else (
            f"**Binder**: `{binder}`, with the owner and the name of the repository that you read this in. The first start takes some minutes."
        )
    )
    return (
        link
        + "\n\n**Colab**: open any notebook of the repository with *File, Open notebook, GitHub*. Run these lines in a cell above the others, choose "
        "*Runtime, Restart session* (packages that Colab had loaded are newer now), and run the rest:\n\n```ipython3\n"
        + "\n".join(lines)
        + "\n```"
    )


def configure(app, config) -> None:
    """Executed notebooks are cached under the digest; the book's scripts and the runs' rows become static files."""
    from rrm_companion import inpage, widgets

    from rrm_core.runs import tables

    config.myst_substitutions = {"launch": launch(os.environ.get("RRM_REPOSITORY", ""))}
    config.html_baseurl = os.environ.get("RRM_SITE", "")
    os.environ["RRM_PUBLISH"] = "1"  # the kernels of the chapters inherit it
    config.nb_execution_cache_path = str(ROOT / "_build" / ".jupyter_cache" / digest())
    static = ROOT / "_build" / ".static"
    runs = list(tables.load_runs().values())
    widgets.write_static(static / "rrm", runs)
    inpage.write_static(static / "rrm", runs)
    config.html_static_path.append(str(static))


def mathml(display: str):
    """A visitor that writes a formula as MathML: no script, no font to load."""

    def visit(self, node: nodes.Node) -> None:
        self.body.append(convert(node.astext(), display=display))
        raise nodes.SkipNode

    return visit, None


def player_assets(app, page: str, template: str, context: dict, doctree) -> None:
    """The scripts of the model in the page, on pages that have one; its weights wait for the reader's button."""
    from rrm_companion import inpage
    from rrm_companion.kernel import COMPONENTS

    if 'class="rrm-player"' in context.get("body", ""):
        app.add_css_file("rrm/player.css")
        for name in inpage.SCRIPTS:
            if name not in COMPONENTS:  # those are on every page
                app.add_js_file(f"rrm/{name}")


def description(doctree: nodes.document, longest: int = 200) -> str:
    """The first sentences of a page, plain, whole words, at most `longest` characters; empty where there is no paragraph."""
    first = next(
        (p for p in doctree.findall(nodes.paragraph) if isinstance(p.parent, nodes.section)), None
    )
    text = (
        re.sub(r"\s+", " ", first.astext()).removeprefix("The claim of this section. ")
        if first is not None
        else ""
    )
    return (
        text if len(text) <= longest else text[: longest - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    )


def preview(app, page: str, template: str, context: dict, doctree) -> None:
    """What search engines and social networks show of a page: title, description and, where the address is known, a picture."""
    if doctree is None:
        return
    text, site = description(doctree), app.config.html_baseurl
    tags = {
        "og:type": "article",
        "og:site_name": app.config.project,
        "og:title": unescape(re.sub("<[^>]+>", "", context.get("title", ""))),
        "og:description": text,
    }
    if site:
        tags |= {
            "og:url": f"{site}{page}.html",
            "og:image": f"{site}_static/card.png",
            "og:image:width": "1200",
            "og:image:height": "630",
            "og:image:alt": "The settled-band explorer: four cells, a threshold, and what follows it",
        }
    lines = [
        f'<meta name="description" content="{escape(text)}">',
        '<meta name="twitter:card" content="summary_large_image">',
    ]
    lines += [f'<meta property="{name}" content="{escape(value)}">' for name, value in tags.items()]
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(lines)


def setup(app) -> dict:
    app.connect("config-inited", configure, priority=1)
    app.connect("html-page-context", player_assets)
    app.connect("html-page-context", preview)
    app.add_html_math_renderer("mathml", mathml("inline"), mathml("block"))
    from rrm_companion.kernel import COMPONENTS, STYLES

    for name in ("charts.css", *STYLES):
        app.add_css_file(f"rrm/{name}")
    for name in COMPONENTS:
        app.add_js_file(f"rrm/{name}")
    app.add_css_file("rrm/playground.css")  # its script is loaded by the pages that show it
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
