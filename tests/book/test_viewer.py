"""The explorer and the trajectory viewer in Chromium, without a network, against rrm_core."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from rrm_companion import kernel, pagedata, widgets

from rrm_core.analysis import cells, fates, stats
from rrm_core.runs import tables

CELLS = "ABCD"


@pytest.fixture(scope="session")
def site(runs, tmp_path_factory):
    """A page with explorer and viewer of every shipped run, scripts and sidecars as in the book."""
    from rrm_companion.embed import COMPONENTS, STYLES

    folder = tmp_path_factory.mktemp("site")
    patch = pytest.MonkeyPatch()
    patch.setenv("RRM_PUBLISH", "1")
    widgets.write_static(folder / "_static" / "rrm")
    for run in runs.values():
        widgets.write_sidecars(folder / "_static" / "rrm", run)
    shown = sorted(
        runs.values(), key=lambda run: run.name != "trm-6x6"
    )  # the run that most tests look at comes first
    shown = {run.name: run for run in shown}
    body = widgets.explorer(shown).html + widgets.viewer(shown).html
    patch.undo()
    head = "".join(f'<script src="_static/rrm/{n}"></script>' for n in COMPONENTS) + "".join(
        f'<link rel="stylesheet" href="_static/rrm/{n}">' for n in STYLES
    )
    (folder / "index.html").write_text(
        f'<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f"<title>t</title>{head}</head><body><main>{body}</main></body></html>"
    )
    return folder / "index.html"


def opened(page, site):
    """`page` with both components live and the viewer filled."""
    page.goto(site.as_uri())
    page.wait_for_function(
        "[...document.querySelectorAll('.rrm-explorer, .rrm-viewer')]"
        ".every(f => f.dataset.live === 'yes')",
    )
    settle(page)
    return page


@pytest.fixture
def live(site, page):
    """The page, opened for one test."""
    return opened(page, site)


@pytest.fixture(scope="module")
def functions(site, offline):
    """The page, opened once for all tests that only call its functions."""
    found = opened(offline(), site)
    yield found
    found.context.close()


def settle(page):
    """Wait until the viewer has followed the explorer and shows four panels."""
    page.wait_for_function(
        """() => { const e = document.querySelector('.rrm-explorer').explorer;
        const v = document.querySelector('.rrm-viewer');
        return v.viewer.tau === e.tau && v.dataset.filled === e.run + ' ' + e.tau; }""",
    )


def move(page, tau):
    page.evaluate("t => document.querySelector('.rrm-explorer').explorer.move(t)", tau)


def thresholds(values):
    """200 thresholds over all quantiles, the extremes beyond and values that are met exactly."""
    many = np.unique(
        [
            *np.quantile(values, np.linspace(0, 1, 180)),
            *values[::20][:50],
            *np.linspace(values.min() - 1, values.max() + 1, 10),
        ]
    )
    return many[np.linspace(0, len(many) - 1, 200).round().astype(int)]


# --- the explorer ---


def test_auc_and_interval_are_those_of_stats(functions, runs):
    for name, run in runs.items():
        score, correct = -run.table.lambda_1.to_numpy("float64"), run.table.correct.to_numpy()
        unit = stats.units(run.table)
        for state in cells.STATES:
            values = cells.late_drift(run.table, state)
            taus = thresholds(values)
            assert len(np.unique(taus)) == 200 and np.isin(taus, values).sum() > 20
            functions.evaluate("name => rrm.rowsFor(name)", name)
            found = functions.evaluate(
                "([run, state, taus]) => taus.map(t => rrm.auc(rrm.rows[run], state, t))",
                [name, state, taus.tolist()],
            )
            measured = 0
            for tau, got in zip(taus, found, strict=True):
                out = values >= tau
                expected = stats.auc(score[out], correct[out], unit[out])
                if np.isnan(expected.value):
                    assert got["value"] is None
                    continue
                measured += 1
                assert got["value"] == pytest.approx(expected.value, abs=1e-12), (name, state, tau)
                assert [got["low"], got["high"]] == pytest.approx(
                    [expected.low, expected.high], abs=1e-9
                ), (name, state, tau)
            assert measured > 100


def test_the_settled_share_and_its_interval_are_those_of_stats(functions, runs):
    """Over solution grids where puzzles share one, as the two models of the published sizes do."""
    shared = []
    for name, run in runs.items():
        failed, unit = ~run.table.correct.to_numpy(), stats.units(run.table)
        values = cells.late_drift(run.table)
        taus = thresholds(values[failed])[::4]
        functions.evaluate("name => rrm.rowsFor(name)", name)
        script = "([run, taus]) => taus.map(t => rrm.settledFailures(rrm.rows[run], 'h', t))"
        for tau, got in zip(taus, functions.evaluate(script, [name, taus.tolist()]), strict=True):
            expected = stats.share(values[failed] < tau, unit[failed])
            assert [got["low"], got["high"]] == pytest.approx(
                [expected.low, expected.high], abs=1e-9
            ), (name, tau)
            assert got["grids"] == len(np.unique(unit[failed]))
        shared += [name] * bool(stats.repeated(unit[failed]))
    assert {"hrm-9x9-brief", "trm-9x9-brief"} <= set(shared) and len(shared) < len(runs)


@pytest.mark.parametrize(
    "k, n",
    [(0, 1), (1, 1), (0, 254), (0, 278), (12, 278), (278, 278), (7, 4900), (7.3, 4900.5)],
)
def test_the_exact_interval_of_the_page_is_clopper_pearson(k, n, functions):
    got = functions.evaluate("([k, n]) => rrm.stats.exact(k, n)", [k, n])
    expected = [float(bound) for bound in stats.clopper_pearson(k, n)]
    assert got == pytest.approx(expected, abs=1e-12)


def test_the_bound_of_none_of_the_papers_254_failures(functions):
    assert functions.evaluate("rrm.stats.zeroBound(254)") == pytest.approx(0.0117, abs=5e-5)


def test_auc_counts_ties_half_and_knows_its_edges(functions):
    rng = np.random.default_rng(0)
    script = """([l, y, d, tau]) => rrm.auc(
        {n: l.length, lambda_1: l, states: {h: {late: d, correct: y}}}, 'h', tau)"""
    for tied in (2, 5, 60):
        score, correct, late = (
            rng.integers(0, tied, 60),
            rng.integers(0, 2, 60),
            rng.normal(size=60),
        )
        for tau in (-9.0, 0.0, 1.0):
            got, out = (
                functions.evaluate(script, [score.tolist(), correct.tolist(), late.tolist(), tau]),
                late >= tau,
            )
            expected = stats.auc(-score[out], correct[out])
            assert got["value"] == pytest.approx(expected.value, abs=1e-12) and [
                got["low"],
                got["high"],
            ] == pytest.approx([expected.low, expected.high], abs=1e-9)
    for score, correct in (
        ([1, 2, 3, 4], [1, 1, 0, 0]),
        ([1, 2, 3, 4], [0, 0, 1, 1]),
        ([1, 2, 3], [0, 1, 1]),
        ([2, 1, 3], [0, 1, 1]),
        ([7] * 9, [1, 1, 1, 1, 0, 0, 0, 0, 0]),  # every score equal
    ):
        got, expected = (
            functions.evaluate(script, [score, correct, [0] * len(score), -1]),
            stats.auc(-np.array(score), correct),
        )
        assert [got["value"], got["low"], got["high"]] == pytest.approx(
            [expected.value, expected.low, expected.high], abs=1e-9
        )
    assert functions.evaluate(script, [[1, 2], [1, 1], [0, 0], -1])["value"] is None


def test_each_horizon_and_bfloat16_count_the_puzzles_that_they_have(functions, runs):
    for name in ("hrm-9x9-brief", "trm-6x6"):
        run = runs[name]
        functions.evaluate("name => rrm.rowsFor(name)", name)
        long = fates.study(run, "long")
        for t in pagedata.HORIZONS:
            late, right = long[f"late_{t:03d}"], long[f"correct_{t:03d}"]
            for tau in np.quantile(late, [0.1, 0.5, 0.9]):
                found = functions.evaluate(
                    "([run, view, tau]) => rrm.count(rrm.rows[run], view, tau)",
                    [name, f"h{t}", float(tau)],
                )
                assert found == cells.count(cells.assign(late, right, tau)), (name, t)


def choose(live, name):
    """Another run in the explorer, once its rows have come."""
    live.locator(".rrm-explorer").get_by_label("model", exact=True).select_option(name)
    script = "name => document.querySelector('.rrm-explorer').explorer.run === name"
    live.wait_for_function(script, arg=name)


def test_the_handle_runs_puzzles_on_and_the_threshold_stays(live, runs):
    choose(live, "hrm-9x9-brief")
    band = cells.band_of(runs["hrm-9x9-brief"])
    failures = fates.failures(fates.study(runs["hrm-9x9-brief"], "long"))
    handle = live.locator(".rrm-explorer").get_by_label("segments run")
    for steps, t in ((1, 32), (4, 256)):
        handle.fill(str(steps))
        rest = (~failures[f"correct_{t:03d}"] & (failures[f"late_{t:03d}"] < band.otsu)).sum()
        assert int(live.locator(".rrm-explorer td.rrm-B b").inner_text()) == rest
        assert live.evaluate("document.querySelector('.rrm-explorer').explorer.tau") == band.otsu
        assert f"after segment {t}" in live.locator(".rrm-further").inner_text()
    handle.fill("0")
    assert live.evaluate("document.querySelector('.rrm-explorer').explorer.state") == "h"


def test_another_arithmetic_brings_its_own_threshold_and_only_wrong_boards(live, runs):
    explorer = live.locator(".rrm-explorer")
    choose(live, "trm-9x9-brief")
    run = runs["trm-9x9-brief"]
    again = fates.study(run, "precision").query("variant == 'bfloat16'")
    own = {"h": cells.band_of(run).otsu, "bfloat16": cells.band(again.late).otsu}
    for view in ("bfloat16", "h"):
        explorer.get_by_label("arithmetic").select_option(view)
        tau = live.evaluate("document.querySelector('.rrm-explorer').explorer.tau")
        assert tau == pytest.approx(own[view], abs=1e-6), view
        said = explorer.locator(".rrm-strip figcaption").all_inner_texts()
        assert said and not [text for text in said if ", 0 cells wrong" in text]
        explorer.get_by_label("threshold, typed").fill("1.5")


def test_the_calmest_failures_stand_there_as_boards_and_turn_when_taken_in(live, runs):
    run = runs["trm-6x6"]
    late = pd.Series(cells.late_drift(run.table))
    calm = late[~run.table.correct.to_numpy()].sort_values().index
    halts = run.table.halted_at.to_numpy()[calm] > 0
    expected = [*calm[halts][:2], *calm[~halts][:2]]
    boards = live.locator(".rrm-strip figure")
    assert boards.count() == len(expected)
    for tau in (late.min() - 1, float(late[expected].median()), late.max() + 1):
        move(live, tau)
        kinds = [boards.nth(k).get_attribute("data-kind") for k in range(len(expected))]
        assert kinds == [
            "not settled"
            if late[i] >= tau
            else "selector-blind"
            if run.table.halted_at[i]
            else "settled, would not halt"
            for i in expected
        ]
        for k, i in enumerate(expected):
            assert f"#{run.table.idx[i]}," in boards.nth(k).locator("figcaption").inner_text()


def test_the_page_shows_auc_and_the_mark_of_the_sweep_moves(live, runs):
    run = runs["trm-6x6"]
    values, correct = cells.late_drift(run.table), run.table.correct.to_numpy()
    seen = []
    for tau in np.quantile(values, [0.1, 0.45, 0.8]):
        move(live, float(tau))
        out = values >= tau
        assert (
            f"{stats.auc(-run.table.lambda_1.to_numpy()[out], correct[out]).value:.3f}"
            in live.locator(".rrm-auc").inner_text()
        )
        at = live.evaluate("t => rrm.sweepAt(rrm.rows['trm-6x6'], 'h', t)", float(tau))
        n = cells.count(cells.assign(values, correct, tau))
        assert at == {
            "percentile": 100 * (n["A"] + n["B"]) / len(values),
            "wrong": n["B"] / (n["B"] + n["D"]),
            "correct": n["A"] / (n["A"] + n["C"]),
        }
        dot = live.locator(".rrm-plot-sweep .rrm-dot.rrm-back-wrong").bounding_box()
        host = live.locator(".rrm-plot-sweep").bounding_box()
        width, height = host["width"] - 40 - 12, 215 - 22 - 34
        assert dot["x"] + 5 - host["x"] == pytest.approx(40 + width * at["percentile"] / 100, abs=1)
        assert dot["y"] + 5 - host["y"] == pytest.approx(22 + height * (1 - at["wrong"]), abs=1)
        seen.append(dot["x"])
    assert seen == sorted(set(seen))
    points = live.evaluate("rrm.rows['trm-6x6'].states.h.sweep")
    assert [p["settled_failures"] for p in points] == cells.sweep(
        values, correct
    ).settled_failures.tolist()


def listed(page):
    return [
        int(i)
        for i in page.locator(".rrm-examples tbody tr").evaluate_all(
            "rows => rows.map(r => r.dataset.idx)"
        )
    ]


def test_headings_sort_the_whole_list_both_ways(live, runs):
    df = runs["trm-6x6"].table
    values = cells.late_drift(df)
    threshold = float(np.quantile(values[~df.correct], 0.5))
    move(live, threshold)
    inside = cells.settled_failures(df, threshold).merge(df[["idx", "backtracks"]], on="idx")
    assert len(inside) > 100
    for head, column in (
        ("λ1", "lambda_1"),
        ("naked", "naked_backtracks"),
        ("backtracks", "backtracks"),
        ("cells right", "token_acc"),
        ("puzzle", "idx"),
    ):
        button = live.locator(".rrm-examples thead").get_by_role(
            "button", name=re.compile(f"^{head}")
        )
        for ascending, word in ((True, "ascending"), (False, "descending")):
            button.click()
            assert (
                listed(live)
                == inside.sort_values(column, ascending=ascending, kind="stable")
                .idx.head(12)
                .tolist()
            ), (head, word)
            assert button.locator("..").get_attribute("aria-sort") == word
    live.get_by_role("button", name=re.compile("^show all")).click()
    assert len(listed(live)) == len(inside)


def test_a_brush_shows_the_puzzles_inside_it_by_cell(live, runs):
    df = runs["trm-6x6"].table
    values = cells.late_drift(df)
    tau = live.evaluate("document.querySelector('.rrm-explorer').explorer.tau")
    before = listed(live)
    pane = live.locator(".rrm-plot-scatter .rrm-pane")
    pane.scroll_into_view_if_needed()
    box = pane.bounding_box()
    live.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.3 * box["height"])
    live.mouse.down()
    live.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    live.mouse.up()
    live.wait_for_function(
        "document.querySelector('.rrm-listed').textContent.startsWith('Brushed')"
    )
    live.wait_for_timeout(100)
    low, high, down, up = (
        float(live.get_by_label(f"brush: {name}").input_value())
        for name in ("late drift from", "late drift to", "λ1 from", "λ1 to")
    )
    assert low < tau < high or high > low
    live.evaluate(
        "b => document.querySelector('.rrm-explorer').explorer.setBrush(b)",
        {"x": [low, high], "y": [down, up]},
    )
    inside = df.assign(late=values, cell=cells.assign(values, df.correct, tau))[
        (values >= low) & (values <= high) & (df.lambda_1 >= down) & (df.lambda_1 <= up)
    ].sort_values("late", kind="stable")
    assert len(inside) > 12 and inside.cell.nunique() > 1
    assert listed(live) == inside.idx.head(12).tolist()
    assert (
        live.locator(".rrm-examples tbody tr").evaluate_all("rows => rows.map(r => r.dataset.cell)")
        == inside.cell.head(12).tolist()
    )
    n = cells.count(inside.cell.to_numpy())
    assert (
        f"{len(inside)} puzzles ({', '.join(f'{c} {n[c]}' for c in CELLS)})"
        in live.locator(".rrm-listed").inner_text()
    )
    live.get_by_role("button", name="clear the brush").click()
    assert listed(live) == before and live.locator(".rrm-brush").is_hidden()


def test_the_brush_works_by_keyboard_alone(live, runs):
    df = runs["trm-6x6"].table
    live.locator(".rrm-brushing summary").focus()
    live.keyboard.press("Enter")
    live.keyboard.press("Tab")
    live.keyboard.type("1.2")
    values = cells.late_drift(df)
    inside = df.idx[values >= 1.2].to_numpy()[np.argsort(values[values >= 1.2], kind="stable")]
    assert listed(live) == inside[:12].tolist()
    assert live.locator(".rrm-brush").is_visible()


def test_an_example_opens_with_both_profiles(live, runs):
    run = runs["trm-6x6"]
    live.evaluate("document.querySelector('.rrm-explorer').explorer.open(100)")
    live.wait_for_selector(".rrm-detail .rrm-board")
    row = run.table.iloc[100]
    assert live.locator(".rrm-detail .rrm-wrong").count() == round((1 - row.token_acc) * 36)
    one = live.evaluate("rrm.example('trm-6x6', 100)")
    assert one["puzzle"] == row.puzzle
    assert one["growth"][-1] == pytest.approx(row.lambda_1, rel=1e-3)
    assert one["growth"] == pytest.approx(
        [
            tables.lambda_at(run.table.iloc[[100]], h, run.updates_per_segment)[0]
            for h in range(1, 17)
        ],
        rel=1e-3,
    )
    assert one["drift"] == pytest.approx(
        np.log10([row[c] for c in tables.columns("drift_h")]), rel=1e-3
    )
    profiles = live.locator(".rrm-detail .rrm-plot svg")
    assert profiles.count() == 2 and live.locator(".rrm-detail .rrm-own").count() == 2
    assert all(live.locator(f".rrm-detail .rrm-band.rrm-cell-{cell}").count() == 2 for cell in "AD")
    assert str(one["growth"][7]) in profiles.nth(1).get_attribute("aria-label")


# --- examples and the viewer ---


def test_blocks_restore_every_board(runs):
    for name, run in runs.items():
        found = {idx: example for block in pagedata.blocks(run) for idx, example in block.items()}
        boards = tables.read_trajectories(name).set_index("idx")[tables.columns("answer")]
        assert list(found) == run.table.idx.tolist()
        for idx, example in found.items():
            text, decoded = "", []
            for piece in example["answers"]:
                text = piece or text
                decoded.append(text)
            assert decoded == boards.loc[idx].tolist()


def test_the_halting_margin_is_above_zero_where_the_model_would_stop(runs):
    for run in runs.values():
        found = {
            idx: np.array(example["margin"][:-1]) > 0
            for block in pagedata.blocks(run)
            for idx, example in block.items()
        }
        for idx, halted in zip(run.table.idx, run.table.halted_at, strict=True):
            assert (int(found[idx].argmax()) + 1 if found[idx].any() else 0) == halted, (
                run.name,
                idx,
            )


def test_boards_come_in_blocks_on_demand(live, site):
    loaded = "[...document.scripts].map(s => s.src).filter(s => s.includes('/boards/'))"
    before = live.evaluate(loaded)
    assert 0 < len(before) <= 4 and len(set(before)) == len(before)
    live.evaluate(
        "rrm.example('trm-9x9-small', 1000).then(() => rrm.example('trm-9x9-small', 1001))"
    )
    new = set(live.evaluate(loaded)) - set(before)
    assert len(new) == 1 and new.pop().endswith(f"boards/trm-9x9-small/{1000 // pagedata.BLOCK}.js")
    assert all(
        f.stat().st_size < 120_000 for f in (site.parent / "_static/rrm/boards").rglob("*.js")
    )
    assert live.complaints == []


def panel(page, cell):
    return page.locator(f".rrm-panel[data-cell={cell}]")


def test_the_typical_puzzle_of_each_cell_is_shown(live, runs):
    for name in runs:
        live.locator(".rrm-explorer").get_by_label("model", exact=True).select_option(name)
        live.evaluate("name => rrm.rowsFor(name)", name)
        settle(live)
        values, df = cells.late_drift(runs[name].table), runs[name].table
        assigned = cells.assign(values, df.correct, cells.band(values).otsu)
        for cell, at in cells.typical(values, assigned).items():
            if at is None:
                assert "No puzzle is in cell" in panel(live, cell).inner_text()
            else:
                assert (
                    panel(live, cell)
                    .locator("figcaption")
                    .inner_text()
                    .startswith(f"#{df.idx.iloc[at]} after")
                )
            assert (
                panel(live, cell).locator(".rrm-n").inner_text()
                == f"n = {(assigned == cell).sum()}"
            )


def test_every_step_shows_the_board_of_its_segment(live, runs):
    df, boards = (
        runs["trm-6x6"].table.set_index("idx"),
        tables.read_trajectories("trm-6x6").set_index("idx"),
    )
    slider = live.get_by_label("segment", exact=True)
    slider.focus()
    slider.press("Home")
    for t in range(1, 17):
        for cell in CELLS:
            idx = int(
                re.match(
                    r"#(\d+) after segment (\d+)",
                    panel(live, cell).locator("figcaption").inner_text(),
                ).group(1)
            )
            expected = boards.loc[idx, f"answer_{t:02d}"]
            assert "".join(panel(live, cell).locator("td").all_inner_texts()) == expected
            wrong = sum(a != b for a, b in zip(expected, df.loc[idx, "solution"], strict=True))
            assert panel(live, cell).locator(".rrm-wrong").count() == wrong
            words = panel(live, cell).locator(".rrm-words").inner_text()
            halted = df.loc[idx, "halted_at"]
            assert f"{wrong} of 36 cells wrong" in words
            assert ("never stop" in words, f"would stop at {halted}" in words) == (
                halted == 0,
                0 < halted <= t,
            )
            drift = np.log10(df.loc[idx, f"drift_h_{t:02d}"])
            assert float(
                panel(live, cell).locator(".rrm-value").first.text_content().replace("−", "-")
            ) == pytest.approx(drift, abs=0.006)
        assert live.locator(".rrm-count").inner_text() == f"segment {t} of 16"
        slider.press("ArrowRight")


def test_play_runs_pauses_and_ends(live):
    at = "document.querySelector('.rrm-viewer').viewer.segment"
    live.locator(".rrm-play").focus()
    live.keyboard.press("Enter")
    assert live.locator(".rrm-play").inner_text() == "pause"
    live.wait_for_function(f"{at} >= 3")
    live.keyboard.press("Enter")
    held = live.evaluate(at)
    live.wait_for_timeout(1_600)
    assert live.evaluate(at) == held and live.locator(".rrm-play").inner_text() == "play"
    live.evaluate("document.querySelector('.rrm-viewer').viewer.at(15)")
    live.keyboard.press("Enter")
    live.wait_for_function(f"{at} === 16")
    assert live.locator(".rrm-play").inner_text() == "play"
    live.keyboard.press("Enter")
    live.wait_for_function(f"{at} < 4")


def test_an_empty_cell_says_so_and_others_can_be_picked(live, runs):
    df = runs["trm-6x6"].table
    values = cells.late_drift(df)
    move(live, float(values.min() - 1))
    settle(live)
    assert [panel(live, c).locator(".rrm-board").count() for c in CELLS] == [0, 0, 1, 1]
    assert (
        "No puzzle is in cell B" in panel(live, "B").inner_text()
        and panel(live, "B").locator("select").is_disabled()
    )
    last = panel(live, "D").locator("option").last.get_attribute("value")
    panel(live, "D").locator("select").select_option(last)
    live.wait_for_function(
        "i => document.querySelector('.rrm-panel[data-cell=D] figcaption')"
        ".textContent.startsWith('#' + i + ' ')",
        arg=int(df.idx.iloc[int(last)]),
    )
    typed = panel(live, "C").get_by_label("number of a puzzle")
    typed.fill("99999")
    typed.press("Enter")
    assert "No puzzle 99999 in trm-6x6: expected one of 0 to 2047" in panel(live, "C").inner_text()
    wrong = int(df.idx[~df.correct].iloc[0])
    typed.fill(str(wrong))
    typed.press("Enter")
    live.wait_for_function(
        "i => (document.querySelector('.rrm-panel[data-cell=C] figcaption') || {textContent: ''})"
        ".textContent.startsWith('#' + i + ' ')",
        arg=wrong,
    )
    assert "This puzzle is in cell D" in panel(live, "C").inner_text()


def test_an_example_of_the_explorer_can_be_watched(live):
    live.locator(".rrm-examples tbody button").last.click()
    live.get_by_role("button", name="watch its 16 segments").click()
    idx = listed(live)[-1]
    live.wait_for_function(
        "i => document.querySelector('.rrm-panel[data-cell=B] figcaption')"
        ".textContent.startsWith('#' + i + ' ')",
        arg=idx,
    )


def test_a_viewer_that_a_notebook_scrolled_out_still_follows(live):
    live.evaluate("""() => { window.viewer = document.querySelector('.rrm-viewer');
        window.place = document.createComment(''); viewer.replaceWith(place); }""")
    move(live, 0.5)
    live.wait_for_timeout(400)  # a slider in motion is left alone until it rests
    live.evaluate("() => place.replaceWith(viewer)")
    settle(live)
    assert live.evaluate("document.querySelector('.rrm-viewer').viewer.tau") == 0.5


def test_a_listener_goes_with_its_node(live):
    live.evaluate("""() => {
        window.heard = 0; window.gone = 0;
        const remove = document.removeEventListener;
        document.removeEventListener = function (...args) {
            gone += 1; return remove.apply(this, args); };
    }""")
    live.evaluate("""() => {
        const node = document.createElement('div');
        rrm.listen(node, document, 'tested', () => { heard += node.childNodes.length + 1; });
        document.dispatchEvent(new Event('tested'));
    }""")
    browser = live.context.new_cdp_session(live)
    for _ in range(20):  # the browser may hold on to a node for a while
        browser.send("HeapProfiler.collectGarbage")
        live.evaluate("document.dispatchEvent(new Event('tested'))")
        if live.evaluate("gone"):
            break
        live.wait_for_timeout(50)
    before = live.evaluate("heard")
    live.evaluate("document.dispatchEvent(new Event('tested'))")
    assert live.evaluate("[gone, heard]") == [1, before]


def test_both_themes_and_a_phone(site, browser):
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.goto(site.as_uri())
    page.wait_for_selector(".rrm-panel .rrm-board")
    page.locator(".rrm-examples tbody button").first.click()
    page.wait_for_selector(".rrm-detail .rrm-board")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    canvas = "document.querySelector('.rrm-plot-scatter canvas').toDataURL()"
    light = page.evaluate(canvas)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_function(f"light => {canvas} !== light", arg=light)
    context.close()


def test_a_viewer_without_scripts_shows_boards(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.as_uri())
    assert (
        page.locator(".rrm-viewer .rrm-board").count() >= 9
        and page.locator(".rrm-explorer table").count() == 1
    )
    context.close()


def test_a_component_of_no_runs_is_refused():
    with pytest.raises(ValueError, match="no models for the viewer"):
        widgets.viewer({})


def test_rows_that_another_output_brings_anew_stop_nothing(live, runs):
    """In a notebook every output carries the rows of its runs: the viewer's come second."""
    live.evaluate("""() => { const name = document.querySelector('.rrm-explorer').explorer.run;
        const made = ['whole', 'order', 'sortedLate', 'correctBelow', 'byLambda', 'failures'];
        for (const part of Object.values(rrm.rows[name].states))
            for (const key of made) delete part[key]; }""")
    move(live, 0.3)
    late = cells.late_drift(runs["trm-6x6"].table)
    expected = cells.count(cells.assign(late, runs["trm-6x6"].table.correct, 0.3))
    assert live.evaluate("document.querySelector('.rrm-explorer').explorer.count()") == expected
    settle(live)
    assert "among all" in live.locator(".rrm-auc").inner_text() and live.complaints == []


