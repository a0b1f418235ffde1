"""A published model in the page: its parts, its rules, against PyTorch, and by hand in Chromium."""

import base64
import json
import re
import zlib

import numpy as np
import pytest
import torch
from rrm_companion import embed, inpage

from rrm_core.models.recursive import tokens
from rrm_core.models.weights import load_model
from rrm_core.runs.tables import columns, read_trajectories
from rrm_core.store import paths
from rrm_core.sudoku import board as sudoku
from rrm_core.sudoku.symmetry import canonical

HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>player</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)
READY = ".rrm-player[data-ready='true']"
AMBIGUOUS = "12345678." + "." * 72
CONTRADICTION = "12345678." + "." * 8 + "9" + "." * 63  # no digit clashes, and yet nothing fits
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>window.stolen = 1</script>",
    "javascript:alert(1)",
    "'; window.stolen = 1; //",
    "${window.stolen = 1}",
    "123" * 1000,
    "\u202e9.8.7" + "\u0000" * 76,
    "９" * 81,
    "👾" * 81,
    "-1" * 80,
    " " * 81,
    "\n",
)


PAUSED_AT_3 = """() => new Promise((done) => {
    const root = document.querySelector('.rrm-player');
    const press = (name) => [...root.querySelectorAll('button')]
        .find((button) => button.textContent === name).click();
    new MutationObserver((_, observer) => {
        if (root.dataset.segment === '3') { observer.disconnect(); press('Pause'); done(); }
    }).observe(root, {attributes: true});
    press('Play again');
})"""  # in the page: a loaded machine would miss the segment from outside


def boards(texts):
    return np.stack([sudoku.parse(text) for text in texts])


@pytest.fixture(scope="module")
def run(runs):
    return runs[inpage.NAME]


@pytest.fixture(scope="module")
def site(tmp_path_factory, run):
    """A page like the book's: scripts and the model beside it, nothing loaded from elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    static = folder / "_static" / "rrm"
    inpage.write_static(static)
    (static / "charts.js").write_text(embed.static_text("charts.js"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRM_PUBLISH", "1")
        html = inpage.player(run).html
    scripts = "".join(
        f'<script src="_static/rrm/{name}"></script>' for name in ("charts.js", *inpage.SCRIPTS)
    )
    (folder / "index.html").write_text(
        f'{HEAD}<link rel="stylesheet" href="_static/rrm/player.css">{scripts}</head>'
        f"<body><main>{html}</main></body></html>"
    )
    return folder


def complaining(context):
    """A page of `context` without a network that remembers complaints in ``page.complaints``."""
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda m: m.type in ("error", "warning") and page.complaints.append(m.text))
    page.on("pageerror", lambda e: page.complaints.append(str(e)))
    page.on("dialog", lambda d: (page.complaints.append(d.message), d.dismiss()))
    context.route(re.compile("^https?:"), lambda route: route.abort())
    return page


@pytest.fixture(scope="module")
def loaded(site, browser):
    """The page with the model loaded by its button, for all tests that need it."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = complaining(context)
    page.goto((site / "index.html").as_uri())
    act(page, "Load the model")
    page.wait_for_selector(READY, timeout=180_000)
    yield page
    context.close()


@pytest.fixture
def model(loaded):
    """The loaded page at the start state of its first puzzle."""
    set_board(loaded, loaded.evaluate(OPTIONS)["puzzles"][0]["puzzle"])
    yield loaded
    assert loaded.complaints == []


@pytest.fixture
def player(site, page):
    """The page as it comes, nothing loaded."""
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector(".rrm-player[data-live]")
    yield page
    assert page.complaints == []


OPTIONS = "JSON.parse(document.querySelector('.rrm-player script').textContent)"
PASTE = """text => { const data = new DataTransfer(); data.setData('text', text);
    document.querySelector('.rrm-typed input').dispatchEvent(
        new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true})); }"""


def act(page, name):
    page.get_by_role("button", name=name).click()


