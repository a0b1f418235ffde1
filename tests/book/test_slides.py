"""A chapter as slides: every figure once, by keys, and back to the page."""

import pytest


def test_a_chapter_turns_its_figures_by_keys_and_gives_them_back(book, page):
    where = (book / "notebooks/3_1_decomposition.html").as_uri()
    page.goto(where + "?slides")
    page.wait_for_selector(".rrm-slides")
    figures = ".bd-article :is(figure.rrm-chart, .rrm-explorer, .rrm-viewer)"
    rest = page.locator(figures).count()
    total = int(page.locator(".rrm-slides nav span").inner_text().split(" of ")[1])
    assert total == rest + 1, "one is on the stage"
    seen = []
    for k in range(total):
        assert page.locator(".rrm-slides nav span").inner_text() == f"{k + 1} of {total}"
        stage = page.locator(".rrm-screen > *")
        assert stage.count() == 1 and stage.bounding_box()["height"] > 100
        seen.append(page.locator(".rrm-slides h2").inner_text())
        page.locator(".rrm-slides").focus()
        page.keyboard.press("ArrowRight")
    assert len(set(seen)) > 2, "each slide stands under the heading of its figure"
    assert page.locator(".rrm-slides button", has_text="next").is_disabled()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".rrm-slides nav span").inner_text() == f"{total - 1} of {total}"
    page.keyboard.press("Escape")
    page.wait_for_url(where)
    assert not page.locator(".rrm-slides").count() and page.complaints == []


def test_keys_stay_on_the_stage_and_escape_leaves_from_a_slider(book, page):
    where = (book / "notebooks/3_1_decomposition.html").as_uri()
    page.goto(where + "?slides")
    page.wait_for_selector(".rrm-slides")
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body"
            " || !!document.activeElement.closest('.rrm-slides')"
        )
    page.locator(".rrm-slides input[type=range]").first.focus()
    page.keyboard.press("Escape")
    page.wait_for_url(where)


def test_keys_go_on_wherever_the_focus_was(book, page):
    page.goto((book / "notebooks/3_1_decomposition.html").as_uri() + "?slides")
    page.wait_for_selector(".rrm-slides")
    at = lambda: int(page.locator(".rrm-slides nav span").inner_text().split()[0])  # noqa: E731
    while not page.locator(".rrm-screen figure.rrm-chart").count():
        page.keyboard.press("ArrowRight")
    page.locator(".rrm-screen figure.rrm-chart").focus()  # it goes back to the page when turned
    before = at()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert at() == before + 2
    back = page.get_by_role("button", name="back", exact=True)
    for _ in range(at() - 1):
        back.click()
    assert at() == 1 and back.is_disabled(), "the button that had the focus ends here"
    page.keyboard.press("ArrowRight")
    assert at() == 2
    asks = "new KeyboardEvent('keydown', {key: 'ArrowLeft', altKey: true, cancelable: true})"
    assert page.evaluate(f"document.querySelector('.rrm-slides').dispatchEvent({asks})")
    assert at() == 2, "the browser's own key"


def test_the_brush_follows_the_pointer_on_an_enlarged_slide(book, page):
    page.set_viewport_size({"width": 1400, "height": 1000})
    page.goto((book / "notebooks/3_1_decomposition.html").as_uri() + "?slides")
    page.wait_for_selector(".rrm-slides")
    while not page.locator(".rrm-screen .rrm-explorer[data-live=yes]").count():
        page.keyboard.press("ArrowRight")
    pane = page.locator(".rrm-screen .rrm-plot-scatter")
    pane.scroll_into_view_if_needed()
    assert pane.evaluate("p => p.currentCSSZoom") == 1.5
    box = pane.bounding_box()
    ends = [(box["x"] + box["width"] * f, box["y"] + box["height"] * f) for f in (0.4, 0.6)]
    page.mouse.move(*ends[0])
    page.mouse.down()
    page.mouse.move(*ends[1], steps=4)
    page.mouse.up()
    drawn = page.locator(".rrm-screen .rrm-brush").bounding_box()
    assert [drawn["x"], drawn["y"]] == pytest.approx(ends[0], abs=3)
    assert [drawn["x"] + drawn["width"], drawn["y"] + drawn["height"]] == pytest.approx(
        ends[1], abs=3
    )


def test_a_page_without_figures_stays_a_page(book, page):
    page.goto((book / "book/bibliography.html").as_uri() + "?slides")
    page.wait_for_load_state()
    assert not page.locator(".rrm-slides").count() and page.complaints == []


MARKS = """async figure => {
    const canvas = figure.querySelector('canvas'), box = canvas.getBoundingClientRect(), found = {};
    for (let i = 1; i < 60; i++) for (let j = 1; j < 40; j++) {
        const at = {clientX: box.x + box.width * i / 60, clientY: box.y + box.height * j / 40};
        canvas.dispatchEvent(new PointerEvent('pointermove', {...at, bubbles: true}));
        canvas.dispatchEvent(new MouseEvent('mousemove', {...at, bubbles: true}));
        const tip = document.querySelector('#vg-tooltip-element.visible');
        if (tip) found[[i, j]] = tip.innerText;
    }
    const tip = document.querySelector('#vg-tooltip-element');
    const stage = document.querySelector('.rrm-slides');
    const height = node => Number(getComputedStyle(node).zIndex);
    return {found, above: !stage || height(tip) > height(stage)};
}"""


def test_an_enlarged_chart_tells_of_the_mark_under_the_mouse(book, page):
    told = []
    for way in ("", "?slides"):
        page.goto((book / "notebooks/3_3_early_window.html").as_uri() + way)
        page.wait_for_load_state()
        figure = page.locator(f"{'.rrm-slides ' if way else ''}figure.rrm-chart").first
        figure.scroll_into_view_if_needed()
        page.wait_for_function("f => f.dataset.live === 'yes'", arg=figure.element_handle())
        told.append(figure.evaluate(MARKS))
    assert len(told[0]["found"]) > 10 and told[1]["above"]
    plain, large = (t["found"] for t in told)
    alike = sum(large.get(at) == said for at, said in plain.items())
    assert alike > 0.9 * len(plain), f"{alike} of {len(plain)} marks, {len(large)} when enlarged"


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080)])
@pytest.mark.parametrize("name", ["book/index", "notebooks/3_1_decomposition"])
def test_a_figure_on_the_stage_is_whole_or_scrolls_from_its_top(name, size, book, page):
    """It stood in the middle of the stage, and what was taller was cut above, out of reach."""
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    page.goto((book / f"{name}.html").as_uri() + "?slides")
    page.wait_for_selector(".rrm-screen > [data-live=yes]")
    page.wait_for_timeout(300)
    above, below, scrolls = page.evaluate("""() => {
        const stage = document.querySelector('.rrm-screen'), figure = stage.firstElementChild;
        const [a, b] = [figure.getBoundingClientRect(), stage.getBoundingClientRect()];
        return [a.top - b.top, b.bottom - a.bottom, stage.scrollHeight > stage.clientHeight];
    }""")
    assert above >= 0 and (below >= 0 or scrolls)
    assert name != "book/index" or below >= 0, "the player is seen whole"