def test_what_is_being_loaded_is_not_shown_in_another_view(live):
    live.evaluate("""() => { const real = rrm.example;
        rrm.example = (...asked) => real(...asked).then(one => new Promise(
            done => { window.release = () => done(one); })); }""")
    live.evaluate("() => { document.querySelector('.rrm-explorer').explorer.open(100); }")
    live.wait_for_function("Boolean(window.release)")
    live.get_by_label("drift of").first.select_option("l")
    live.evaluate("release()")
    live.wait_for_timeout(300)
    assert live.locator(".rrm-detail").inner_text() == "" and live.complaints == []


def test_the_words_on_an_open_puzzle_follow_the_threshold(live, runs):
    late = cells.late_drift(runs["trm-6x6"].table)
    live.evaluate("document.querySelector('.rrm-explorer').explorer.open(100)")
    live.wait_for_selector(".rrm-detail .rrm-board")
    for tau, settled in ((late[100] + 0.01, "settled,"), (late[100] - 0.01, "unsettled,")):
        move(live, float(tau))
        assert f"({settled}" in live.locator(".rrm-detail p").first.inner_text()


def test_no_board_of_the_puzzle_before_is_drawn_under_a_new_number(live):
    live.evaluate("() => { rrm.example = () => new Promise(() => {}); }")  # they never come
    before = live.locator(".rrm-panel[data-cell=A] figcaption").inner_text()
    live.evaluate("document.querySelector('.rrm-viewer').viewer.move(-1)")
    live.evaluate("document.querySelector('.rrm-viewer').viewer.at(5)")
    assert live.locator(".rrm-panel[data-cell=A] figcaption").inner_text() == before