def set_board(page, text):
    page.evaluate("text => document.querySelector('.rrm-player').player.setBoard(text)", text)


def typed(page):
    return page.evaluate("document.querySelector('.rrm-player').player.board")


def said(page, where="check"):
    return page.locator(f".rrm-{where}").inner_text()


def shown(page):
    """The digits of the answer, '.' for none."""
    cells = page.locator(".rrm-answer td").all_inner_texts()
    return "".join(c if c.isdigit() else "." for c in cells)


def at(page, segment):
    page.wait_for_selector(
        f".rrm-player[data-segment='{segment}'][data-playing='false'][data-busy='false']",
    )


def step(page):
    segment = int(page.locator(".rrm-player").get_attribute("data-segment"))
    act(page, "Step")
    at(page, segment + 1)


def state(page):
    """(z_H, z_L) of the worker, each (1, P, D)."""
    encoded = page.evaluate("""async () => {
        const found = await document.querySelector('.rrm-player').player.engine.ask('state');
        const text = (part) => { let out = ''; const raw = new Uint8Array(part.slice().buffer);
            for (let i = 0; i < raw.length; i += 4096)
                out += String.fromCharCode(...raw.subarray(i, i + 4096));
            return btoa(out); };
        return [text(found.h), text(found.l)]; }""")
    arrays = [np.frombuffer(base64.b64decode(text), "<f4") for text in encoded]
    return tuple(torch.tensor(array).view(1, 97, 512) for array in arrays)


def apart(found, expected):
    """The largest difference, relative to the largest entry."""
    return float((found - expected).abs().max() / expected.abs().max())


# --- what travels ---


