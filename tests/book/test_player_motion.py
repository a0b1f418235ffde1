"""The player of the first page in Chromium: plays once, asks, goes on, and is safe to touch."""

import re
from dataclasses import replace

import numpy as np
import pytest
from rrm_companion import motion, show, widgets

from rrm_core.analysis import cells, fates, phases

PLAYER = "document.querySelector('.rrm-motion').motion"
PAGE = """<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>t</title>
{head}</head><body><main>{body}</main></body></html>"""


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A page with the player of the leading runs, scripts and styles as in the book."""
    folder = tmp_path_factory.mktemp("motion")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRM_PUBLISH", "1")
        widgets.write_static(folder)
        body = motion.player(show.models()).html
    head = [f'<script src="{name}"></script>' for name in motion.SCRIPTS]
    head += [f'<link rel="stylesheet" href="{name}">' for name in motion.STYLES]
    (folder / "index.html").write_text(PAGE.format(head="".join(head), body=body))
    return folder / "index.html"


@pytest.fixture
def player(site, page):
    """The page, before its player has started to move."""
    page.goto(site.as_uri())
    page.wait_for_function("document.querySelector('.rrm-motion').dataset.live === 'yes'")
    yield page
    assert page.complaints == []


@pytest.fixture
def calm(site, page):
    """The player of a reader who asked for less motion."""
    page.emulate_media(reduced_motion="reduce")
    page.goto(site.as_uri())
    page.wait_for_function("document.querySelector('.rrm-motion').dataset.live === 'yes'")
    yield page
    assert page.complaints == []


def at(page):
    return page.evaluate(f"{PLAYER}.segment")


def button(page, name):
    return page.locator(".rrm-motion").get_by_role("button", name=name, exact=True)


# --- what is told is what was recorded ---


def test_the_page_holds_what_was_recorded(runs):
    for run in show.models().values():
        found, table = motion.recorded(run), fates.study(run, "recorded").set_index("idx")
        assert found["segments"][:16] == list(range(1, 17)) and found["segments"][-1] == 256
        assert table.index.nunique() == 12 and len(found["failed"]) >= 4 <= len(found["solved"])
        for kind in ("solved", "failed"):
            for puzzle in found[kind]:
                part, own = table.loc[puzzle["idx"]], run.table.set_index("idx").loc[puzzle["idx"]]
                assert puzzle["solution"] == own.solution and puzzle["puzzle"] == own.puzzle
                boards = [a or "" for a in puzzle["answers"]]
                whole = [next(b for b in boards[k::-1] if b) for k in range(len(boards))]
                assert whole == part.answer.tolist()
                assert np.allclose(puzzle["drift"], part.drift, rtol=1e-3)
                assert np.allclose(puzzle["growth"], part.growth[:16], rtol=1e-3)
                assert bool(puzzle["right"][15]) is bool(own.correct) is (kind == "solved")


def test_the_first_failure_meets_the_usual_fate(runs):
    for run in show.models().values():
        found, otsu = motion.recorded(run)["failed"], cells.band_of(run).otsu
        names = fates.FATES
        ends = [
            names[0] if p["right"][-1] else names[1] if p["drift"][-1] < otsu else names[2]
            for p in found
        ]
        usual = max(names, key=lambda name: fates.fate_at(run, name).value)
        others = [end != usual for end in ends]
        assert not others[0] and others == sorted(others)
        middle = np.median(cells.late_drift(run.table)[~run.table.correct])
        alike = found[: others.count(False)]  # those that drift no farther after 16 come first
        rises = [max(p["drift"][16:]) - p["drift"][15] > motion.RISE for p in alike]
        gaps = [(rise, abs(p["drift"][15] - middle)) for p, rise in zip(alike, rises, strict=True)]
        assert gaps == sorted(gaps)


def test_the_rule_on_the_page_is_that_of_the_study(root):
    said = (root / "book/index.md").read_text().replace("\n", " ")
    assert "first six failures" in said and "still wrong after segment 4" in said
    for run in show.models().values():
        table = fates.study(run, "recorded")
        told = table.groupby("idx").correct_in_table.first()
        slow = run.table.correct & (phases.last_wrong(run.table) >= 4)
        assert set(told.index[~told]) == set(run.table.idx[~run.table.correct].head(6))
        assert set(told.index[told]) == set(run.table.idx[slow].head(6))


def test_a_model_of_other_code_is_played_without_the_size_of_its_state():
    run = show.models()["TRM"]
    other = replace(run, meta=run.meta | {"architecture": {"depth": 2}})
    assert motion.recorded(run)["numbers"] == 97 * 512
    assert motion.recorded(other)["numbers"] is None


def test_a_run_without_a_recording_says_how_to_make_one(runs):
    run = next(run for name, run in runs.items() if fates.study(run, "recorded") is None)
    assert "rrm study recorded" in motion.player({"TRM": run}).html


# --- it plays ---


def test_it_starts_once_lasts_ten_seconds_and_ends_on_the_question(player):
    began = player.evaluate("performance.now()")
    player.wait_for_function(f"{PLAYER}.segment === 16")
    assert 8_000 < player.evaluate("performance.now()") < began + 30_000
    assert "And if we go on?" in player.locator(".rrm-say").inner_text()
    assert button(player, "Go on to 256").is_visible() and not player.evaluate(f"{PLAYER}.running")
    player.mouse.wheel(0, 3_000)
    player.mouse.wheel(0, -3_000)
    player.wait_for_timeout(900)
    assert at(player) == 16, "it starts by itself once"


def test_one_click_goes_on_to_256(player):
    player.evaluate(f"{PLAYER}.go(16)")
    button(player, "Go on to 256").click()
    player.wait_for_function(f"{PLAYER}.segment > 16")
    player.wait_for_function(f"{PLAYER}.segment === 256")
    assert re.match("At 256 the failure", player.locator(".rrm-say").inner_text())


def test_at_256_it_says_of_each_failure_what_became_of_it(calm):
    for model, run in show.models().items():
        data, otsu = motion.recorded(run), cells.band_of(run).otsu
        for pair, failed in enumerate(data["failed"]):
            calm.evaluate(f"{PLAYER}.show('{model}', {pair}); {PLAYER}.goOn(); {PLAYER}.go(256)")
            rest = "rests, in a wrong place" if failed["drift"][-1] < otsu else "is still moving"
            expected = "is solved after all" if failed["right"][-1] else rest
            assert calm.locator(".rrm-say").inner_text() == f"At 256 the failure {expected}."


def test_the_board_shows_given_right_wrong_and_changed(calm):
    for model, run in show.models().items():
        data = motion.recorded(run)
        for t in (1, 3, 5, 16):
            calm.evaluate(f"{PLAYER}.show('{model}', 1); {PLAYER}.go({t})")
            for kind in ("solved", "failed"):
                puzzle, lane = data[kind][1], calm.locator(f".rrm-lane.rrm-{kind}")
                boards = fates.study(run, "recorded").query(f"idx == {puzzle['idx']}").answer
                now, before = boards.iloc[t - 1], boards.iloc[max(t - 2, 0)]
                digits = lane.locator("td").all_inner_texts()
                assert "".join(digit or "." for digit in digits) == now
                pairs = zip(now, puzzle["solution"], before, strict=True)
                wrong, changed = np.sum([[a != b, a != c] for a, b, c in pairs], axis=0)
                assert lane.locator("td.rrm-wrong").count() == wrong
                assert lane.locator("td.rrm-changed").count() == changed
                given = sum(c != "." for c in puzzle["puzzle"])
                assert lane.locator("td.rrm-given").count() == given
                head = lane.locator(".rrm-head").inner_text()
                assert (f"{wrong} wrong" if wrong else "all right") in head
        assert calm.locator(".rrm-turn").first.text_content() == "switch"


def test_the_state_moves_and_lines_grow_while_it_plays(player):
    where = "document.querySelector('.rrm-solved .rrm-state').getAttribute('cx')"
    line = "document.querySelector('.rrm-race .rrm-curve.rrm-failed').getAttribute('d').length"
    player.wait_for_function(f"{PLAYER}.segment >= 2")
    on_its_way = f"""async () => {{ const seen = {{}};
        while ({PLAYER}.segment < 16) {{
            await new Promise(requestAnimationFrame);
            const places = (seen[{PLAYER}.segment] ||= new Set()).add({where});
            if (places.size >= 3) return true;
        }}
        return false; }}"""
    assert player.evaluate(on_its_way), "between two segments too"
    player.wait_for_function(f"{line} > {player.evaluate(line)}")


def test_another_model_and_another_pair(player):
    assert player.locator(".rrm-models button").all_inner_texts() == list(show.models())
    button(player, "TRM").click()
    assert player.evaluate(f"{PLAYER}.model") == "TRM" and at(player) <= 2
    assert button(player, "TRM").get_attribute("aria-pressed") == "true"
    button(player, "next pair").click()
    assert player.evaluate(f"{PLAYER}.pair") == 1
    assert "pair 2 of" in player.locator(".rrm-pairs").inner_text()
    button(player, "previous pair").click()
    button(player, "previous pair").click()
    assert player.evaluate(f"{PLAYER}.pair") == 5


def test_the_tour_points_at_its_parts_and_can_be_left(calm):
    button(calm, "Explain it").click()
    cards = []
    while calm.locator(".rrm-lit").count():
        cards.append(calm.locator(".rrm-say").inner_text())
        last = calm.get_by_role("button", name="End", exact=True)
        (last if last.is_visible() else button(calm, "Next")).click()
    assert 6 <= len(cards) <= 8 and len(set(cards)) == len(cards)
    assert all(len(card.split()) <= 40 for card in cards)
    assert calm.evaluate("document.activeElement.textContent") == "Explain it"
    button(calm, "Explain it").click()
    calm.keyboard.press("Escape")
    assert not calm.locator(".rrm-lit").count() and button(calm, "Explain it").is_visible()


# --- hands, ears, eyes ---


def test_by_keyboard_alone(calm):
    reached = []
    for _ in range(8):
        calm.keyboard.press("Tab")
        reached.append(
            calm.evaluate(
                "document.activeElement.getAttribute('aria-label')"
                " || document.activeElement.textContent"
            )
        )
    wanted = ["HRM", "TRM", "previous pair", "next pair", "Next segment", "segment", "Explain it"]
    assert reached[: len(wanted)] == wanted
    calm.get_by_label("segment", exact=True).focus()
    calm.keyboard.press("End")
    assert at(calm) == 16
    calm.keyboard.press("ArrowLeft")
    assert at(calm) == 15


def test_less_motion_is_a_step_at_a_time(calm):
    calm.wait_for_timeout(1_500)
    assert at(calm) == 1, "it does not start by itself"
    for t in (2, 3):
        button(calm, "Next segment").click()
        assert at(calm) == t
    calm.evaluate(f"{PLAYER}.go(16)")
    button(calm, "Go on to 256").click()
    assert at(calm) == 24 and not calm.evaluate(f"{PLAYER}.running")


def test_it_is_said_once_at_rest(calm):
    calm.evaluate(
        "window.said = []; new MutationObserver(() => said.push(1)).observe("
        "document.querySelector('.rrm-motion [role=status]'), {childList: true})"
    )
    slider = calm.get_by_label("segment", exact=True)
    slider.focus()
    slider.evaluate(  # twelve moves without a rest, however busy the machine is
        """node => { for (let k = 0; k < 12; k++) {
        node.stepUp(); node.dispatchEvent(new Event('input', {bubbles: true})); } }"""
    )
    calm.wait_for_function("said.length >= 1")
    calm.wait_for_timeout(1_200)
    assert calm.evaluate("said.length") == 1
    assert "13 of 16" in calm.locator(".rrm-motion [role=status]").text_content()


def test_the_clock_stands_while_nobody_looks(site, page):
    page.goto(site.as_uri())
    page.evaluate("document.body.style.paddingTop = '3000px'")
    page.wait_for_timeout(1_500)
    assert at(page) <= 2


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_under_the_reader(site, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 800}, has_touch=True)
    page = context.new_page()
    box = "document.querySelector('.rrm-motion').getBoundingClientRect().height"
    page.route("**/motion.js", lambda route: route.abort())
    page.goto(site.as_uri())
    before = page.evaluate(box)
    page.unroute("**/motion.js")
    page.goto(site.as_uri())
    page.wait_for_function("document.querySelector('.rrm-motion').dataset.live === 'yes'")
    for act in ("go(1)", "go(16)", "step(1)", "step(7)", "step(-1)", "goOn()", "go(256)"):
        page.evaluate(f"{PLAYER}.{act}")
        assert page.evaluate(box) == before, act
        hidden = """[...document.querySelectorAll('.rrm-motion :is(button, p, span, input)')]
            .filter(n => n.checkVisibility() && !n.matches('[role=status]')
                && (n.scrollWidth > n.clientWidth + 1 && n.clientWidth
                    || n.getBoundingClientRect().right > innerWidth + 0.5))
            .map(n => n.outerHTML)"""
        assert page.evaluate(hidden) == [], act
        strip = """(() => { const s = document.querySelector('.rrm-strip');
            return s.scrollHeight <= s.clientHeight; })()"""
        assert page.evaluate(strip), f"{act}: {page.locator('.rrm-say').inner_text()}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        "[...document.querySelectorAll('.rrm-motion :is(button, input)')]"
        ".filter(n => n.checkVisibility())"
        ".map(n => n.getBoundingClientRect()).filter(r => r.width < 24 || r.height < 24).length"
    )
    assert small == 0
    context.close()


def test_a_finger_that_scrolls_changes_nothing(site, browser):
    context = browser.new_context(
        viewport={"width": 390, "height": 500}, has_touch=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(site.as_uri())
    page.wait_for_function("document.querySelector('.rrm-motion').dataset.live === 'yes'")
    page.evaluate(f"{PLAYER}.go(4)")
    slider = page.get_by_label("segment", exact=True)
    slider.scroll_into_view_if_needed()
    box, touch = slider.bounding_box(), context.new_cdp_session(page)
    x, y = box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2
    before = page.evaluate("scrollY")

    def send(kind, y=None):
        points = [] if y is None else [{"x": x, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", y)
    for k in range(1, 13):
        send("touchMove", y - 14 * k)
        page.wait_for_timeout(16)
    send("touchEnd")
    page.wait_for_function(f"scrollY > {before} + 40")
    page.wait_for_timeout(400)
    assert at(page) == 4
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_forced_colours_and_paper_lose_nothing(calm, theme):
    calm.evaluate("theme => (document.documentElement.dataset.theme = theme)", theme)
    calm.emulate_media(reduced_motion="reduce", forced_colors="active")
    calm.evaluate(f"{PLAYER}.go(3)")
    colour = "n => getComputedStyle(document.querySelector(n)).backgroundColor"
    assert calm.evaluate(colour, "td.rrm-wrong") != calm.evaluate(colour, "td.rrm-found")
    calm.emulate_media(reduced_motion="reduce", forced_colors="none", media="print")
    assert not calm.locator(".rrm-transport").is_visible()
    assert calm.locator(".rrm-race svg").first.is_visible()
    ink = calm.evaluate(
        "getComputedStyle(document.querySelector('.rrm-motion')).getPropertyValue('--text')"
    )
    assert ink.strip() == "#222"
    assert len(calm.pdf()) > 20_000


def test_a_saved_page_still_plays(site, tmp_path, page):
    """What "Save as" keeps: the document as it stands now, with its scripts beside it."""
    page.goto(site.as_uri())
    page.wait_for_function("document.querySelector('.rrm-motion').dataset.live === 'yes'")
    folder = tmp_path / "saved"
    folder.mkdir()
    for name in (*motion.SCRIPTS, *motion.STYLES):
        (folder / name).write_text((site.parent / name).read_text())
    (folder / "index.html").write_text("<!doctype html>" + page.content())
    page.goto((folder / "index.html").as_uri())
    page.wait_for_function(f"{PLAYER} && {PLAYER}.segment >= 2")


def test_an_output_of_a_notebook_carries_all_it_needs(tmp_path, page):
    file = tmp_path / "output.html"
    file.write_text(PAGE.format(head="", body=motion.player(show.models()).html))
    page.goto(file.as_uri())
    page.wait_for_function(f"{PLAYER}.segment >= 2")
    assert page.complaints == []


# --- in the book ---


def test_the_first_page_is_light_and_plays(book, page):
    loaded = []
    page.on("request", lambda request: loaded.append(request.url))
    page.goto((book / "book/index.html").as_uri())
    page.wait_for_function(f"{PLAYER}.segment >= 2")
    assert page.complaints == []
    ours = [url for url in loaded if "_static/rrm/" in url or url.endswith("index.html")]
    assert not [url for url in ours if "vega" in url]
    assert any("motion.js" in url for url in ours)
    sizes = [(book / url.split("/_build/html/")[1].split("?")[0]).stat().st_size for url in ours]
    assert sum(sizes) <= 400_000, dict(zip(ours, sizes, strict=True))


def test_it_says_little(calm):
    """Words that stand beside boards and lines, at the window's end, where it says most."""
    calm.evaluate(f"{PLAYER}.go(16)")
    apart = ".rrm-board, svg, script, [role=status]"
    words = calm.evaluate(
        """apart => { const walk = document.createTreeWalker(
            document.querySelector('.rrm-motion'), NodeFilter.SHOW_TEXT), words = [];
        while (walk.nextNode()) {
            const at = walk.currentNode.parentElement;
            if (!at.closest(apart) && at.checkVisibility())
                words.push(...walk.currentNode.data.split(/\\s+/).filter(Boolean));
        }
        return words; }""",
        apart,
    )
    assert len(words) <= 70, words