def test_the_threshold_of_another_quantity_is_not_kept(live, runs):
    live.get_by_label("drift of").first.select_option("l")
    live.get_by_label("segments run").fill("1")
    band = live.evaluate("rrm.rows['trm-6x6'].states.h32.otsu")
    assert live.evaluate("document.querySelector('.rrm-explorer').explorer.tau") == band


def test_a_zero_has_no_sign(functions):
    found = functions.evaluate("[-0.001, -0.004, -0.006, 0, -2].map(x => rrm.number(x, 2))")
    assert found == ["0.00", "0.00", "−0.01", "0.00", "−2.00"]


# --- with a kernel ---


STUB = """async ([source, rows]) => {
    const module = await import(URL.createObjectURL(new Blob([source], {type: 'text/javascript'})));
    const listeners = [];
    window.sent = {};
    window.asked = [];
    window.answer = (message) => listeners.forEach(f => f(message));
    const model = {get: (name) => ({rows, labels: {}, ...window.kept})[name],
                   set: (values) => Object.assign(window.sent, values),
                   save_changes: () => { window.saved = true; },
                   on: (_, f) => listeners.push(f), send: (message) => window.asked.push(message)};
    document.body.append(document.createElement('main'));
    await module.default.render({model, el: document.querySelector('main')});
}"""


