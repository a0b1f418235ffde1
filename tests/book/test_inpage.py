"""A model in the page: its forward pass against PyTorch's, its rules, the player in Chromium."""

import base64
import json
import re

import numpy as np
import pytest
import torch
from rrm_companion import embed, inpage

from rrm_core.dynamics.rollout import unroll
from rrm_core.models.recursive import tokens
from rrm_core.models.weights import load_model
from rrm_core.runs.tables import SEGMENTS
from rrm_core.store import paths
from rrm_core.store.files import sha256
from rrm_core.sudoku import board as sudoku
from rrm_core.sudoku.symmetry import canonical

NAMES = ("trm-6x6", "hrm-6x6")  # the runs of the page
HEAD = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>player</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
)


def encoded(array):
    """base64 of a tensor or array as float32, little endian."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode()


def boards(texts):
    return np.stack([sudoku.parse(text) for text in texts])


@pytest.fixture(scope="module")
def site(tmp_path_factory, runs):
    """A page like the book's: scripts and weights beside it, nothing loaded from elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    static = folder / "_static" / "rrm"
    chosen = [runs[name] for name in NAMES]
    inpage.write_static(static, chosen)
    (static / "charts.js").write_text(embed.static_text("charts.js"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RRM_PUBLISH", "1")
        html = inpage.player(chosen).html
    scripts = "".join(
        f'<script src="_static/rrm/{name}"></script>' for name in ("charts.js", *inpage.SCRIPTS)
    )
    (folder / "index.html").write_text(
        f'{HEAD}<link rel="stylesheet" '
        f'href="_static/rrm/player.css">{scripts}</head><body><main>{html}</main></body></html>'
    )
    return folder


@pytest.fixture
def player(site, page):
    """The page with the first model loaded by its button."""
    page.goto((site / "index.html").as_uri())
    page.get_by_role("button", name="Load trm-6x6").click()
    page.wait_for_selector(".rrm-player[data-ready='trm-6x6']")
    yield page
    assert page.complaints == []


def act(page, name):
    page.get_by_role("button", name=name).click()


def run_to(page, segment, name="Run to 16"):
    act(page, name)
    page.wait_for_selector(
        f".rrm-player[data-segment='{segment}'][data-playing='false']", timeout=120_000
    )


def shown(page, lane=0):
    """The digits of a lane's board, '.' for none."""
    cells = page.locator(".rrm-answer").nth(lane).locator("td").all_inner_texts()
    return "".join(c if c.isdigit() else "." for c in cells)


def typed(page):
    return page.evaluate("document.querySelector('.rrm-player').player.board")


def set_board(page, text):
    page.evaluate(
        "text => document.querySelector('.rrm-player').player.setBoard(rrm.sudoku.parse(text))",
        text,
    )


# --- the forward pass ---


@pytest.mark.parametrize("name", NAMES)
def test_weights_travel_unchanged(runs, name):
    sent = inpage.payload(runs[name])
    data, at = np.frombuffer(base64.b64decode(sent["data"]), "<f4"), 0
    model = load_model(paths.run_dir(name))
    assert {n for n, _ in sent["tensors"]} == set(model.state_dict())
    for tensor, shape in sent["tensors"]:
        size = int(np.prod(shape))
        np.testing.assert_array_equal(
            data[at : at + size].reshape(shape), model.state_dict()[tensor].numpy()
        )
        at += size
    assert at == len(data)
    assert (
        sent["sha256"]
        == sha256(paths.run_dir(name) / "model.safetensors")
        == runs[name].meta["files"]["model.safetensors"]
    )
    assert inpage.size(name) == len(sent["data"])


SEGMENT = """([run, token, h, l]) => {
    rrm.tested = rrm.tested || {};
    const model = (rrm.tested[run] = rrm.tested[run] || rrm.model(rrm.weights[run]));
    const bytes = (text) => new Float32Array(Uint8Array.from(atob(text),
        (c) => c.charCodeAt(0)).buffer);
    const state = model.segment({h: bytes(h), l: bytes(l)}, model.embed(token)),
        read = model.readout(state);
    return {h: [...state.h], l: [...state.l], logits: [...read.logits], q: read.q,
        halts: model.halts(read), schedule: model.schedule};
}"""
UNROLL = """([run, token]) => {
    const model = rrm.tested[run] = rrm.tested?.[run] || rrm.model(rrm.weights[run]),
        x = model.embed(token);
    let state = model.start();
    for (let t = 0; t < 16; t++) state = model.segment(state, x);
    return model.readout(state).answer;
}"""


@pytest.fixture
def bare(page, site):
    """A page with the calculation alone."""
    page.goto("about:blank")
    for name in ("puzzle.js", "model.js", *(f"model/{run}.js" for run in NAMES)):
        page.add_script_tag(path=site / "_static" / "rrm" / name)
    page.evaluate("rrm.tested = {}")
    return page


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_every_segment_from_pytorchs_state_agrees(bare, runs, name):
    model = load_model(paths.run_dir(name))
    table = runs[name].table
    chosen = [*table[table.correct].head(4).puzzle, *table[~table.correct].head(4).puzzle]
    token = tokens(boards(chosen))
    x, state = model.embed(token), model.initial_state(len(token))
    for _ in range(SEGMENTS):
        before, state = state, model.segment(state, x)
        logits, q = model.readout(state)
        halts = model.would_halt(q)
        for b in range(len(token)):
            found = bare.evaluate(
                SEGMENT, [name, token[b].tolist(), encoded(before[0][b]), encoded(before[1][b])]
            )
            assert found["schedule"] == model.schedule
            for key, expected in (("h", state[0]), ("l", state[1]), ("logits", logits), ("q", q)):
                np.testing.assert_allclose(
                    found[key], expected[b].flatten().numpy(), rtol=0, atol=1e-3
                )
            assert (
                found["halts"] == halts[b]
                or abs(float(q[b, 0] - (q[b, 1] if name.startswith("hrm") else 0))) < 1e-3
            )


@pytest.mark.parametrize("name", NAMES)
def test_free_running_boards_agree_on_every_solved_puzzle(bare, runs, name):
    table = runs[name].table.head(100)
    token, solution = tokens(boards(table.puzzle)), boards(table.solution).astype(int) + 1
    answers = unroll(load_model(paths.run_dir(name)), token, k=0).answer[:, -1].numpy()
    solved = np.flatnonzero((answers == solution).all(1))
    assert len(solved) > 20
    different = [
        int(table.idx.iloc[b])
        for b in solved
        if bare.evaluate(UNROLL, [name, token[b].tolist()]) != answers[b].tolist()
    ]
    assert different == []


def test_noise_is_gaussian_seeded_and_of_the_size_asked_for(bare):
    start = (
        "([sigma, seed]) => { const m = rrm.tested.m || rrm.model(rrm.weights['trm-6x6']); "
        "rrm.tested.m = m; const s = m.start(sigma, seed); return [[...s.h], [...s.l]]; }"
    )
    rest, one, again, other = (
        np.array(bare.evaluate(start, v)) for v in ([0, 0], [0.1, 7], [0.1, 7], [0.1, 8])
    )
    model = load_model(paths.run_dir("trm-6x6"))
    np.testing.assert_array_equal(
        rest.reshape(2, -1), np.stack([z.flatten().numpy() for z in model.initial_state(1)])
    )
    noise = (one - rest).ravel() / 0.1
    assert abs(noise.mean()) < 5 / np.sqrt(noise.size)
    assert abs(noise.std() - 1) < 0.04
    assert 2.5 < np.abs(noise).max() < 6
    assert abs(np.corrcoef(noise[:-1], noise[1:])[0, 1]) < 0.05
    np.testing.assert_array_equal(one, again)
    assert np.corrcoef(noise, (other - rest).ravel())[0, 1] < 0.05


def test_a_damaged_sidecar_is_refused_by_name(bare):
    message = bare.evaluate(
        "() => { try { rrm.model({...rrm.weights['trm-6x6'], data: btoa('12345678')}); } "
        "catch (error) { return error.message; } }"
    )
    assert "trm-6x6" in message and "8 bytes" in message and "expected" in message


# --- the rules ---


@pytest.mark.parametrize("side", [4, 6, 9])
def test_rules_are_those_of_rrm_core(bare, side):
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
        expected = sudoku.count_solutions(case)
        assert solved["count"] == expected
        seen.add(expected)
        if expected == 1:
            assert solved["first"] == sudoku.solve(case)["solution"].tolist()
        try:
            sudoku.check(case)
            assert clashes == []
        except sudoku.SudokuError as error:
            assert f"digit {clashes[0]['digit']} stands twice in {clashes[0]['where']}" in str(
                error
            )
    assert seen == {0, 1, 2}


@pytest.mark.parametrize("side", [4, 6, 9])
def test_scrambling_is_a_symmetry(bare, side):
    puzzles, _ = sudoku.generate(side, 5, seed=2)
    for puzzle in puzzles:
        images = np.array(
            bare.evaluate(
                "([b, side]) => [1, 2, 3].map(s => rrm.sudoku.scramble(b, side, rrm.uniform(s)))",
                [puzzle.tolist(), side],
            )
        )
        assert (canonical(images) == canonical(puzzle)).all()
        assert (images != puzzle).any()


# --- the player ---


def test_nothing_is_loaded_before_the_button(site, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.wait_for_selector(".rrm-player[data-live]")
    assert not any("/model/" in url for url in asked)
    assert "Nothing has been loaded" in page.locator(".rrm-player").inner_text()
    act(page, "Load trm-6x6")
    page.wait_for_selector(".rrm-player[data-ready='trm-6x6']")
    assert [url for url in asked if "/model/" in url] == [
        (site / "_static/rrm/model/trm-6x6.js").as_uri()
    ]
    assert page.complaints == []


def test_a_typed_puzzle_gives_pytorchs_board(player, runs):
    row = runs["trm-6x6"].table[runs["trm-6x6"].table.correct].iloc[3]
    act(player, "Clear")
    player.get_by_label("row 1, column 1", exact=True).focus()
    for i, character in enumerate(row.puzzle):
        player.keyboard.press(character if character != "." else "Delete")
        if (i + 1) % 6:
            player.keyboard.press("ArrowRight")
        else:
            player.keyboard.press("Home")
            player.keyboard.press("ArrowDown")
    assert typed(player) == row.puzzle
    assert "exactly one solution" in player.locator(".rrm-check").inner_text()
    run_to(player, 16)
    answer = (
        unroll(load_model(paths.run_dir("trm-6x6")), tokens(boards([row.puzzle])), k=0)
        .answer[0, -1]
        .numpy()
        - 1
    )
    assert shown(player) == sudoku.to_text(answer.astype(np.uint8)) == row.solution
    state = player.locator(".rrm-state").inner_text()
    assert "solved" in state and "not solved" not in state
    late = float(re.search(r"late drift of 13–16: (−?[\d.]+)", state)[1].replace("−", "-"))
    drift = row[[f"drift_h_{t}" for t in range(13, 17)]].astype(float).mean()
    assert abs(late - np.log10(drift)) < 0.05
    first = re.search(r"would halt · (?:first at segment (\d+)|now)", state)
    assert (int(first[1]) if first and first[1] else 16 if first else 0) == row.halted_at


def test_a_clash_is_named_and_the_model_waits(player):
    act(player, "Clear")
    for column in (1, 5):
        player.get_by_label(f"row 2, column {column}", exact=True).focus()
        player.keyboard.press("4")
    message = player.locator(".rrm-check").inner_text()
    assert "4 stands twice in row 2" in message and "blank one" in message
    assert player.locator("input.rrm-clash[aria-invalid='true']").count() == 2
    assert (
        player.get_by_role("button", name="Run to 16").is_disabled()
        and player.get_by_role("button", name="Step").is_disabled()
    )
    player.keyboard.press("Backspace")
    assert "more than one solution" in player.locator(".rrm-check").inner_text()
    assert player.get_by_role("button", name="Run to 16").is_enabled()
    set_board(player, "12345." + ".....6" + "." * 24)  # no digit clashes, and yet nothing fits
    assert "no solution" in player.locator(".rrm-check").inner_text()


def test_pasting_a_puzzle_and_a_broken_one(player, runs):
    text = runs["trm-6x6"].table.puzzle.iloc[11]
    paste = """text => { const data = new DataTransfer(); data.setData('text', text);
        document.querySelector('.rrm-typed input').dispatchEvent(
            new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}));
        }"""
    player.evaluate(paste, text)
    assert typed(player) == text
    player.evaluate(paste, text[:-1] + "9")
    assert typed(player) == text
    message = player.locator(".rrm-check").inner_text()
    assert "“9”" in message and "expected 36" in message and "unchanged" in message


def test_phones_type_without_key_events(player):
    act(player, "Clear")
    box = player.get_by_label("row 3, column 2", exact=True)
    box.fill("7")
    assert typed(player) == "." * 36 and box.input_value() == ""
    box.fill("5")
    assert typed(player)[13] == "5"
    box.fill("52")
    assert typed(player)[13] == "2"


def test_drawn_puzzles_are_told_apart_as_they_were_measured(player, runs):
    table = runs["trm-6x6"].table.set_index("idx")
    for kind, correct in (("failed", False), ("solved", True)):
        player.get_by_label("which held-out puzzle").select_option(kind)
        seen = set()
        for _ in range(4):
            act(player, "Draw")
            text = player.locator(".rrm-origin").inner_text()
            row = table.loc[int(re.search(r"puzzle (\d+)", text)[1])]
            assert row.correct == correct and typed(player) == row.puzzle
            assert ("failed" in text) == (not correct)
            seen.add(row.puzzle)
        assert len(seen) > 1
    act(player, "Scramble")
    assert "not measured" in player.locator(".rrm-origin").inner_text()


def test_an_outcome_that_no_puzzle_has_is_said_and_the_board_stays(player):
    player.evaluate(
        "() => { const w = rrm.weights['trm-6x6']; w.puzzles = w.puzzles.filter((p) => "
        "p.correct); }"
    )
    before = typed(player)
    player.get_by_label("which held-out puzzle").select_option("failed")
    act(player, "Draw")
    assert (
        "None of the puzzles of trm-6x6 that came along is failed; the board is unchanged."
        in player.locator(".rrm-origin").inner_text()
        and typed(player) == before
    )
    player.get_by_label("which held-out puzzle").select_option("solved")
    act(player, "Draw")
    assert "solved" in player.locator(".rrm-origin").inner_text()


def test_what_is_said_about_solutions_is_true(player):
    for name in ("Scramble", "Remove a given", "Remove a given", "Remove a given", "Scramble"):
        act(player, name)
        board = sudoku.parse(typed(player))
        said = player.locator(".rrm-check").inner_text()
        assert f"{(board > 0).sum()} given" in said
        assert {0: "no solution", 1: "exactly one solution", 2: "more than one solution"}[
            sudoku.count_solutions(board)
        ] in said


@torch.no_grad()
def test_noise_adds_a_lane_that_the_seed_repeats(player, runs):
    run = runs["trm-6x6"]
    set_board(player, run.table[~run.table.correct].puzzle.iloc[0])
    player.get_by_label("noise on the start").select_option("0.3")
    state = "() => document.querySelector('.rrm-player').player.lanes.map(l => [...l.state.h])"

    def after(seed, segments):
        player.get_by_label("seed of the noise").fill(str(seed))
        player.get_by_label("seed of the noise").press("Enter")
        before = player.evaluate(
            "() => document.querySelector('.rrm-player').player.lanes.map(l => "
            "[[...l.state.h], [...l.state.l]])"
        )
        for _ in range(segments):
            act(player, "Step")
        return before, np.array(player.evaluate(state))

    before, first = after(5, 1)
    assert player.locator(".rrm-answer").count() == 2
    model = load_model(paths.run_dir("trm-6x6"))
    start = tuple(torch.tensor([lane[part] for lane in before]).view(2, 37, 96) for part in (0, 1))
    token = tokens(boards([typed(player)] * 2))
    z_h, _ = model.segment(start, model.embed(token))
    np.testing.assert_allclose(first, z_h.flatten(1).numpy(), rtol=0, atol=1e-3)
    other, repeated = after(6, 1)[1], after(5, 1)[1]
    np.testing.assert_array_equal(first, repeated)
    np.testing.assert_array_equal(first[0], other[0])
    assert np.abs(first[1] - other[1]).max() > 1e-3
    apart = float(
        re.search(r"two z_H are ([\d.]+) apart", player.locator(".rrm-speed").inner_text())[1]
    )
    assert abs(apart - np.linalg.norm(first[0] - first[1])) < 2e-3


PAUSED_AT_3 = """() => new Promise((done) => {
    const root = document.querySelector('.rrm-player');
    const press = (name) => [...root.querySelectorAll('button')]
        .find((button) => button.textContent === name).click();
    new MutationObserver((_, observer) => {
        if (root.dataset.segment === '3') { observer.disconnect(); press('Pause'); done(); }
    }).observe(root, {attributes: true});
    press('Run to 16');
})"""  # in the page: a loaded machine would miss the segment from outside


def test_run_pause_step_reset_and_on_to_64(player):
    act(player, "Step")
    assert player.locator(".rrm-clock").inner_text() == "segment 1 of 16"
    player.evaluate(PAUSED_AT_3)
    segment = player.locator(".rrm-player").get_attribute("data-segment")
    player.wait_for_timeout(600)
    assert player.locator(".rrm-player").get_attribute("data-segment") == segment
    run_to(player, 16)
    announced = player.locator(".rrm-hidden").inner_text()
    assert announced.startswith("Segment 16.")
    run_to(player, 64, "Run on to 64")
    assert player.get_by_role("button", name="Run on to 64").is_disabled()
    assert "drift of 61–64" in player.locator(".rrm-state").inner_text()
    assert all(
        "none yet" not in label
        for label in player.locator(".rrm-plot svg").evaluate_all(
            "list => list.map(s => s.getAttribute('aria-label'))"
        )
    )
    act(player, "Reset")
    assert player.locator(".rrm-clock").inner_text() == "start state"


def test_the_other_model_is_loaded_apart_and_says_that_it_has_no_band(player):
    board = typed(player)
    player.get_by_label("model", exact=True).first.select_option("hrm-6x6")
    assert not player.locator(".rrm-body").is_visible()
    act(player, "Load hrm-6x6")
    player.wait_for_selector(".rrm-player[data-ready='hrm-6x6']")
    assert typed(player) == board
    run_to(player, 16)
    assert "no settled band" in player.locator(".rrm-state").inner_text()
    assert "q_halt − q_continue" in player.locator(".rrm-plots").inner_text()
    player.get_by_label("model", exact=True).first.select_option("trm-6x6")
    assert player.locator(".rrm-body").is_visible()


def test_every_control_has_a_name_and_the_keyboard_reaches_it(player):
    seen = []
    player.evaluate("document.querySelector('.rrm-player select').focus()")
    for _ in range(20):
        seen.append(
            player.evaluate(
                """() => { const n = document.activeElement;
                return [n.getAttribute('aria-label') || n.textContent,
                n.matches(':focus-visible') && getComputedStyle(n).outlineStyle !== 'none']; }"""
            )
        )
        player.keyboard.press("Tab")
        if not player.evaluate("Boolean(document.activeElement.closest('.rrm-player'))"):
            break
    names = [name for name, _ in seen]
    assert names == [
        "model",
        "row 1, column 1",
        "which held-out puzzle",
        "Draw",
        "Scramble",
        "Clear",
        "Remove a given",
        "Run to 16",
        "Step",
        "noise on the start state, sigma",
        "seed of the noise",
    ]
    assert all(visible for _, visible in seen)
    player.get_by_label("row 1, column 1", exact=True).focus()
    for key, name in (
        ("ArrowLeft", "row 1, column 6"),
        ("ArrowDown", "row 2, column 6"),
        ("Home", "row 2, column 1"),
        ("ArrowUp", "row 1, column 1"),
        ("ArrowUp", "row 6, column 1"),
        ("End", "row 6, column 6"),
    ):
        player.keyboard.press(key)
        assert player.evaluate("document.activeElement.getAttribute('aria-label')") == name


def test_a_phone_is_wide_enough_and_calm_readers_get_the_end_at_once(site, browser):
    context = browser.new_context(viewport={"width": 360, "height": 740}, reduced_motion="reduce")
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    act(page, "Load trm-6x6")
    page.wait_for_selector(".rrm-player[data-ready='trm-6x6']")
    page.get_by_label("noise on the start").select_option("0.1")
    page.evaluate(
        "window.painted = 0; new MutationObserver(() => "
        "window.painted++).observe(document.querySelector('.rrm-plots'), {childList: true})"
    )
    run_to(page, 16)
    assert page.evaluate("window.painted") == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    context.close()


def test_a_missing_sidecar_is_explained(site, page):
    page.goto((site / "index.html").as_uri())
    page.evaluate("void (rrm.load = () => Promise.reject(new Error('could not load x.js')))")
    act(page, "Load trm-6x6")
    page.wait_for_function(
        "document.querySelector('.rrm-player').innerText.includes('could not start')"
    )
    assert "_static/rrm/model" in page.locator(".rrm-player").inner_text()


# --- what carries it ---


def test_without_scripts_there_is_a_text(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((site / "index.html").as_uri())
    text = page.locator(".rrm-player").inner_text()
    assert "trm-6x6" in text and "1,770 of 2,048" in text and "no settled band" in text
    context.close()


def test_a_notebook_output_carries_everything(page, runs, monkeypatch):
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    monkeypatch.setattr(embed, "_sent", set())
    html = inpage.player([runs["trm-6x6"]]).html
    assert len(html) < 1.3e6
    page.set_content(f"{HEAD}</head><body>{html}</body></html>")
    assert page.evaluate("Object.keys(rrm.weights).length") == 0
    act(page, "Load trm-6x6")
    act(page, "Step")
    assert page.locator(".rrm-player").get_attribute("data-segment") == "1"
    assert page.complaints == []


def test_runs_that_cannot_travel_are_refused(runs, data_copy, root):
    folder = data_copy / "runs" / "mine"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    assert not inpage.runnable("mine")
    with pytest.raises(inpage.InPageError, match=r"'mine' ships no model\.safetensors"):
        inpage.tensors("mine")
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(4, np.float16)}, folder / "model.safetensors")
    with pytest.raises(inpage.InPageError, match="float16, expected float32"):
        inpage.tensors("mine")
    save_file({"a": np.zeros(inpage.LIMIT // 2, np.float32)}, folder / "model.safetensors")
    assert not inpage.runnable("mine")
    with pytest.raises(inpage.InPageError, match="expected at most"):
        inpage.tensors("mine")
    with pytest.raises(inpage.InPageError, match="at least one run"):
        inpage.player([])


def test_examples_are_of_both_outcomes_and_repeatable(runs):
    chosen = inpage.examples(runs["hrm-6x6"])
    assert sum(p["correct"] for p in chosen) == len(chosen) / 2 == inpage.EACH
    assert chosen == inpage.examples(runs["hrm-6x6"])
    table = runs["hrm-6x6"].table.set_index("idx")
    assert all(
        table.loc[p["idx"], "puzzle"] == p["puzzle"]
        and bool(table.loc[p["idx"], "correct"]) == p["correct"]
        for p in json.loads(json.dumps(chosen))
    )
