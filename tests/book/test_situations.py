"""Readers as they are: on a phone, with a finger, on paper, listening, with a saved page.

Chromium without a network, on one page with a chart, the explorer, the viewer and the playground.
"""

import re
import shutil
import zlib
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from rrm_companion import charts, embed, playground, show, widgets

from rrm_core.analysis import phases

DRAWN = """[...document.querySelectorAll('figure.rrm-chart, .rrm-explorer, .rrm-viewer')]
    .every(node => node.dataset.live === 'yes')"""


@pytest.fixture(scope="module")
def place(root, tmp_path_factory):
    """A page like those of the book, two models, two figures of two panels."""
    folder, patch = tmp_path_factory.mktemp("place"), pytest.MonkeyPatch()
    patch.setenv("RRM_PUBLISH", "1")
    static, models = folder / "_static/rrm", show.models()
    widgets.write_static(static)
    for run in models.values():
        widgets.write_sidecars(static, run)
    grid = charts.grid(
        [charts.switch(phases.by_solving_time(r.table), m) for m, r in models.items()]
    )
    figure = charts.figure(grid.to_dict())
    table = show.table(models["HRM"].table[["idx", "lambda_1"]].head(5), "Some numbers").html
    body = [
        f"<h2>Charts</h2>{figure}<h2>Explorer</h2>{widgets.explorer(models).html}",
        f"<h2>Viewer</h2>{widgets.viewer(models).html}<h2>Playground</h2>{playground.show().html}",
        f"<div style='height: 4000px'></div>{table}{figure}<h2 id='end'>End</h2>",
        "<div style='height: 2000px'></div>",
    ]
    patch.undo()
    shutil.copy(root / "book/_static/book.css", static)
    names = [n for n in embed.EVERYWHERE if n.endswith(".js")]
    styles = [n for n in (*embed.EVERYWHERE, "playground.css", "book.css") if n.endswith(".css")]
    head = [f'<link rel="stylesheet" href="_static/rrm/{n}">' for n in styles]
    head += [f'<script src="_static/rrm/{n}"></script>' for n in names]
    (folder / "index.html").write_text(
        '<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>t</title>'
        f'{"".join(head)}</head><body style="margin: 0 auto; max-width: 700px; padding: 0 16px">'
        f"{''.join(body)}</body></html>"
    )
    return folder / "index.html"


@pytest.fixture
def open_at(browser, place):
    """``open_at(width, **context)``: the page in a window of that width, widgets live."""
    contexts = []

    def opened(width=1280, path=place, wait=True, query="", script=None, **more):
        context = browser.new_context(viewport={"width": width, "height": 800}, **more)
        contexts.append(context)
        page = context.new_page()
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri() + query)
        if wait:
            page.wait_for_function("!!document.querySelector('.rrm-playground')?.playground")
            page.wait_for_selector(".rrm-viewer[data-live=yes] .rrm-board")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def phone(open_at):
    return open_at(390, has_touch=True, is_mobile=True)


def draw(page):
    page.evaluate("rrm.drawEvery()")
    page.wait_for_function(DRAWN)


# --- a phone ---


def test_panels_stand_in_one_column_on_a_phone(phone):
    draw(phone)
    for width, height, room, scrolls in phone.evaluate(
        """[...document.querySelectorAll('figure.rrm-chart')].map(f => {
            const canvas = f.querySelector('canvas');
            return [canvas.clientWidth, canvas.clientHeight, f.clientWidth, f.scrollWidth]; })"""
    ):
        assert width <= room and scrolls <= room and height > 1.5 * width
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_under_the_reader(open_at, width):
    script = """addEventListener('DOMContentLoaded', () => {
        window.before = document.getElementById('end').offsetTop; })"""
    page = open_at(width, query="#end", script=script, is_mobile=width < 700, has_touch=True)
    draw(page)
    page.wait_for_timeout(300)
    after = page.evaluate("document.getElementById('end').offsetTop")
    assert abs(after - page.evaluate("window.before")) <= 20
    assert abs(page.evaluate("document.getElementById('end').getBoundingClientRect().top")) <= 20


def at_rest(page):
    """Wait until the page scrolls no more."""
    seen = None
    while seen != (seen := page.evaluate("scrollY")):
        page.wait_for_timeout(600)