def test_the_kernel_answers_requests_for_boards(page, runs, monkeypatch):
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    component = kernel.component({"HRM": runs["hrm-6x6"]})
    replies = []
    monkeypatch.setattr(component, "send", lambda content, buffers=None: replies.append(content))
    page.goto("about:blank")
    page.evaluate(STUB, [str(component._esm), json.loads(json.dumps(component.rows))])
    assert page.locator(".rrm-plot-scatter canvas").count() == 1
    page.locator(".rrm-examples tbody button").first.click()
    page.wait_for_function("window.asked.length > 0")
    for wanted in page.evaluate("window.asked"):
        component._handle_custom_msg(wanted, [])
        page.evaluate("message => window.answer(message)", json.loads(json.dumps(replies[-1])))
    page.wait_for_selector(".rrm-detail .rrm-board")
    component._handle_custom_msg({"run": "nothing", "block": 0}, [])
    component._handle_custom_msg({"run": "hrm-6x6", "block": 10**6}, [])
    assert len(replies) == page.evaluate("window.asked.length")
    assert page.complaints == []


def test_a_page_that_comes_back_shows_what_the_kernel_has(page, runs, monkeypatch):
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    component = kernel.component({"HRM": runs["hrm-6x6"], "TRM": runs["trm-6x6"]})
    page.goto("about:blank")
    page.evaluate("window.kept = {run: 'trm-6x6', state: 'l', tau: -0.5}")
    page.evaluate(STUB, [str(component._esm), json.loads(json.dumps(component.rows))])
    page.wait_for_function("window.saved")
    assert page.evaluate("window.sent") == {"run": "trm-6x6", "state": "l", "tau": -0.5}
    assert page.get_by_label("model").input_value() == "trm-6x6"
    assert page.get_by_label("drift of", exact=True).input_value() == "l"
    assert page.get_by_label("threshold, typed").input_value() == "-0.5"
    assert page.complaints == []


