"""A chapter as slides: every figure once, by keys, and back to the page."""


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


def test_a_page_without_figures_stays_a_page(book, page):
    page.goto((book / "book/bibliography.html").as_uri() + "?slides")
    page.wait_for_load_state()
    assert not page.locator(".rrm-slides").count() and page.complaints == []