@pytest.mark.parametrize("width", [390, 1280])
def test_a_link_to_the_last_heading_of_a_chapter_lands_there(book, open_at, width):
    path = book / "notebooks/3_1_decomposition.html"
    last = re.findall(r'<section id="([^"]+)">', path.read_text())[-1]
    more = {"is_mobile": width < 700, "has_touch": width < 700}
    page = open_at(width, path, wait=False, query=f"#{last}", **more)
    draw(page)
    at_rest(page)
    before = page.evaluate(f"document.getElementById('{last}').getBoundingClientRect().top")
    page.evaluate(f"location.hash = ''; location.hash = '{last}'")
    at_rest(page)
    after = page.evaluate(f"document.getElementById('{last}').getBoundingClientRect().top")
    assert abs(after - before) <= 20


# --- a finger ---


def swipe(page, box, dx, dy):
    """A finger goes down in the middle of `box`, moves by (dx, dy) and lifts."""
    touch = page.context.new_cdp_session(page)
    x, y = box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2
    send = lambda kind, points: touch.send(  # noqa: E731
        "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
    )
    send("touchStart", [{"x": x, "y": y}])
    for k in range(1, 9):
        send("touchMove", [{"x": x + dx * k / 8, "y": y + dy * k / 8}])
        page.wait_for_timeout(16)
    send("touchEnd", [])
    page.wait_for_timeout(400)


def test_a_finger_that_scrolls_moves_no_slider(phone):
    sliders = phone.locator("input[type=range]")
    assert sliders.count() >= 6
    for k in range(sliders.count()):
        slider = sliders.nth(k)
        if not slider.is_visible():
            continue
        slider.evaluate("node => node.scrollIntoView({block: 'center'})")
        before, at = slider.input_value(), phone.evaluate("scrollY")
        swipe(phone, slider.bounding_box(), 4, -160)
        phone.wait_for_function(f"scrollY > {at} + 50")
        assert slider.input_value() == before, slider.get_attribute("aria-label")
    tau = phone.evaluate("document.querySelector('.rrm-explorer').explorer.tau")
    assert f"{tau:.3f}".replace("-", "−") in phone.locator(".rrm-explorer .rrm-status").inner_text()


def test_after_a_finger_that_scrolled_the_keys_move_a_slider(phone):
    slider = phone.locator(".rrm-explorer .rrm-slide input")
    slider.evaluate("node => node.scrollIntoView({block: 'center'})")
    before = slider.input_value()
    swipe(phone, slider.bounding_box(), 4, -160)
    slider.focus()
    for _ in range(5):
        phone.keyboard.press("ArrowRight")
    assert float(slider.input_value()) > float(before)


def test_a_finger_that_scrolls_over_the_scatter_leaves_no_brush(phone):
    pane = phone.locator(".rrm-plot-scatter .rrm-pane")
    pane.evaluate("node => node.scrollIntoView({block: 'center'})")
    swipe(phone, pane.bounding_box(), 6, -160)
    assert phone.locator(".rrm-brush").is_hidden()
    assert not phone.locator(".rrm-listed").inner_text().startswith("Brushed")


def test_a_finger_meets_fields_and_targets_that_are_large_enough(phone):
    found = phone.evaluate(
        """[...document.querySelectorAll('input, select, button, summary')]
        .filter(n => n.checkVisibility() && !n.closest('.vega-embed')).map(n => [
            n.getAttribute('aria-label') || n.textContent, n.tagName, n.type,
            parseFloat(getComputedStyle(n).fontSize), n.getBoundingClientRect().height])"""
    )
    assert len(found) > 30
    assert [f for f in found if f[4] < 23.9] == []
    typed = [f for f in found if f[1] in ("INPUT", "SELECT") and f[2] != "range"]
    assert [f for f in typed if f[3] < 16] == []


# --- a slow phone ---


def test_widgets_come_first_and_charts_when_they_come_near(open_at):
    script = """window.order = [];
    new MutationObserver(all => all.forEach(({target}) => target.dataset.live === 'yes'
        && window.order.push(target.className))).observe(document,
        {subtree: true, attributeFilter: ['data-live']});"""
    page = open_at(390, script=script, has_touch=True, is_mobile=True)
    page.wait_for_function("window.order.includes('rrm-chart')")
    assert page.evaluate("window.order.indexOf('rrm-explorer') < window.order.indexOf('rrm-chart')")
    last = page.locator("figure.rrm-chart").last
    assert last.get_attribute("data-live") == "no" and last.locator("img").is_visible()
    last.evaluate("node => node.scrollIntoView()")
    page.wait_for_function("document.querySelectorAll('.rrm-chart')[1].dataset.live === 'yes'")