# --- the keyboard alone ---


def walk(page, inside):
    """[(name, focus is visible)] of what Tab reaches until it leaves `inside`."""
    seen = []
    script = """inside => {
        const n = document.activeElement, style = getComputedStyle(n);
        if (!n.closest(inside)) return null;
        const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
        return [n.getAttribute('aria-label') || n.textContent,
                n.matches(':focus-visible') && outlined]; }"""
    while (found := page.evaluate(script, inside)) and len(seen) < 60:
        seen.append(tuple(found))
        page.keyboard.press("Tab")
    return seen


def to(page, name, within=".rrm-explorer"):
    """Press Tab until the control of this name has the focus."""
    for _ in range(60):
        here = page.evaluate(
            "inside => { const n = document.activeElement; "
            "return n.closest(inside) && (n.getAttribute('aria-label') || n.textContent); }",
            within,
        )
        if here is not None and re.fullmatch(name, here):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {name!r}")


def saved(page):
    """The table that the save button gives, and the name of its file."""
    with page.expect_download() as waiting:
        page.locator(".rrm-explorer button", has_text="as CSV").click()
    return pd.read_csv(waiting.value.path()), waiting.value.suggested_filename


def test_the_saved_table_holds_every_puzzle_and_its_cell(live, runs):
    df = runs["trm-6x6"].table
    late = cells.late_drift(df)
    tau = float(np.quantile(late, 0.4))
    move(live, tau)
    table, name = saved(live)
    assert (
        name == "trm-6x6-cells.csv"
        and (table.run == "trm-6x6").all()
        and (table.drift_of == "h").all()
        and (table.threshold == tau).all()
    )
    assert table.idx.tolist() == df.idx.tolist() and table.cell.tolist() == list(
        cells.assign(late, df.correct, tau)
    )
    assert (table.late_drift.to_numpy() == late).all() and (
        table.correct.to_numpy() == df.correct.to_numpy()
    ).all()
    assert (table.lambda_1.astype("float32").to_numpy() == df.lambda_1.to_numpy()).all()
    for column in ("halted_at", "givens", "backtracks", "naked_backtracks"):
        assert table[column].tolist() == df[column].tolist()
    assert table.token_acc.to_numpy() == pytest.approx(df.token_acc.to_numpy(), rel=1e-4)
    assert table.halting_margin.to_numpy() == pytest.approx(
        tables.halting_margin(df)[:, -1], rel=1e-4
    )
    box = {"x": [-3, 1], "y": [-0.2, 0.05]}
    live.evaluate("b => document.querySelector('.rrm-explorer').explorer.setBrush(b)", box)
    inside = (late >= -3) & (late <= 1) & (df.lambda_1 >= -0.2) & (df.lambda_1 <= 0.05)
    assert (
        0 < inside.sum() < len(df)
        and live.locator(
            ".rrm-explorer button", has_text=f"save the {inside.sum()} brushed puzzles as CSV"
        ).is_visible()
    )
    assert saved(live)[0].idx.tolist() == df.idx[inside].tolist()
    assert live.complaints == []