def test_the_package_is_small_and_holds_the_weights(site):
    folder = site / "_static" / "rrm" / "model"
    assert sum(p.stat().st_size for p in folder.iterdir()) < 16e6
    assert len((site / "index.html").read_bytes()) < 100_000
    about, whole = inpage.package()
    halves = zlib.decompress(whole[-about["files"]["weights"] :])
    high, low = np.frombuffer(halves, np.uint8).reshape(2, -1).astype(np.uint32)
    numbers = torch.tensor(((high << 24) | (low << 16)).view(np.float32))
    expected = load_model(paths.run_dir(inpage.NAME)).state_dict()
    assert set(about["tensors"]) == set(expected)
    for name, (start, end) in about["tensors"].items():
        assert torch.equal(numbers[start // 2 : end // 2], expected[name].flatten()), name


def test_a_data_folder_without_the_run_leaves_the_scripts(data_copy, tmp_path):
    inpage.write_static(tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {*inpage.SCRIPTS, "player.css"}


def test_the_runtime_comes_with_its_licence():
    text = (inpage.RUNTIME / "LICENSE").read_text()
    assert "MIT License" in text and "Microsoft" in text and "onnxruntime-web 1.30.0" in text
    assert "1.30.0" in (inpage.RUNTIME / "ort.wasm.bundle.min.mjs").read_text()[:200]


def test_recordings_are_those_of_the_run(run):
    puzzles = inpage.recordings(run)
    assert [p["correct"] for p in puzzles] == [True] * inpage.EACH + [False] * inpage.EACH
    assert puzzles == inpage.recordings(run)
    answers = read_trajectories(run.name).set_index("idx")
    for puzzle in json.loads(json.dumps(puzzles)):
        row = run.table.set_index("idx").loc[puzzle["idx"]]
        assert row.puzzle == puzzle["puzzle"] and row.solution == puzzle["solution"]
        boards, last = [], ""
        for text in puzzle["answers"]:
            boards.append(last := text or last)
        assert boards == answers.loc[puzzle["idx"], columns("answer")].tolist()


# --- before anything is loaded ---


def test_a_recorded_puzzle_stands_there_at_once_and_nothing_is_loaded(site, page, run):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    first = run.table[run.table.puzzle == typed(page)].iloc[0]
    final = read_trajectories(run.name).set_index("idx").answer_16[first.idx]
    assert shown(page) == final == first.solution
    assert "recorded with PyTorch" in said(page, "mode") and "solved" in said(page, "state")
    assert f"first at segment {first.halted_at}" in said(page, "state")
    page.evaluate(PAUSED_AT_3)
    segment = page.locator(".rrm-player").get_attribute("data-segment")
    page.wait_for_timeout(900)
    assert page.locator(".rrm-player").get_attribute("data-segment") == segment
    act(page, "Step")
    at(page, int(segment) + 1)
    assert page.get_by_role("button", name="Kick").is_disabled()
    assert not any("/model/" in url for url in asked)
    assert "Nothing has been loaded" in said(page, "about")
    assert page.complaints == []


def test_drawn_puzzles_are_told_apart_as_they_were_measured(player, run):
    table = run.table.set_index("idx")
    for kind, correct in (("failed", False), ("solved", True)):
        player.get_by_label("which recorded puzzle").select_option(kind)
        seen = set()
        for _ in range(4):
            act(player, "Draw")
            text = said(player, "origin")
            row = table.loc[int(re.search(r"puzzle (\d+)", text)[1])]
            assert row.correct == correct and typed(player) == row.puzzle
            assert ("failed" in text) == (not correct)
            seen.add(row.puzzle)
        assert len(seen) > 1
    act(player, "Scramble")
    assert "nothing was recorded" in said(player, "origin")
    assert player.get_by_role("button", name="Play").is_disabled()


def test_a_board_is_typed_by_keys_and_without_key_events(player):
    act(player, "Clear")
    player.get_by_label("row 1, column 1", exact=True).focus()
    for character in "53..7....":
        player.keyboard.press(character if character != "." else "Delete")
        player.keyboard.press("ArrowRight")
    assert typed(player) == "53..7...." + "." * 72
    for key, name in (
        ("ArrowLeft", "row 1, column 9"),
        ("ArrowDown", "row 2, column 9"),
        ("Home", "row 2, column 1"),
        ("ArrowUp", "row 1, column 1"),
        ("ArrowUp", "row 9, column 1"),
        ("End", "row 9, column 9"),
    ):
        player.keyboard.press(key)
        assert player.evaluate("document.activeElement.getAttribute('aria-label')") == name
    box = player.get_by_label("row 3, column 2", exact=True)
    for text, kept in (("x", "."), ("5", "5"), ("52", "2"), ("0", ".")):
        box.fill(text)
        assert typed(player)[19] == kept


def test_what_is_said_of_a_board_is_true(player, run, count_solutions):
    for name in ("Scramble", "Remove a given", "Remove a given", "Scramble"):
        act(player, name)
        board = sudoku.parse(typed(player))
        assert f"{(board > 0).sum()} given" in said(player)
        kinds = {0: "no solution", 1: "exactly one solution", 2: "more than one solution"}
        assert kinds[count_solutions(board)] in said(player)
    set_board(player, AMBIGUOUS)
    assert "more than one solution" in said(player) and "counts as solved" in said(player)
    set_board(player, CONTRADICTION)
    assert "no solution" in said(player) and "is wrong" in said(player)
    set_board(player, "4...4" + "." * 76)
    assert "4 stands twice in row 1" in said(player) and "is wrong" in said(player)
    assert player.locator("input.rrm-clash[aria-invalid='true']").count() == 2


def test_pasting_a_puzzle_a_drawn_grid_and_hostile_text(player, run):
    text = run.table.puzzle.iloc[11]
    player.evaluate(PASTE, text.replace(".", "0"))
    assert typed(player) == text
    grid = "\n".join(f"| {' '.join(text[r : r + 9])} |" for r in range(0, 81, 9))
    act(player, "Clear")
    player.evaluate(PASTE, f"+-------+\n{grid}\n+-------+")
    assert typed(player) == text
    for blank in "-_x":  # as files of puzzles have them
        act(player, "Clear")
        player.evaluate(PASTE, text.replace(".", blank))
        assert typed(player) == text
    for hostile in HOSTILE:
        player.evaluate(PASTE, hostile)
        assert typed(player) == text, hostile
        if hostile.strip():
            assert "expected 81" in said(player) and "unchanged" in said(player), hostile
        box = player.get_by_label("row 1, column 1", exact=True)
        box.evaluate(
            "(box, text) => { box.value = text; box.dispatchEvent(new Event('input')); }", hostile
        )
        assert re.fullmatch("[1-9.]{81}", typed(player)), hostile
        player.evaluate(PASTE, text)
    assert player.evaluate("window.stolen") is None
    assert player.locator(".rrm-player img").count() == 0


def test_every_control_has_a_name_and_the_keyboard_reaches_it(player):
    player.evaluate("document.querySelector('.rrm-player button').focus()")
    seen = []
    while player.evaluate("Boolean(document.activeElement.closest('.rrm-player'))"):
        seen.append(
            player.evaluate(
                """() => { const n = document.activeElement;
                return [n.getAttribute('aria-label') || n.textContent,
                n.matches(':focus-visible') && getComputedStyle(n).outlineStyle !== 'none']; }"""
            )
        )
        player.keyboard.press("Tab")
    assert [re.sub(r" \(.*", "", name) for name, _ in seen] == [
        "Load the model",
        "row 1, column 1",
        "which recorded puzzle",
        "Draw",
        "Scramble",
        "Remove a given",
        "Clear",
        "Play again",
        "Step",
    ]
    assert all(visible for _, visible in seen[1:])


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_it_fits_has_its_height_before_scripts_and_can_be_touched(site, browser, width):
    heights = []
    for scripts in (False, True):
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            java_script_enabled=scripts,
            has_touch=width < 500,
            reduced_motion="reduce",
        )
        page = context.new_page()
        page.goto((site / "index.html").as_uri())
        box = page.locator(".rrm-player").bounding_box()
        heights.append(box["height"])
        if not scripts:
            assert "589 of 1,024" in page.locator(".rrm-player").inner_text()
            context.close()
    assert heights[1] == pytest.approx(heights[0], abs=4)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('.rrm-player :is(button, select, input)')]
        .filter((n) => n.offsetWidth).map((n) => [n.offsetWidth, n.offsetHeight,
            parseFloat(getComputedStyle(n).fontSize)])"""
    )
    assert min(min(size[:2]) for size in sizes) >= 24
    if width < 500:
        assert min(size[2] for size in sizes) >= 16
    act(page, "Play again")  # calm readers get the end at once
    assert page.locator(".rrm-player[data-segment='16'][data-playing='false']").count() == 1
    context.close()


def test_a_saved_page_starts_again(site, page):
    page.goto((site / "index.html").as_uri())
    act(page, "Clear")
    saved = site / "saved.html"
    saved.write_text(page.content())
    page.goto(saved.as_uri())
    page.wait_for_selector(".rrm-player[data-live]")
    assert page.locator(".rrm-typed").count() == 1 and shown(page).count(".") == 0
    act(page, "Clear")
    assert typed(page) == "." * 81
    assert page.complaints == []


def test_the_address_keeps_the_board_and_believes_no_other_text(player):
    assert "?" not in player.url
    home = typed(player)
    set_board(player, AMBIGUOUS)
    player.reload()
    assert typed(player) == AMBIGUOUS and f"board={AMBIGUOUS}" in player.url
    address = player.url.split("?")[0]
    for wrong in ("board=<img src=x onerror=alert(1)>", "board=" + "9" * 80, "board="):
        player.goto(f"{address}?{wrong}")
        assert typed(player) == home


def test_a_missing_model_is_explained_and_can_be_tried_again(player):
    player.evaluate(
        "() => { window.real = rrm.load; "
        "rrm.load = () => Promise.reject(new Error('could not load x.js')); }"
    )
    act(player, "Load the model")
    player.wait_for_function(
        "document.querySelector('.rrm-about').textContent.includes('could not run')"
    )
    assert "could not load x.js" in said(player, "about") and "_static/rrm" in said(player, "about")
    assert player.get_by_role("button", name="Load the model").is_visible()
    assert "recorded" in said(player, "mode")


def test_loading_shows_its_progress_and_can_be_cancelled(player):
    player.evaluate("""() => { window.seen = []; const bar = document.querySelector('progress');
        new MutationObserver(() => window.seen.push([bar.value, bar.hidden, document
            .querySelector('.rrm-come').textContent])).observe(document
            .querySelector('.rrm-come'), {childList: true});
        const real = rrm.load; window.asked = 0;
        rrm.load = (path) => { window.asked++; return real(path).then(() =>
            path === 'model/5.js' && new Promise((go) => { window.release = go; })); }; }""")
    act(player, "Load the model")
    player.wait_for_function("Boolean(window.release)")
    assert player.get_by_role("button", name="Load the model").is_hidden()
    act(player, "Cancel")
    player.evaluate("release()")
    player.wait_for_timeout(300)
    seen, asked = player.evaluate("[window.seen, window.asked]")
    assert asked == 2 + 6  # the worker, what it must know, pieces 0 to 5
    values = [value for value, hidden, _ in seen if not hidden]
    assert values == sorted(values) and values[-1] == 5
    assert any(re.search(r"[\d.]+\sMB of 14\.\d\sMB", text) for *_, text in seen)
    assert "Nothing has been loaded" in said(player, "about")
    assert player.get_by_role("button", name="Load the model").is_visible()


def test_the_focus_stays_while_the_model_comes(player):
    focused = (
        "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    )
    player.get_by_role("button", name="Load the model").focus()
    player.keyboard.press("Enter")
    assert player.evaluate(focused) == "Cancel", "the button hides; the focus goes on"
    player.locator(".rrm-typed input").nth(4).focus()
    player.wait_for_selector(READY, timeout=180_000)
    assert player.evaluate(focused) == "row 1, column 5", "he types his board meanwhile"


# --- the model ---


def test_a_button_keeps_the_focus_while_a_segment_is_computed(model):
    button = model.get_by_role("button", name="Step", exact=True)
    button.focus()
    for t in (1, 2):
        model.keyboard.press("Enter")
        model.keyboard.press("Enter")  # computing: heard by nobody
        assert button.get_attribute("aria-disabled") == "true"
        model.wait_for_selector(f".rrm-player[data-segment='{t}'][data-busy=false]")
        assert model.evaluate("document.activeElement.textContent") == "Step"


@torch.no_grad()
def test_the_first_segment_is_pytorchs_and_then_the_same_boards(model, run):
    torchs = load_model(paths.run_dir(run.name))
    right = run.table[columns("correct")].sum(axis=1)
    quick = run.table[run.table.correct & (right == 14)].iloc[0]
    for row, segments in ((run.table[~run.table.correct].iloc[0], 1), (quick, 4)):
        set_board(model, row.puzzle)
        token = tokens(boards([row.puzzle]))
        x, z = torchs.embed(token), torchs.initial_state(token)
        for t in range(1, segments + 1):
            before, z = z, torchs.segment(z, x)
            step(model)
            logits, q = torchs.readout(z)
            answer = sudoku.to_text((logits.argmax(-1)[0].clamp(min=1) - 1).byte().numpy())
            assert shown(model) == answer
            if t == 1:
                found = state(model)
                assert apart(found[0], z[0]) < 1e-3 and apart(found[1], z[1]) < 1e-3
            record = model.evaluate("document.querySelector('.rrm-player').player.records.at(-1)")
            drift = float(torch.linalg.vector_norm(z[0] - before[0]))
            assert record["drift"] == pytest.approx(np.log10(drift), abs=0.01)
            assert record["halt"] == pytest.approx(float(q[0, 0]), abs=0.01)
    assert shown(model) == quick.solution
    assert "solved" in said(model, "state") and "not solved" not in said(model, "state")
    assert "live" in said(model, "mode") and "s a segment" in said(model, "speed")


STEP = """() => new Promise((done) => {
    const root = document.querySelector('.rrm-player'), before = root.dataset.segment;
    new MutationObserver((_, observer) => {
        if (root.dataset.segment === before || root.dataset.busy === 'true') return;
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => done(root.player.took.at(-1))));
    }).observe(root, {attributes: true});
    [...root.querySelectorAll('button')].find((button) => button.textContent === 'Step').click();
})"""


def test_the_page_stays_smooth_while_a_segment_is_computed(model):
    client = model.context.new_cdp_session(model)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})  # a loaded machine stops all

    def spent():
        found = client.send("Performance.getMetrics")["metrics"]
        return next(1000 * m["value"] for m in found if m["name"] == "TaskDuration")

    tasks, segments = [], []
    for _ in range(2):
        before = spent()
        segments.append(model.evaluate(STEP))
        tasks.append(spent() - before)
    print(tasks, segments)
    assert min(tasks) < 60  # of the page's own thread, all its tasks together
    assert min(segments) > 3 * min(tasks)


def test_a_kick_is_noise_of_the_size_asked_for_and_a_new_start_draws_another(model):
    noises = []
    for size in (0.3, 0.3, 1):
        act(model, "Scramble")
        before = state(model)
        model.get_by_label("size of the kick").select_option(str(size))
        act(model, "Kick")
        assert "Kicked after segment 0" in said(model, "speed")
        after = state(model)
        for old, new in zip(before, after, strict=True):
            noise = (new - old) / (size * old.square().mean().sqrt())
            assert abs(float(noise.mean())) < 0.03
            assert float(noise.std()) == pytest.approx(1, abs=0.02)
        noises.append(noise.flatten().numpy())
        assert f"noise of {size} times the state's" in said(model, "state")
        inside = "(line => line.x1.baseVal.value >= 30 && line.x1.baseVal.value <= 242)"
        assert model.locator(".rrm-kick").evaluate_all(f"lines => lines.every({inside})")
    assert abs(np.corrcoef(noises)[0, 1]) < 0.03
    act(model, "Start again")
    assert torch.equal(state(model)[0], before[0])
    assert "Kicked" not in said(model, "speed")


def test_what_is_no_digit_and_what_cannot_be_removed_are_told(player):
    cell = player.locator(".rrm-typed input").nth(40)
    cell.evaluate("c => { c.value = 'é'; c.dispatchEvent(new Event('input')); }")
    assert "“é” is no digit" in said(player) and cell.input_value() == ""
    cell.evaluate("c => { c.value = '7'; c.dispatchEvent(new Event('input')); }")
    assert "no digit" not in said(player) and cell.input_value() == "7"
    act(player, "Clear")
    act(player, "Remove a given")
    assert "no given to remove" in said(player)


def test_a_board_that_cannot_be_solved_is_run_and_judged(model):
    set_board(model, CONTRADICTION)
    step(model)
    assert "no solution" in said(model) and "not solved" in said(model, "state")
    assert re.search(r"\d+ clashes", said(model, "state"))
    assert model.locator(".rrm-answer td.rrm-wrong").count() == 0  # no solution to compare with
    assert "PyTorch" not in said(model, "speed")


def test_a_run_can_be_paused_and_an_edit_drops_what_is_under_way(model):
    act(model, "Run to 16")
    model.wait_for_selector(".rrm-player[data-busy='true']")
    act(model, "Pause")
    at(model, 1)
    act(model, "Run to 16")
    model.wait_for_selector(".rrm-player[data-busy='true']")
    act(model, "Clear")
    assert model.locator(".rrm-player").get_attribute("data-segment") == "0"
    set_board(model, AMBIGUOUS)
    step(model)
    assert model.evaluate("document.querySelector('.rrm-player').player.records.length") == 1
    assert shown(model)[:8] == AMBIGUOUS[:8]


def test_a_worker_that_dies_leaves_the_recordings(site, page):
    page.goto((site / "index.html").as_uri())
    page.evaluate(
        "() => { const real = rrm.load; rrm.load = (path) => real(path).then(() => { "
        "if (path === 'model/worker.js') rrm.pieces.worker = 'self.onmessage = () => { throw new "
        'Error("out of memory"); };\'; }); }'
    )
    act(page, "Load the model")
    page.wait_for_function("document.querySelector('.rrm-about').textContent.includes('memory')")
    assert page.get_by_role("button", name="Play").is_enabled()


# --- the rules ---


@pytest.fixture
def bare(page):
    page.goto("about:blank")
    page.add_script_tag(content=embed.static_text("puzzle.js"))
    return page


@pytest.mark.parametrize("side", [4, 6, 9])
def test_rules_are_those_of_rrm_core(bare, side, count_solutions):
    puzzles, solutions = sudoku.generate(side, 60, seed=5)
    rng = np.random.default_rng(side)
    cases = [*puzzles[:20], *solutions[:3]]
    for puzzle in puzzles[20:40]:  # fewer givens: often more than one solution
        some = puzzle.copy()
        some[rng.choice(np.flatnonzero(puzzle), 2, replace=False)] = 0
        cases.append(some)
    for puzzle in puzzles[40:]:  # one digit changed: often a clash or no solution
        some = puzzle.copy()
        some[rng.integers(side * side)] = rng.integers(1, side + 1)
        cases.append(some)
    found = bare.evaluate(
        "([list, side]) => list.map(b => [rrm.sudoku.solutions(b, side, 2), "
        "rrm.sudoku.clashes(b, side)])",
        [[c.tolist() for c in cases], side],
    )
    seen = set()
    for case, (solved, clashes) in zip(cases, found, strict=True):
        expected = count_solutions(case)
        assert solved["count"] == expected
        seen.add(expected)
        if expected == 1:
            assert solved["first"] == sudoku.solve(case)["solution"].tolist()
        try:
            sudoku.check(case)
            assert clashes == []
        except sudoku.SudokuError as error:
            stands = f"digit {clashes[0]['digit']} stands twice in {clashes[0]['where']}"
            assert stands in str(error)
    assert seen == {0, 1, 2}


def test_the_hard_puzzles_are_counted_within_the_guesses(bare, run):
    some = run.table.sample(200, random_state=1)
    found = bare.evaluate(
        "list => list.map(t => rrm.sudoku.solutions(rrm.sudoku.parse(t), 9, 2))",
        some.puzzle.tolist(),
    )
    assert {f["count"] for f in found} == {1}
    assert ["".join(map(str, f["first"])) for f in found] == some.solution.tolist()


@pytest.mark.parametrize("side", [4, 6, 9])
def test_scrambling_is_a_symmetry(bare, side):
    puzzles, _ = sudoku.generate(side, 5, seed=2)
    for puzzle in puzzles:
        images = np.array(
            bare.evaluate(
                "([b, side]) => [1, 2, 3].map(() => rrm.sudoku.scramble(b, side))",
                [puzzle.tolist(), side],
            )
        )
        assert (canonical(images) == canonical(puzzle)).all()
        assert (images != puzzle).any()


# --- in a notebook ---


def test_a_notebook_output_plays_the_recordings(page, run, monkeypatch):
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    monkeypatch.setattr(embed, "_sent", {})
    html = inpage.player(run).html
    assert len(html) < 200_000
    page.set_content(f"{HEAD}</head><body>{html}</body></html>")
    act(page, "Play again")
    page.wait_for_selector(".rrm-player[data-playing='true']")
    assert page.complaints == []