MOVES = """async () => {
    const slider = document.querySelector('.rrm-explorer input[aria-label^=threshold]');
    const low = Number(slider.min), high = Number(slider.max);
    for (let k = 0; k < 30; k++) {
        slider.value = low + (high - low) * (0.5 + 0.45 * Math.sin(k / 5));
        slider.dispatchEvent(new Event('input'));
        await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
    }
}"""


def test_a_slow_phone_is_not_kept_waiting(book, browser):
    """A phone of a sixth of this speed: its work is counted by the processor, not by a clock.

    Limits are twice those asked: a core that is shared does the same work more slowly.
    """
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    tool = context.new_cdp_session(page)
    tool.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked():
        """Seconds of work of the page's main thread since the navigation."""
        found = tool.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in found}["TaskDuration"]

    page.goto((book / "notebooks/3_1_decomposition.html").as_uri(), wait_until="commit")
    page.wait_for_selector(".rrm-explorer[data-live=yes]")
    usable = worked()
    page.wait_for_load_state("load")
    page.wait_for_timeout(2_000)
    page.locator(".rrm-explorer .rrm-slide").scroll_into_view_if_needed()
    before = worked()
    page.evaluate(MOVES)
    move = (worked() - before) / 30
    context.close()
    assert 0 < 6 * usable <= 2 * 5 and 0 < 6 * move <= 2 * 0.060, (usable, move)


# --- paper ---


def sheets(pdf):
    """What is drawn on each sheet of a PDF by Chromium: its page's content, unpacked."""
    objects = dict(re.findall(rb"(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj", pdf, re.S))
    out = []
    for body in objects.values():
        if re.search(rb"/Type /Page\b", body):
            number = re.search(rb"/Contents (\d+) 0 R", body)[1]
            stream = re.search(rb"stream\r?\n(.*?)\r?\nendstream", objects[number], re.S)[1]
            out.append(zlib.decompressobj().decompress(stream))
    return out