def test_a_link_leads_to_the_view_that_it_was_taken_from(live, site, runs):
    def view(page):
        return page.evaluate(
            "(({run, state, tau}) => [run, state, tau])"
            "(document.querySelector('.rrm-explorer').explorer)"
        )

    live.locator(".rrm-explorer select").first.select_option("hrm-6x6-late")
    live.wait_for_function(
        "document.querySelector('.rrm-explorer').explorer.run === 'hrm-6x6-late'"
    )
    live.locator(".rrm-explorer select").nth(1).select_option("l")
    tau = float(np.quantile(cells.late_drift(runs["hrm-6x6-late"].table, "l"), 0.3))
    move(live, tau)
    link = live.locator(".rrm-explorer a", has_text="link to this view").get_attribute("href")
    assert view(live) == ["hrm-6x6-late", "l", tau]
    live.goto(site.as_uri() + link)
    live.wait_for_function(
        "tau => document.querySelector('.rrm-explorer').explorer?.tau === tau", arg=tau
    )
    assert (
        view(live) == ["hrm-6x6-late", "l", tau]
        and live.locator(".rrm-explorer select").first.input_value() == "hrm-6x6-late"
    )
    live.goto(site.as_uri() + "?explorer=hrm-6x6-late")  # no threshold: Otsu's
    live.wait_for_function(
        "document.querySelector('.rrm-explorer').explorer?.run === 'hrm-6x6-late'"
    )
    assert view(live) == [
        "hrm-6x6-late",
        "h",
        pytest.approx(cells.band(cells.late_drift(runs["hrm-6x6-late"].table)).otsu),
    ]
    assert live.complaints == []


@pytest.mark.parametrize(
    "part, said",
    [
        ("explorer=nobody", "the run “nobody”; there are "),
        ("explorer=trm-6x6&drift=x", "the drift of “x”; there are h, l, both"),
        ("explorer=trm-6x6&below=1e999", "the threshold “1e999”; expected a number"),
        ("explorer=<img src=x onerror=alert(1)>", "the run “<img src=x"),
    ],
)
def test_a_link_to_nowhere_says_so_and_leaves_the_view(part, said, live, site):
    before = live.locator(".rrm-status").inner_text()
    live.goto(f"{site.as_uri()}?{part}")
    live.wait_for_function("document.querySelector('.rrm-explorer [role=alert]').textContent")
    assert (
        said in live.locator(".rrm-explorer [role=alert]").inner_text()
        and live.locator(".rrm-status").inner_text() == before
    )
    assert live.locator(".rrm-explorer img").count() == 0
    live.locator(".rrm-explorer a", has_text="link to this view").click()
    live.wait_for_function(
        "document.querySelector('.rrm-explorer [role=alert]')?.textContent === ''"
    )
    assert live.complaints == []


HEADS = [
    "puzzle",
    "cell",
    "late drift",
    "cells right",
    "λ1",
    "halting margin",
    "halted at",
    "givens",
    "backtracks*",
    "naked*",
    "selector-blind",
]


def test_tab_reaches_every_control_of_the_explorer_in_order(live, runs):
    failures = int((~runs["trm-6x6"].table.correct).sum())
    move(live, 99.0)  # every failure is listed, so that there is something to show all of
    live.locator(".rrm-explorer select").first.focus()
    seen = walk(live, ".rrm-explorer")
    rows, total = [f"show puzzle {idx}" for idx in listed(live)], len(runs["trm-6x6"].table)
    names = [re.sub(r" -?−?[\d.]+( \([\d.]+ %\))?$", "", name) for name, _ in seen]
    again = ["arithmetic"] if fates.study(runs["trm-6x6"], "precision") is not None else []
    assert len(rows) == 12
    assert names == [
        "model",
        "drift of",
        "segments run",
        *again,
        "threshold, typed",
        "Otsu",
        "strict",
        "threshold on log10 late drift",
        "brush by numbers",
        "table of examples",
        *HEADS,
        *(re.sub(r" \d+$", "", r) for r in rows),
        "show all",
        f"save all {total} puzzles as CSV",
        "link to this view",
    ]
    assert [name for name, _ in seen][20 + len(again) :] == [
        *rows,
        f"show all {failures}",
        f"save all {total} puzzles as CSV",
        "link to this view",
    ]
    assert [name for name, visible in seen if not visible] == []
    back = []
    for _ in seen:
        live.keyboard.press("Shift+Tab")
        back.append(
            live.evaluate(
                "document.activeElement.getAttribute('aria-label')"
                " || document.activeElement.textContent"
            )
        )
    assert back == [name for name, _ in seen][::-1]


