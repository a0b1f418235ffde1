"""What the book needs beyond Jupyter Book: its own scripts and rows, MathML, an honest cache."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import sys
from html import escape, unescape
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[2]
SHOWN = r'class="rrm-(?:explorer|viewer)"><script type="application/json">(.*?)</script>'
ELSEWHERE = """{link} The first start takes some minutes.

**Colab**: open any notebook of the repository with *File, Open notebook, GitHub*. Run these lines
in a cell above the others, choose *Runtime, Restart session* (packages that Colab had loaded are
newer now), and run the rest:

```ipython3
!git clone --depth 1 {where} companion
%pip install --quiet -e companion[chapters]
```"""


def digest() -> str:
    """Hash of all that a chapter's numbers depend on besides its cells: code, data, packages."""
    out = hashlib.sha256()
    read = ("rrm_core/**/*", "book/companion/**/*", "data/**/*")
    read += ("notebooks/demos/*.csv", "benchmarks/next_size.*")
    watched = [path for pattern in read for path in ROOT.glob(pattern)]
    for path in sorted([*watched, ROOT / "requirements.lock"]):
        if path.is_file() and "__pycache__" not in path.parts:
            out.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return out.hexdigest()[:16]


def launch(repository: str) -> str:
    """Markdown: how to run a chapter elsewhere; with a link where `repository` is published."""
    where = repository.rstrip("/") or "https://github.com/OWNER/NAME"
    name = "/".join(where.split("/")[-2:])
    binder = f"https://mybinder.org/v2/gh/{name}/HEAD?urlpath=lab/tree/notebooks"
    link = f"**Binder**: [open the notebooks in JupyterLab]({binder})."
    if not repository:
        link = f"**Binder**: `{binder}`, with the owner and the name of this repository."
    return ELSEWHERE.format(link=link, where=where)


def configure(app, config) -> None:
    """Executed notebooks are cached under the digest; the book's scripts become static files."""
    import rrm_kernels
    from rrm_companion import inpage, widgets

    rrm_kernels.prepare()
    config.myst_substitutions = {"launch": launch(os.environ.get("RRM_REPOSITORY", ""))}
    config.html_baseurl = os.environ.get("RRM_SITE", "")
    os.environ["RRM_PUBLISH"] = "1"  # the kernels of the chapters inherit it
    build = Path(app.srcdir) / "_build"
    config.nb_execution_cache_path = str(build / ".jupyter_cache" / digest())
    widgets.write_static(build / ".static" / "rrm")
    inpage.write_static(build / ".static" / "rrm")
    config.html_static_path.append(str(build / ".static"))


def sidecars(app, page: str, template: str, context: dict, doctree) -> None:
    """The rows and boards of the runs that a page's components show, written once a build."""
    from rrm_companion import widgets

    from rrm_core.runs import tables

    for options in re.findall(SHOWN, context.get("body", "")):
        for name in set(json.loads(options)["runs"]) - app.rrm_written:
            widgets.write_sidecars(Path(app.outdir) / "_static" / "rrm", tables.load_run(name))
            app.rrm_written.add(name)


def early(app, page: str, template: str, context: dict, doctree) -> None:
    """What the first chart of a page needs is fetched while the page is read."""
    body = context.get("body", "")
    if shown := re.search(SHOWN, body):
        name = f"rows/{json.loads(shown[1])['runs'][0]}.js"
    elif 'class="rrm-chart"' in body:
        name = "vega.js"
    else:
        return
    address = context["pathto"](f"_static/rrm/{name}", 1)
    link = f'<link rel="preload" as="script" href="{address}">'
    context["metatags"] = context.get("metatags", "") + "\n" + link


def mathml(display: str):
    """A visitor that writes a formula as MathML: no script, no font to load."""

    def visit(self, node: nodes.Node) -> None:
        self.body.append(convert(node.astext(), display=display))
        raise nodes.SkipNode

    return visit, None


def player_assets(app, page: str, template: str, context: dict, doctree) -> None:
    """The scripts of the model in the page; its weights wait for the reader's button."""
    from rrm_companion import inpage
    from rrm_companion.embed import COMPONENTS

    if 'class="rrm-motion"' in context.get("body", ""):
        app.add_css_file("rrm/motion.css")
        app.add_js_file("rrm/motion.js")
    if 'class="rrm-player"' in context.get("body", ""):
        app.add_css_file("rrm/player.css")
        for name in inpage.SCRIPTS:
            if name not in COMPONENTS:  # those are on every page
                app.add_js_file(f"rrm/{name}")


def description(doctree: nodes.document, longest: int = 200) -> str:
    """The first sentences of a page, in whole words, at most `longest` characters; maybe empty."""
    first = next(
        (p for p in doctree.findall(nodes.paragraph) if isinstance(p.parent, nodes.section)), None
    )
    text = re.sub(r"\s+", " ", first.astext()) if first is not None else ""
    return (
        text if len(text) <= longest else text[: longest - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    )


def preview(app, page: str, template: str, context: dict, doctree) -> None:
    """What search engines and social networks show of a page; a picture where it is published."""
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
            "og:image:alt": "The explorer: four cells, a threshold, and what follows it",
        }
    lines = [
        f'<meta name="description" content="{escape(text)}">',
        '<meta name="twitter:card" content="summary_large_image">',
    ]
    lines += [f'<meta property="{name}" content="{escape(value)}">' for name, value in tags.items()]
    context["metatags"] = context.get("metatags", "") + "\n" + "\n".join(lines)


# --- pages that failed ---------------------------------------------------------------------------


def failed_cell(notebook: Path) -> str:
    """Which code cell of an executed notebook stopped, its first line, and why; or nothing."""
    cells = json.loads(notebook.read_text())["cells"]
    for number, cell in enumerate((c for c in cells if c["cell_type"] == "code"), 1):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                code = "".join(cell["source"]).strip() or "empty"
                why = f"{output['ename']}: {output['evalue']}".split("\n")[0]
                return f"code cell {number} ({code.splitlines()[0]}): {why}"
    return ""


def failures(app) -> list[str]:
    """A line for each page whose execution failed: the page, the cell, the error."""
    executed, lines = Path(app.outdir).parent / "jupyter_execute", []
    for page, metadata in sorted(app.env.nb_metadata.items()):
        said = metadata.get("exec_data")
        if said and not said["succeeded"]:
            where = failed_cell(executed / f"{page}.ipynb") or said["error"]
            lines.append(f"{page}: {where}")
    return lines


def account(app, exception) -> None:
    """Say, as the last lines of a build, which pages failed and what to do."""
    if exception is None and (lines := failures(app)):
        todo = (
            f"{len(lines)} page(s) failed, all others are built. Run the cells of such a page in "
            "Jupyter (make env; .venv/bin/jupyter lab notebooks), mend the cause, and build again."
        )
        atexit.register(print, "\n".join(["", *lines, todo]), file=sys.stderr, flush=True)


def setup(app) -> dict:
    from rrm_companion.embed import EVERYWHERE

    app.rrm_written = set()
    app.connect("config-inited", configure, priority=1)
    app.connect("html-page-context", player_assets)
    app.connect("html-page-context", sidecars)
    app.connect("html-page-context", early)
    app.connect("html-page-context", preview)
    app.connect("build-finished", account)
    app.add_html_math_renderer("mathml", mathml("inline"), mathml("block"))
    for name in EVERYWHERE:
        add = app.add_css_file if name.endswith(".css") else app.add_js_file
        add(f"rrm/{name}")
    app.add_css_file("rrm/playground.css")  # its script is loaded by the pages that show it
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