def luminance(colour):
    parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
    parts = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return sum(a * b for a, b in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


@pytest.mark.parametrize("name", ["3_1_decomposition", "4_prior_accounts"])
def test_a_chapter_on_paper_is_whole_and_light(book, open_at, name):
    page = open_at(718, book / f"notebooks/{name}.html", wait=False, color_scheme="dark")
    draw(page)
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    drawn = sheets(page.pdf(format="A4", margin=dict.fromkeys(("left", "right"), "1cm")))
    assert len(drawn) > 3
    assert [k for k, sheet in enumerate(drawn) if not re.search(rb"T[jJ]|\bDo\b", sheet)] == []
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")  # as it was
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    cut = """[...document.querySelectorAll('.bd-article :is(table, img, svg, p, pre)')]
        .filter(n => n.checkVisibility() && n.getBoundingClientRect().right > innerWidth + 1)
        .map(n => n.outerHTML.slice(0, 80))"""
    assert page.evaluate(cut) == []
    lines = """[...document.querySelectorAll('.bd-article pre')]
        .filter(n => n.checkVisibility() && n.scrollWidth > n.clientWidth + 1).length"""
    assert page.evaluate(lines) == 0  # a long line of code is folded
    folds = "[...document.querySelectorAll('.bd-article details')].filter(n => !n.closest('{}')"
    outer = folds.format(".rrm-exercise details, .above-input") + ").map(n => n.open)"
    inner = "[...document.querySelectorAll('.rrm-exercise details')].map(n => n.open)"
    assert all(page.evaluate(outer)) and not any(page.evaluate(inner))
    assert page.locator("details.rrm-exercise input").first.is_visible()
    figures = page.locator("figure.rrm-chart")
    for figure in figures.all():
        assert figure.locator("img").is_visible() and not figure.locator("canvas").is_visible()
        assert figure.evaluate("n => getComputedStyle(n).breakInside") == "avoid"
    colours = page.evaluate(
        """[...document.querySelectorAll('.bd-article :is(p, td, th, h1, h2, a, span, code)')]
        .filter(n => n.checkVisibility() && n.textContent.trim() && !n.closest('svg, .rrm-wrong'))
        .map(n => getComputedStyle(n).color)"""
    )
    assert max(map(luminance, colours)) < 0.2  # a contrast of 4.2 on paper
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not any(
        page.evaluate("[...document.querySelectorAll('.rrm-exercise')].map(n => n.open)")
    )


# --- ears and other eyes ---


def test_a_result_is_said_once_when_the_slider_rests(open_at):
    page = open_at()
    page.evaluate(
        """() => { window.said = [];
        const live = '[aria-live]:not([aria-hidden]), [role=status], output:not([aria-hidden])';
        new MutationObserver(all => all.forEach(({target}) => {
            const node = (target.nodeType === 3 ? target.parentNode : target).closest?.(live);
            if (node) window.said.push(node.textContent);
        })).observe(document.body, {subtree: true, childList: true, characterData: true}); }"""
    )
    for name in ("threshold on log10 late drift", "parameter r", "segment"):
        slider = page.get_by_role("slider", name=name, exact=True)
        slider.focus()
        page.evaluate("window.said = []")
        slider.evaluate(  # twelve moves without a rest, however busy the machine is
            """(node, back) => { for (let k = 0; k < 12; k++) {
            back ? node.stepDown() : node.stepUp();
            node.dispatchEvent(new Event('input', {bubbles: true})); } }""",
            name == "parameter r",  # which is at its end
        )
        page.wait_for_timeout(1500)
        assert len(page.evaluate("window.said")) <= 1, name
        if name != "segment":
            page.wait_for_function("window.said.length === 1")


def test_what_changed_before_a_reader_came_is_not_said(open_at):
    """As what a page begins with, where it is slow and its reader quick."""
    page = open_at()
    for change, name in (
        (
            "(e => e.explorer.move(e.explorer.tau + 0.1))(document.querySelector('.rrm-explorer'))",
            "threshold on log10 late drift",
        ),
        ("document.querySelector('.rrm-playground').playground.set({steps: 32})", "parameter r"),
    ):
        page.evaluate(f"{change}; document.querySelector('input[aria-label=\"{name}\"]').focus()")
        page.wait_for_timeout(1_200)
        told = page.locator(".rrm-told").all_inner_texts()
        assert set(told) == {""}, name


def test_forced_colours_keep_threshold_and_swatches(open_at):
    page = open_at(forced_colors="active")
    style = "([css, what]) => getComputedStyle(document.querySelector(css))[what]"
    read = lambda css, what: page.evaluate(style, [css, what])  # noqa: E731
    canvas, accent = page.evaluate(
        """['Canvas', 'Highlight'].map(name => { const n = document.createElement('i');
        n.style.cssText = 'forced-color-adjust: none; color: ' + name; document.body.append(n);
        return getComputedStyle(n).color; })"""
    )
    for part in (".rrm-plot-histogram", ".rrm-plot-scatter"):
        assert read(f"{part} .rrm-now", "borderLeftColor") == accent != canvas
        assert read(f"{part} .rrm-shade", "backgroundColor") == accent
    assert read(".rrm-key .rrm-back-correct", "backgroundColor") not in (canvas, "rgba(0, 0, 0, 0)")
    assert read(".rrm-key span", "outlineStyle") == "solid"
    assert read(".rrm-plot-histogram text", "stroke") == canvas  # letters keep their ground


def test_outcomes_differ_without_colour(open_at):
    page = open_at()
    bars = page.locator(".rrm-plot-histogram rect.rrm-fill-wrong[style]")
    assert bars.count() > 2
    name = re.search(r"url\(\"?#([\w-]+)", bars.first.get_attribute("style"))[1]
    assert page.locator(f"pattern#{name} rect").count() == 2
    assert "gradient" in page.locator(".rrm-key .rrm-back-wrong").evaluate(
        "n => getComputedStyle(n).backgroundImage"
    )


# --- a page that was saved or translated ---


def test_a_saved_page_lives_and_without_scripts_shows_its_pictures(open_at, place, tmp_path):
    page = open_at()
    draw(page)
    links = page.evaluate(
        """[...document.querySelectorAll('script[src], link[href]')]
        .map(n => [n.getAttribute(n.src ? 'src' : 'href'), n.src || n.href])"""
    )
    html = page.evaluate("'<!doctype html>' + document.documentElement.outerHTML")
    (tmp_path / "files").mkdir()
    for k, (written, address) in enumerate(links):  # as a browser saves: one folder, other names
        name = f"{k}-{written.rsplit('/', 1)[1]}"
        shutil.copy(unquote(urlsplit(address).path), tmp_path / "files" / name)
        html = html.replace(f'"{written}"', f'"files/{name}"')
    (tmp_path / "saved.html").write_text(html)
    again = open_at(path=tmp_path / "saved.html")
    draw(again)
    assert again.evaluate("document.querySelector('.rrm-explorer').explorer.count().B") is not None
    dead = open_at(path=tmp_path / "saved.html", wait=False, java_script_enabled=False)
    for picture in dead.locator("figure.rrm-chart img").all():
        assert picture.is_visible() and picture.bounding_box()["height"] > 150
    note = dead.locator(".rrm-explorer").evaluate("n => getComputedStyle(n, '::before').content")
    assert "controls need the page's scripts" in note


def test_counts_move_in_a_translated_page(open_at):
    page = open_at()
    page.evaluate(
        """() => { const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const texts = [];
        while (walk.nextNode()) texts.push(walk.currentNode);
        for (const text of texts.filter(t => t.data.trim() && !t.parentNode.closest('script')))
            { const font = document.createElement('font'); font.textContent = text.data;
              text.replaceWith(font); } }"""
    )
    cell = page.locator(".rrm-explorer td.rrm-B[data-cell]")
    before = cell.inner_text()
    page.evaluate("document.querySelector('.rrm-explorer').explorer.move(9)")
    count = page.evaluate("document.querySelector('.rrm-explorer').explorer.count()")
    total = sum(count.values())
    shown = cell.inner_text().replace("\u00a0", " ")
    assert shown != before and f"{count['B']}" in shown
    assert f"{100 * count['B'] / total:.1f} %" in shown
    assert cell.get_attribute("translate") == "no"


# --- large letters ---


def test_labels_in_plots_grow_with_the_text(open_at):
    sizes = {}
    for size in (16, 24):
        script = "addEventListener('DOMContentLoaded', () => { document.documentElement"
        page = open_at(script=script + f".style.fontSize = '{size}px'; }})")
        draw(page)
        sizes[size] = page.evaluate(
            """[...['.rrm-plot-histogram text', '.rrm-plot-scatter .rrm-axis',
                '.rrm-playground svg text'].map(css => parseFloat(
                getComputedStyle(document.querySelector(css)).fontSize)),
                document.querySelector('.rrm-chart canvas').clientHeight]"""
        )
        over = """[...document.querySelectorAll('.rrm-plot-sweep text')].filter(t => {
            const a = t.getBoundingClientRect(), b = t.closest('svg').getBoundingClientRect();
            return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 2; })"""
        assert page.evaluate(f"{over}.map(t => t.textContent)") == []
    small, large = sizes[16], sizes[24]
    ratios = [b / a for a, b in zip(small[:3], large[:3], strict=True)]
    assert ratios == pytest.approx([1.5] * 3) and large[3] > small[3] + 20


# --- widgets that agree, an address that remembers ---


def test_the_viewer_says_what_the_explorer_shows(open_at):
    page = open_at()
    line = page.locator(".rrm-agree")
    page.wait_for_function(
        "document.querySelector('.rrm-agree').textContent.startsWith('As in the explorer: HRM')"
    )
    page.locator(".rrm-viewer select").first.select_option("trm-9x9-brief")
    page.wait_for_function("document.querySelector('.rrm-agree').textContent.includes('another')")
    assert "Shown here: TRM" in line.inner_text() and "HRM" in line.inner_text()
    page.evaluate("document.querySelector('.rrm-explorer').explorer.move(0.5)")
    page.wait_for_function(
        "document.querySelector('.rrm-agree').textContent.startsWith('As in the explorer: HRM')"
    )


def test_reloading_keeps_the_view(open_at):
    page = open_at()
    page.evaluate("document.querySelector('.rrm-explorer').explorer.move(0.25)")
    page.wait_for_url(re.compile(r"below=0\.25"))
    page.reload()
    page.wait_for_function("document.querySelector('.rrm-explorer').explorer?.tau === 0.25")
    page.wait_for_function("document.querySelector('.rrm-agree')?.textContent.includes('0.25')")


# --- taken along ---


def test_a_copied_table_has_hyphens(open_at):
    page = open_at()
    plain, html = page.evaluate(
        """() => { const table = document.querySelector('table.rrm-table');
        getSelection().selectAllChildren(table);
        const event = new ClipboardEvent('copy', {clipboardData: new DataTransfer(),
            bubbles: true, cancelable: true});
        table.dispatchEvent(event);
        return ['text/plain', 'text/html'].map(kind => event.clipboardData.getData(kind)); }"""
    )
    assert "−" in page.locator("table.rrm-table").inner_text()
    assert "−" not in plain + html and "-0." in plain and "<td" in html


def test_chapters_lead_on_and_can_be_previewed(book, root):
    toc = yaml.safe_load((root / "_toc.yml").read_text())
    pages = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
    for name in pages:
        html = (book / f"{name}.html").read_text()
        assert all(f'property="og:{what}"' in html for what in ("title", "description")), name
        assert ('class="right-next"' in html) == (name != pages[-1]), name