def test_keys_alone_work_every_control_of_the_explorer(live, runs):
    def state():
        return live.evaluate(
            "(({run, state, tau}) => ({run, state, tau}))"
            "(document.querySelector('.rrm-explorer').explorer)"
        )

    live.locator(".rrm-explorer select").first.focus()
    first = state()["run"]
    live.keyboard.press("ArrowDown")
    live.wait_for_function(
        "run => document.querySelector('.rrm-explorer').explorer.run !== run", arg=first
    )
    live.keyboard.press("ArrowUp")
    live.wait_for_function(
        "run => document.querySelector('.rrm-explorer').explorer.run === run", arg=first
    )
    df = runs[first].table
    to(live, "drift of")
    live.keyboard.press("ArrowDown")
    assert state()["state"] == "l"
    live.keyboard.press("Home")
    assert state()["state"] == "h"
    band = cells.band(cells.late_drift(df))
    to(live, "threshold, typed")
    live.keyboard.press("Control+A")
    live.keyboard.type("0.5")
    assert state()["tau"] == 0.5
    live.keyboard.press("ArrowUp")
    assert state()["tau"] > 0.5
    for name, key, value in (("Otsu .*", "Space", band.otsu), ("strict .*", "Enter", band.strict)):
        to(live, name)
        live.keyboard.press(key)
        assert (
            state()["tau"] == pytest.approx(value)
            and live.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        )
    to(live, "threshold on log10 late drift")
    for key, sign in (
        ("ArrowRight", 1),
        ("ArrowLeft", -1),
        ("PageUp", 1),
        ("PageDown", -1),
        ("End", 1),
        ("Home", -1),
    ):
        before = state()["tau"]
        live.keyboard.press(key)
        assert np.sign(state()["tau"] - before) == sign, key
    live.keyboard.press("End")  # every failure is settled now, and listed

    to(live, "brush by numbers")
    live.keyboard.press("Enter")
    values, lambdas = cells.late_drift(df), df.lambda_1.to_numpy()
    box = {"late drift from": -3, "late drift to": 1, "λ1 from": -0.2, "λ1 to": 0.05}
    for name, bound in box.items():
        to(live, f"brush: {name}")
        live.keyboard.type(str(bound))
    inside = (values >= -3) & (values <= 1) & (lambdas >= -0.2) & (lambdas <= 0.05)
    assert 12 < inside.sum() < len(df)
    assert live.locator(".rrm-listed").inner_text().startswith(f"Brushed: {inside.sum()} puzzles")
    to(live, "clear the brush")
    live.keyboard.press("Space")
    assert (
        live.locator(".rrm-listed").inner_text().startswith("Settled failures")
        and live.locator(".rrm-brush").is_hidden()
    )
    assert (
        live.evaluate("document.activeElement.textContent") == "brush by numbers"
    )  # the button is gone, the focus is not lost

    settled = df[~df.correct].assign(late=values[~df.correct]).sort_values("late", kind="stable")
    to(live, "λ1")
    for key, ascending in (("Enter", True), ("Space", False)):
        live.keyboard.press(key)
        assert (
            listed(live)
            == settled.sort_values("lambda_1", ascending=ascending, kind="stable")
            .idx.head(12)
            .tolist()
        )
    order = settled.sort_values("lambda_1", ascending=False, kind="stable").idx.tolist()
    to(live, "show all .*")
    live.keyboard.press("Enter")
    assert listed(live) == order
    assert (
        live.evaluate("document.activeElement.getAttribute('aria-label')")
        == f"show puzzle {order[12]}"
    )  # the first row that was not there before
    live.keyboard.press("Enter")
    live.wait_for_selector(".rrm-detail .rrm-board")
    assert (
        live.locator(".rrm-detail p").first.inner_text().startswith(f"Puzzle {order[12]}, cell B")
    )
    live.locator(".rrm-examples tbody button").last.focus()
    to(live, "watch its 16 segments")
    live.keyboard.press("Enter")
    live.wait_for_function(
        "i => document.querySelector('.rrm-panel[data-cell=B] figcaption')"
        ".textContent.startsWith('#' + i + ' ')",
        arg=order[12],
    )
    assert live.evaluate("document.activeElement.textContent") == "play"
    assert live.complaints == []


def test_a_table_wider_than_the_page_scrolls_by_keys(site, browser):
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = context.new_page()
    page.goto(site.as_uri())
    page.wait_for_selector(".rrm-explorer[data-live=yes]")
    page.get_by_role("region", name="table of examples").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.activeElement.scrollLeft > 0")
    context.close()


def test_keys_alone_work_every_control_of_the_viewer(live, runs):
    def viewer(what):
        return live.evaluate(f"document.querySelector('.rrm-viewer').viewer.{what}")

    live.locator(".rrm-viewer select").first.focus()
    seen = walk(live, ".rrm-viewer")
    names = [re.sub(r" -?−?[\d.]+( \([\d.]+ %\))?$", "", name) for name, _ in seen]
    assert names == [
        "model",
        "threshold on log10 late drift",
        "Otsu",
        "strict",
        "play",
        "segment",
        *(
            f"{what} {c}"
            for c in CELLS
            for what in ("puzzle of cell", "number of a puzzle for panel")
        ),
    ]
    assert [name for name, visible in seen if not visible] == []

    run = runs["trm-6x6"]
    band = cells.band(cells.late_drift(run.table))
    live.locator(".rrm-viewer select").first.focus()
    live.keyboard.press("ArrowDown")
    live.wait_for_function(
        "document.querySelector('.rrm-viewer').dataset.filled.split(' ')[0] !== 'trm-6x6'"
    )
    live.keyboard.press("ArrowUp")
    live.wait_for_function(
        "document.querySelector('.rrm-viewer').dataset.filled.split(' ')[0] === 'trm-6x6'"
    )
    to(live, "threshold on log10 late drift", ".rrm-viewer")
    live.keyboard.press("Control+A")
    live.keyboard.type("0.25")
    live.keyboard.press("Enter")
    assert viewer("tau") == 0.25
    for name, key, value in (("strict .*", "Space", band.strict), ("Otsu .*", "Enter", band.otsu)):
        to(live, name, ".rrm-viewer")
        live.keyboard.press(key)
        assert viewer("tau") == pytest.approx(value)
        live.keyboard.press("Shift+Tab")
        live.keyboard.press("Shift+Tab")
    to(live, "segment", ".rrm-viewer")
    for key, segment in (("End", 16), ("ArrowLeft", 15), ("Home", 1), ("ArrowRight", 2)):
        live.keyboard.press(key)
        assert viewer("segment") == segment
    live.wait_for_function(
        "tau => document.querySelector('.rrm-viewer').dataset.filled === 'trm-6x6 ' + tau",
        arg=band.otsu,
    )
    assigned = cells.assign(cells.late_drift(run.table), run.table.correct, band.otsu)
    for cell in CELLS:
        caption = f".rrm-panel[data-cell={cell}] figcaption"
        to(live, f"puzzle of cell {cell}", ".rrm-viewer")
        before = live.locator(caption).inner_text()
        live.keyboard.press("ArrowDown")
        live.wait_for_function(
            "([c, text]) => document.querySelector(c).textContent !== text", arg=[caption, before]
        )
        idx = int(live.locator(caption).inner_text().split()[0][1:])
        assert assigned[run.table.idx.tolist().index(idx)] == cell
        to(live, f"number of a puzzle for panel {cell}", ".rrm-viewer")
        live.keyboard.type("7")
        live.keyboard.press("Enter")
        live.wait_for_function(
            "c => document.querySelector(c).textContent.startsWith('#7 ')", arg=caption
        )
    assert live.complaints == []


