"""The built book in Chromium with the network cut: whole pages, an explorer that counts right."""

import importlib.util
import json
import os
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import vl_convert
import yaml
from axe_playwright_python.sync_playwright import Axe
from docutils import nodes
from PIL import Image
from rrm_companion import kernel, show

from rrm_core.analysis import cells

TOC = yaml.safe_load((Path(__file__).parents[2] / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
PAGES.sort(key=lambda name: not name.startswith((TOC["root"], "notebooks/")))  # chapters first
LEADING = (show.HRM, show.TRM)
LIVE = """[...document.querySelectorAll(
        'figure.rrm-chart, .rrm-explorer, .rrm-viewer, .rrm-motion')]
    .every(f => f.dataset.live === 'yes')"""


def visit(page, book, name):
    page.goto((book / f"{name}.html").as_uri())
    page.evaluate("rrm.drawEvery()")  # also those far from the screen
    page.wait_for_function(LIVE)


@pytest.fixture(scope="module")
def opened(request, book, offline):
    """(name, page of that name, loaded once for all tests of it; each leaves it as it was)."""
    page = offline()
    page.loaded = []
    page.on("request", lambda request: page.loaded.append(request.url))
    visit(page, book, request.param)
    yield request.param, page
    page.context.close()


def each(pages):
    """A test for each of `pages`, which it finds ``opened``; tests of one page run together."""
    return pytest.mark.parametrize("opened", pages, indirect=True, scope="module")


@each(PAGES)
def test_a_page_is_whole_without_a_network(opened):
    _, page = opened
    assert page.complaints == []
    assert page.evaluate(
        "[...document.querySelectorAll('.rrm-chart .rrm-view')]"
        ".every(v => v.querySelector('canvas') && v.querySelector('canvas').width > 50)"
    )
    assert page.evaluate("[...document.images].every(i => !i.complete || i.naturalWidth > 0)")
    assert not page.locator(".bd-article .output.traceback, .bd-article .problematic").count()


def test_the_front_door_leads_to_the_book(book, page):
    page.goto((book / "index.html").as_uri())
    page.wait_for_url(re.compile("book/index.html"))


def test_internal_links_lead_somewhere(book):
    for name in PAGES:
        html = (book / f"{name}.html").read_text()
        for target in re.findall(r'href="([^"#:?]+\.html)', html):
            assert ((book / name).parent / target).resolve().exists(), f"{name}: {target}"


def test_the_data_dictionary_hands_out_the_tables_of_both_models(book, root):
    page = book / "book/data_dictionary.html"
    links = r'class="reference download internal"[^>]* href="([^"]+)"'
    offered = [unquote(target) for target in re.findall(links, page.read_text())]
    files = [root / "data/runs" / run / "measurements.parquet" for run in LEADING]
    assert {(page.parent / target).resolve().read_bytes() for target in offered} == {
        file.read_bytes() for file in files
    }


def test_pages_are_complete_without_scripts(book, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((book / "notebooks/3_1_decomposition.html").as_uri())
    assert (
        page.locator("figure.rrm-chart img").count()
        == page.locator("figure.rrm-chart").count()
        == 3
    )
    assert "Puzzles in each cell at Otsu's" in page.locator(".rrm-explorer").inner_text()
    context.close()


def untitled(mark):
    """Axes of numbers that have labels and no title, of a compiled Vega mark and those inside."""
    kinds = {scale["name"]: scale.get("type") for scale in mark.get("scales", [])}
    for axis in mark.get("axes", []):
        numbers = kinds.get(axis["scale"]) not in ("band", "point", "ordinal")
        if numbers and axis.get("labels", True) and not axis.get("title"):
            yield axis["scale"]
    for inner in mark.get("marks", []):
        yield from untitled(inner | {"scales": [*mark.get("scales", []), *inner.get("scales", [])]})


def test_every_axis_of_numbers_says_what_it_counts(book):
    """Two layers with other titles, one of them none, leave an axis bare."""
    found, charts = [], 0
    for path in [*book.glob("notebooks/*.html"), *book.glob("book/*.html")]:
        text = path.read_text()
        for match in re.finditer(r'<script type="application/json">(?=\{"description")', text):
            spec, _ = json.JSONDecoder().raw_decode(text, match.end())
            charts += 1
            found += [
                (path.stem, spec["description"][:60], axis)
                for axis in untitled(vl_convert.vegalite_to_vega(spec))
            ]
    assert charts > 20 and not found


def test_a_page_shows_no_warning_of_its_code(book):
    for path in [*book.glob("**/*.html")]:
        assert "Warning:" not in path.read_text(), path


@each([name for name in PAGES if name.startswith("notebooks/")])
def test_a_chapter_is_light(opened):
    name, page = opened
    own = [
        url
        for url in page.loaded
        if re.search(r"\.html$|/_static/rrm/rows/|/_images/", url.split("?")[0])
    ]
    size = sum(Path(unquote(urlsplit(url).path)).stat().st_size for url in own)
    assert size <= 600_000, f"{name}: {size:,} bytes of its own in {own}"


def test_shared_scripts_are_light(book):
    shared = [
        *book.glob("_static/rrm/*.js"),
        *book.glob("_static/*.js"),
        *book.glob("_static/scripts/*.js"),
    ]
    assert len(shared) > 5 and sum(path.stat().st_size for path in shared) <= 3_000_000


@pytest.fixture
def printed(opened):
    """The page as it is printed."""
    _, page = opened
    page.emulate_media(media="print")
    yield page
    page.emulate_media(media="screen")
    page.wait_for_timeout(500)  # the theme looks anew what scrolls


@each(PAGES)
def test_a_page_is_complete_in_print(printed):
    page = printed
    assert len(page.pdf()) > 20_000
    for figure in page.locator(
        ".bd-article :is(figure.rrm-chart, .rrm-explorer, .rrm-viewer, .rrm-motion)"
    ).all():
        if figure.evaluate("f => !f.closest('details:not([open])')"):
            assert figure.bounding_box()["height"] > 100
    assert page.evaluate(
        "[...document.querySelectorAll('.bd-article .rrm-explorer :is(button, input[type=range])')]"
        ".every(b => !b.checkVisibility() || b.closest('table'))"
    )
    assert page.evaluate("!document.querySelector('.bd-sidebar-primary')?.checkVisibility()")


@pytest.fixture(scope="module")
def described():
    """{what a page tells search engines: its name}, of the pages that were opened."""
    return {}


@each(PAGES)
def test_a_page_tells_search_engines_what_it_is(opened, described):
    name, page = opened
    text = page.locator("meta[name=description]").get_attribute("content")
    assert 40 <= len(text) <= 200 and described.setdefault(text, name) == name
    assert (
        page.locator("meta[property='og:title']").get_attribute("content")
        == page.locator(".bd-article h1").first.inner_text().rstrip("#").strip()
    )


# --- what a reader has to take in ---

BUDGET = {"book/index": 450, "notebooks/2_setup": 1_400}  # visible words; every other chapter: 900
CHAPTERS = [name for name in PAGES if re.match(r"notebooks/\d", name)]
COUNT = """() => {
    const article = document.querySelector('.bd-article'), shown = (node) => node.checkVisibility();
    const apart = 'script, style, pre, .headerlink, .rrm-explorer, .rrm-viewer, .rrm-view, '
        + '.rrm-motion, .rrm-board, details.above-input';
    const walk = document.createTreeWalker(article, NodeFilter.SHOW_TEXT), words = [];
    while (walk.nextNode()) {
        const at = walk.currentNode.parentElement;
        if (at.closest(apart) || !shown(at)) continue;
        words.push(...walk.currentNode.data.split(/\\s+/).filter(Boolean));
    }
    const tables = [...article.querySelectorAll('table')]
        .filter(t => shown(t) && !t.closest(apart));
    const figures = article.querySelectorAll(
        'figure.rrm-chart, .rrm-explorer, .rrm-viewer, .rrm-motion');
    return {words, tables: tables.map(t => t.querySelectorAll('tbody tr').length),
            figures: figures.length};
}"""


@each(["book/index", *CHAPTERS])
def test_a_page_can_be_read_in_its_time(opened, runs):
    name, page = opened
    found = page.evaluate(COUNT)
    assert len(found["words"]) <= BUDGET.get(name, 900), f"{name}: {len(found['words'])} words"
    assert len(found["tables"]) <= 2 and max([0, *found["tables"]]) <= 8, (name, found["tables"])
    assert found["figures"] <= 5, f"{name}: {found['figures']} figures"
    if name != "notebooks/2_setup":  # where the two runs are introduced
        assert not [word for word in found["words"] if word.strip(".,;:()") in runs], name


@pytest.fixture
def explorer(book, page):
    """The explorer of section 3.1, of both models, with the HRM chosen."""
    page.goto((book / "notebooks/3_1_decomposition.html").as_uri())
    page.wait_for_function("document.querySelector('.rrm-explorer')?.dataset.live === 'yes'")
    models = page.get_by_label("model", exact=True).first
    assert models.locator("option").all_inner_texts() == ["HRM", "TRM"]
    return page


def shown(page):
    return {c: int(page.locator(f".rrm-explorer td.rrm-{c} b").inner_text()) for c in "ABCD"}


def test_counts_are_those_of_rrm_core_at_every_threshold(explorer, runs):
    for name in LEADING:
        run = runs[name]
        explorer.evaluate("name => rrm.rowsFor(name)", name)
        for state in cells.STATES:
            values = cells.late_drift(run.table, state)
            band = cells.band(values)
            taus = np.unique(
                [
                    *values,
                    *np.linspace(values.min() - 1, values.max() + 1, 301),
                    band.otsu,
                ]
            )
            found = explorer.evaluate(
                "([run, state, taus]) => "
                "taus.map(t => Object.values(rrm.count(rrm.rows[run], state, t)))",
                [name, state, taus.tolist()],
            )
            expected = [
                list(cells.count(cells.assign(values, run.table.correct, t)).values()) for t in taus
            ]
            assert found == expected, (name, state)


def test_slider_buttons_and_typing_move_everything(explorer, runs):
    run = runs["hrm-9x9-brief"]
    values = cells.late_drift(run.table)
    band = cells.band(values)
    failures = int((~run.table.correct).sum())
    for threshold, act in (
        (
            0.25,
            lambda: (
                explorer.get_by_label("threshold, typed").fill("0.25"),
                explorer.get_by_label("threshold, typed").press("Enter"),
            ),
        ),
        (band.otsu, lambda: explorer.locator(".rrm-explorer button", has_text="Otsu").click()),
    ):
        act()
        expected = cells.count(cells.assign(values, run.table.correct, threshold))
        assert shown(explorer) == expected
        status = explorer.locator(".rrm-status").inner_text()
        assert (f"{expected['B']} of {failures} failures are settled" in status) or (
            expected["B"] == 0 and f"0 of {failures}" in status
        )
    slider = explorer.locator(".rrm-slide input[type=range]")
    slider.focus()
    for key in ("ArrowLeft", "ArrowRight", "ArrowRight", "Home", "End"):
        slider.press(key)
        threshold = explorer.evaluate("document.querySelector('.rrm-explorer').explorer.tau")
        assert shown(explorer) == cells.count(cells.assign(values, run.table.correct, threshold)), (
            key
        )


def test_examples_and_selector_blind_ones_follow(explorer, runs):
    run = runs["hrm-9x9-brief"]
    values = cells.late_drift(run.table)
    wrong = np.sort(values[~run.table.correct])
    box = explorer.get_by_label("threshold, typed")
    for threshold in (wrong[0] - 0.01, wrong[0] + 1e-3, wrong[6] + 1e-4, wrong[11] + 1e-4):
        box.fill(repr(float(threshold)))
        box.press("Enter")
        expected = cells.settled_failures(run.table, threshold).head(12)
        lines = explorer.locator(".rrm-examples tbody tr")
        assert [
            int(lines.nth(i).get_attribute("data-idx")) for i in range(lines.count())
        ] == expected.idx.tolist()
        assert [
            lines.nth(i).get_attribute("data-cell") for i in range(lines.count())
        ] == expected.cell.tolist()
        assert [
            lines.nth(i).locator("td").last.inner_text() == "yes" for i in range(lines.count())
        ] == expected.selector_blind.tolist()


def test_both_models_can_be_picked(explorer, runs):
    for name in LEADING:
        run = runs[name]
        explorer.get_by_label("model", exact=True).first.select_option(name)
        explorer.evaluate("name => rrm.rowsFor(name)", name)
        values = cells.late_drift(run.table)
        assert shown(explorer) == cells.count(
            cells.assign(values, run.table.correct, cells.band(values).otsu)
        )
        for state in ("l", "both"):
            explorer.get_by_label("drift of", exact=True).select_option(state)
            values = cells.late_drift(run.table, state)
            assert shown(explorer) == cells.count(
                cells.assign(values, run.table.correct, cells.band(values).otsu)
            )
        explorer.get_by_label("drift of", exact=True).select_option("h")


def test_an_example_opens_its_boards(explorer, runs):
    explorer.locator(".rrm-examples tbody button").first.click()
    explorer.wait_for_selector(".rrm-detail .rrm-board")
    idx = int(explorer.locator(".rrm-examples tbody tr").first.get_attribute("data-idx"))
    row = runs["hrm-9x9-brief"].table.set_index("idx").loc[idx]
    assert explorer.locator(".rrm-detail .rrm-wrong").count() == round(
        (1 - row.token_acc) * len(row.puzzle)
    )
    assert explorer.locator(".rrm-detail svg").count() == 2


def test_charts_follow_the_threshold(explorer):
    explorer.get_by_label("threshold, typed").fill("-0.5")
    explorer.get_by_label("threshold, typed").press("Enter")
    plots = [
        explorer.locator(f".rrm-plot-{name} .rrm-now") for name in ("histogram", "scatter", "sweep")
    ]
    before = [plot.bounding_box()["x"] for plot in plots]
    explorer.get_by_label("threshold, typed").fill("1.0")
    explorer.get_by_label("threshold, typed").press("Enter")
    after = [plot.bounding_box()["x"] for plot in plots]
    assert all(b > a + 10 for a, b in zip(before, after, strict=True))


def test_a_phone_is_wide_enough(book, browser):
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = context.new_page()
    for name in PAGES:
        visit(page, book, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
    context.close()


def test_the_kernel_component_counts_the_same_and_reports_back(page, runs, monkeypatch):
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    run = runs["hrm-6x6"]
    component = kernel.component({"HRM": run})
    page.goto("about:blank")
    script = """async ([source, rows]) => {
        const blob = new Blob([source], {type: 'text/javascript'});
        const module = await import(URL.createObjectURL(blob));
        window.sent = {};
        const model = {get: (name) => ({rows, labels: {}})[name], on: () => null,
            send: () => null, set: (values) => Object.assign(window.sent, values),
            save_changes: () => { window.saved = true; }};
        document.body.append(document.createElement('main'));
        await module.default.render({model, el: document.querySelector('main')});
    }"""
    page.evaluate(script, [str(component._esm), component.rows])
    values = cells.late_drift(run.table)
    for threshold in np.quantile(values, [0.05, 0.2, 0.6]):
        page.get_by_label("threshold, typed").fill(repr(float(threshold)))
        page.get_by_label("threshold, typed").press("Enter")
        assert shown(page) == cells.count(cells.assign(values, run.table.correct, threshold))
    page.wait_for_function("tau => window.saved && window.sent.tau === tau", arg=float(threshold))
    assert page.evaluate("window.sent.run") == "hrm-6x6"
    assert page.complaints == []


# --- axe-core: nothing that a reader with a keyboard or a screen reader would be stopped by ---

GRAVE = ("serious", "critical")


PAINTED = """async theme => {
    Object.assign(document.documentElement.dataset, {mode: theme, theme});
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    await Promise.all(document.getAnimations()
        .filter(a => a.playState === 'running')
        .filter(a => Number.isFinite(a.effect?.getComputedTiming().endTime))
        .map(a => a.finished.catch(() => null)));
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
@each(PAGES)
def test_axe_finds_no_serious_violation(opened, theme):
    name, page = opened
    page.emulate_media(color_scheme=theme)
    page.evaluate(PAINTED, theme)
    found = {}
    for v in Axe().run(page, options={"reporter": "no-passes"}).response["violations"]:
        ours = [
            n
            for n in v["nodes"]
            if (v["id"], n["target"]) != ("aria-required-children", [".citation-list"])
        ]  # docutils' own markup
        if v["impact"] in GRAVE and ours:
            found[f"{v['id']}: {v['help']}"] = (
                ours[0]["html"][:200],
                ours[0]["failureSummary"][:300],
            )
    assert not found, (name, found)


def test_axe_is_awake(page):
    page.set_content("<html><body><img src='data:,'><input></body></html>")
    assert {"image-alt", "label"} <= {v["id"] for v in Axe().run(page).response["violations"]}
    page.set_content("<html lang='en'><body style='background:#fff;color:#eee'>pale</body></html>")
    assert "color-contrast" in {v["id"] for v in Axe().run(page).response["violations"]}


# --- elsewhere: Binder, Colab, Pages ---


@pytest.fixture(scope="module")
def extension(root):
    """The book's own Sphinx extension."""
    spec = importlib.util.spec_from_file_location("rrm_book_ext", root / "book/_ext/rrm_book.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_slow_model_is_not_taken_for_one_that_wanders(book):
    """The page of a model of one's own says "They were slow" of failures that move at 16."""
    text = re.sub(r"<[^>]+>", "", (book / "notebooks" / "demos" / "own_model.html").read_text())
    failed, at_16 = map(int, re.search(r"Of (\d+) failures (\d+) are at rest", text).groups())
    rest, of = map(int, re.search(r"128, (\d+) of the (\d+) failures are at rest", text).groups())
    assert failed == of and at_16 == 0 and rest == of


def test_a_published_page_has_a_picture_for_social_networks(root, extension):
    text = "Failures keep moving."
    tree = nodes.document(
        None, None, "", nodes.section("", nodes.title("", "A title"), nodes.paragraph("", text))
    )
    context = {"title": "A title"}
    extension.preview(
        SimpleNamespace(
            config=SimpleNamespace(
                html_baseurl="https://owner.github.io/companion/", project="The book"
            )
        ),
        "book/index",
        "page.html",
        context,
        tree,
    )
    found = dict(
        re.findall(r'<meta property="og:([a-z:_]+)" content="([^"]*)">', context["metatags"])
    )
    assert (
        found["url"] == "https://owner.github.io/companion/book/index.html"
        and found["description"] == text
        and found["title"] == "A title"
    )
    name = found["image"].removeprefix("https://owner.github.io/companion/_static/")
    assert Image.open(root / "book/_static" / name).size == (
        int(found["image:width"]),
        int(found["image:height"]),
    )


def test_the_ways_to_run_it_elsewhere_name_what_is_there(root, book, extension):
    extras = tomllib.loads((root / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    text = extension.launch("https://github.com/owner/companion-book")
    assert (
        "https://mybinder.org/v2/gh/owner/companion-book/HEAD?urlpath=lab/tree/notebooks" in text
        and (root / "notebooks").is_dir()
    )
    clone, install = re.search(r"```ipython3\n(.*)\n```", text, re.S).group(1).split("\n")
    assert clone == "!git clone --depth 1 https://github.com/owner/companion-book companion"
    assert (
        install.removeprefix("%pip install --quiet -e ") == "companion[chapters]"
        and "chapters" in extras
    )
    assert (
        "OWNER/NAME" in extension.launch("")
        and "OWNER/NAME" in (book / "book/run_it.html").read_text()
    )
    assert os.access(root / "binder/postBuild", os.X_OK)
    binder = (root / "binder/requirements.txt").read_text().splitlines()
    assert (
        root / "binder" / binder[-1].removeprefix("-r ")
    ).resolve() == root / "requirements.lock"


def test_the_workflows_run_targets_of_the_makefile(root):
    targets = set(re.findall(r"^(\w+):", (root / "Makefile").read_text(), re.M))
    for path in sorted((root / ".github/workflows").glob("*.yml")):
        jobs = yaml.safe_load(path.read_text())["jobs"]
        runs = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
        assert len(runs) >= 2 and all(
            line.split()[0] == "make" and line.split()[1] in targets for line in runs
        ), path
    pages = yaml.safe_load((root / ".github/workflows/pages.yml").read_text())["jobs"]["build"][
        "steps"
    ]
    assert [
        step["with"]["path"] for step in pages if "upload-pages-artifact" in step.get("uses", "")
    ] == ["_build/html"]