# --- a view that some puzzles, or some runs, do not have ------------------------------------------


@pytest.fixture
def rounded(book, page):
    """Section 3.1 with the HRM in bfloat16, which half of its puzzles were computed in."""
    page.goto((book / "notebooks/3_1_decomposition.html").as_uri())
    page.wait_for_function(
        "[...document.querySelectorAll('.rrm-explorer, .rrm-viewer')]"
        ".every(f => f.dataset.live === 'yes')"
    )
    page.get_by_label("arithmetic", exact=True).select_option("bfloat16")
    settle(page)
    return page


def test_a_puzzle_that_a_view_does_not_have_is_in_no_cell(rounded, runs):
    known = fates.study(runs["hrm-9x9-brief"], "precision").query("variant == 'bfloat16'").idx
    absent = int(
        runs["hrm-9x9-brief"].table.idx[~runs["hrm-9x9-brief"].table.idx.isin(known)].min()
    )
    cell = "i => rrm.cellOf(rrm.rows['hrm-9x9-brief'], 'bfloat16', 0.39, i)"
    assert rounded.evaluate(cell, absent) is None
    box = rounded.get_by_label("number of a puzzle for panel A")
    box.fill(str(absent))
    box.press("Enter")
    alert = rounded.locator(".rrm-panel[data-cell=A] [role=alert]")
    assert f"Puzzle {absent} is not in this view" in alert.inner_text()
    assert not rounded.locator(".rrm-elsewhere").count() and rounded.complaints == []


def test_another_view_puts_an_open_puzzle_away(live):
    live.locator(".rrm-examples tbody button").first.click()
    live.wait_for_selector(".rrm-detail .rrm-board")
    live.get_by_label("drift of", exact=True).select_option("both")
    assert not live.locator(".rrm-detail *").count(), "its cell was that of the view before"


def test_a_run_without_the_view_is_shown_at_its_end(rounded):
    rounded.evaluate("rrm.rowsFor('trm-9x9-brief')")
    rounded.evaluate("delete rrm.rows['trm-9x9-brief'].states.bfloat16")
    rounded.locator(".rrm-viewer select").first.select_option("trm-9x9-brief")
    rounded.wait_for_function(
        "document.querySelector('.rrm-agree').textContent"
        ".startsWith('Shown here: TRM, drift of z_H,')"
    )
    assert rounded.complaints == []


def test_a_choice_in_the_viewer_is_not_undone_by_the_explorers_last_move(live):
    other = live.evaluate("""() => {
        document.querySelector('.rrm-explorer').explorer.move(-0.5);
        const pick = document.querySelector('.rrm-viewer select');
        pick.value = pick.options[1].value;
        pick.dispatchEvent(new Event('change', {bubbles: true}));
        return pick.value; }""")
    live.wait_for_timeout(600)  # the explorer's move would be followed after 200 ms
    assert live.locator(".rrm-viewer select").first.input_value() == other
    assert "settled below −0.50" in live.locator(".rrm-agree").inner_text()


def test_a_puzzle_is_watched_whatever_the_viewer_shows(live):
    other = live.evaluate("document.querySelector('.rrm-viewer select').options[1].value")
    live.locator(".rrm-viewer select").first.select_option(other)
    live.wait_for_function(
        "name => document.querySelector('.rrm-viewer').dataset.filled.startsWith(name + ' ')",
        arg=other,
    )
    button = live.locator(".rrm-examples tbody button").first
    number = button.inner_text()
    button.click()
    live.get_by_text(re.compile("watch its .. segments")).click()
    settle(live)
    live.wait_for_function(
        "n => [...document.querySelectorAll('.rrm-panel figcaption')]"
        ".some(f => f.textContent.startsWith(n + ' after'))",
        arg=number,
    )


def test_a_link_to_what_cannot_be_loaded_changes_nothing_and_says_so(book, page):
    page.route("**/rows/trm*", lambda route: route.abort())
    where = (book / "notebooks/3_1_decomposition.html").as_uri()
    page.goto(where + "?explorer=trm-9x9-brief&drift=h256&below=-1")
    alert = page.locator(".rrm-explorer > [role=alert]")
    alert.filter(has_text="which cannot be loaded here").wait_for()
    shown = page.evaluate(
        "(({run, state}) => [run, state])(document.querySelector('.rrm-explorer').explorer)"
    )
    assert shown == ["hrm-9x9-brief", "h"]
    assert "at that segment" not in page.locator(".rrm-status").first.inner_text()


def test_after_more_segments_halting_is_that_of_then(book, page, runs):
    run = runs["hrm-9x9-brief"]
    late, right, halted = pagedata.views(run)["h256"]
    caught = ~right & (late < cells.band_of(run).otsu)
    assert 0 < (blind := int((halted[caught] > 0).sum())) < caught.sum()
    assert blind != (run.table.halted_at[caught.index[caught]] > 0).sum(), "another number at 16"
    page.goto(
        (book / "notebooks/3_1_decomposition.html").as_uri() + "?explorer=hrm-9x9-brief&drift=h256"
    )
    page.wait_for_function("document.querySelector('.rrm-explorer')?.explorer?.state === 'h256'")
    said = page.locator(".rrm-explorer").inner_text()
    assert f"{caught.sum()}, of which {blind} selector-blind" in said
    captions = page.locator(".rrm-strip figcaption").all_inner_texts()
    assert captions and all("cells wrong at 16: " in text for text in captions)


def test_an_address_keeps_what_else_it_names(book, page):
    page.goto((book / "notebooks/3_1_decomposition.html").as_uri() + "?lang=de")
    page.wait_for_function("document.querySelector('.rrm-explorer')?.explorer")
    page.evaluate("document.querySelector('.rrm-explorer').explorer.move(0.25)")
    page.wait_for_url(re.compile(r"below=0\.25"))
    assert "lang=de" in page.url


@pytest.mark.parametrize("name", ["hrm-9x9-brief", "trm-9x9-brief", "trm-6x6"])
def test_the_kernel_recomputes_every_view(runs, name):
    run = runs[name]
    for view, (late, right, _) in pagedata.views(run).items():
        cut = float(late.median())
        found = kernel.summary(run, cut, view).set_index("quantity").estimate
        n = cells.count(cells.assign(late.to_numpy(), right.to_numpy(), cut))
        assert found["share of failures that settle"].n == n["B"] + n["D"], view
        assert found["share of successes that settle"].value == n["A"] / (n["A"] + n["C"]), view
