"""The exponent playground: maps against known limits, the page against rrm_core, keys and phone."""

import json
import math

import numpy as np
import pytest
import torch
from rrm_companion import playground

from rrm_core.dynamics import exponents

ROUND = 1e-12  # regular orbits: the page and Python differ by round-off only
CHAOS = 1e-9  # chaotic ones: orbits agree bit for bit, sums of logarithms do not quite

# map, its parameters, start, angle, tolerance
CASES = [
    ("logistic", {"r": 4.0}, [0.2], 0, CHAOS),
    ("logistic", {"r": 3.2}, [0.37], 0, ROUND),
    ("henon", {"a": 1.4, "b": 0.3}, [0.1, 0.1], 60, CHAOS),
    ("henon", {"a": 1.0, "b": 0.3}, [-0.2, 0.05], 17, ROUND),
    ("linear", {"a": 1.2, "b": 0.0, "c": 0.0, "d": 0.6}, [1.0, 0.0], 60, ROUND),
    ("linear", {"a": 0.6, "b": -0.8, "c": 0.8, "d": 0.6}, [1.0, 0.0], 33, ROUND),
    ("toy", {"s": 0.4, "eps": 0.04}, [0.2], 0, CHAOS),
    ("toy", {"s": 0.7, "eps": 0.01}, [0.61], 0, CHAOS),
]


def test_limits_of_the_maps():
    """Means over starts: one start of a finite window is off by far more."""
    assert playground.ensemble("logistic", 128, 400)[-1].mean() == pytest.approx(
        math.log(2), abs=3e-3
    )
    henon = playground.ensemble("henon", 64, 600)[-1]
    assert henon.mean(0) == pytest.approx((0.41922, -1.62319), abs=8e-3) and henon.sum(
        1
    ) == pytest.approx(np.full(64, math.log(0.3)), abs=1e-12)
    linear = playground.history("linear", [[1, 0]], 300, 33, a=1.2, b=0.4, c=0.1, d=0.6)[-1, 0]
    assert np.sort(linear) == pytest.approx(
        np.sort(np.log(np.abs(np.linalg.eigvals([[1.2, 0.4], [0.1, 0.6]])))), abs=5e-3
    )
    assert playground.ensemble("toy", 64, 400)[-1].mean() == pytest.approx(math.log(0.5), abs=0.1)


@pytest.mark.parametrize("angle", [0, 17, 90, 135])
def test_linear_maps_are_exact_at_every_horizon(angle):
    values = {"a": 0.9, "b": 3.0, "c": 0.0, "d": 0.8}
    found = playground.history("linear", [[1, 0]], 40, angle, **values)[:, 0, 0]
    assert found == pytest.approx(
        [playground.linear_exact(t, angle, **values) for t in range(1, 41)], abs=1e-12
    )


def test_a_tangent_on_the_slow_direction_never_leaves_it():
    for angle, rate in ((90, 0.6), (0, 1.2), (180, 1.2)):
        found = playground.history("linear", [[1, 0]], 128, angle, a=1.2, b=0, c=0, d=0.6)[:, 0, 0]
        assert found == pytest.approx(np.full(128, math.log(rate)), abs=1e-12)
    assert playground.direction(np.array([0.0, 30.0, 90.0, 150.0, 180.0])) == pytest.approx(
        np.array([[1, 0], [3**0.5 / 2, 0.5], [0, 1], [-(3**0.5) / 2, 0.5], [-1, 0]]), abs=1e-15
    )


def test_both_shrink_and_yet_most_directions_grow_at_16():
    shear = next(
        p["set"] for p in playground.SYSTEMS["linear"]["presets"] if p["label"].startswith("shear")
    )
    found = playground.ensemble("linear", 400, 128, **shear)[..., 0]
    assert (found[15] > 0).mean() > 0.5 and (found[127] < 0).all(), "the page says so"


def test_the_toy_follows_the_papers_formula_on_average():
    captured = playground.capture(1000, 16)
    found = playground.ensemble("toy", 1000, 16)[-1, :, 0]
    search = np.where(captured < 0, 16, captured)  # never captured: -1
    formula = (
        search * math.log(2) + (16 - search) * math.log(0.5)
    ) / 16  # (t_search ln 2 + (T - t_search) ln 1/2) / T, as in the paper
    assert np.corrcoef(found, formula)[0, 1] > 0.9
    at_once = captured == 0
    assert (
        at_once.any()
        and found[at_once] == pytest.approx(math.log(0.5), abs=1e-12) == formula[at_once]
    )
    rows = playground.transient_table([16, 128])
    assert rows["AUC of the lower exponent for captured"][0] > 0.95
    assert rows["still searching"].is_monotonic_decreasing


@pytest.mark.parametrize("name", playground.MAPS)
def test_history_is_what_forward_mode_says_of_the_same_map(name):
    starts, angles, varied = playground.spread(name, 5)
    step = playground.pushed(name, **varied)
    expected = exponents.spectrum(
        lambda state: step(state, state)[0],
        (torch.as_tensor(starts),),
        30,
        frame=playground.frame(angles, starts.shape[1]),
    )
    found = playground.history(name, starts, 30, angles, **varied)
    assert found == pytest.approx(expected.numpy(), abs=1e-12)


def test_a_start_that_runs_away_has_no_exponent():
    found = playground.history("henon", [[0.1, 0.1], [5.0, 5.0]], 30)
    assert (
        np.isfinite(found[:, 0]).all()
        and np.isnan(found[-1, 1]).all()
        and np.isfinite(found[0, 1]).all()
    )


def test_what_is_unknown_is_refused():
    with pytest.raises(
        playground.PlaygroundError, match="unknown map 'cat'; known: logistic, henon, linear, toy"
    ):
        playground.show("cat")
    with pytest.raises(
        playground.PlaygroundError, match="the map 'logistic' has no parameter k; known: r"
    ):
        playground.history("logistic", [[0.2]], 3, k=2)
    with pytest.raises(playground.PlaygroundError, match="steps=0"):
        playground.history("logistic", [[0.2]], 0)


def test_controls_can_be_set_to_all_their_presets():
    for name, s in playground.SYSTEMS.items():
        controls = {
            c["key"]: c
            for c in [
                *s["parameters"],
                playground.STEPS,
                playground.MEMBERS,
                *([s["angle"]] if s["angle"] else []),
            ]
        }
        for control in [*controls.values(), *s["start"]]:
            assert control["min"] <= control["value"] <= control["max"]
        for preset in s["presets"]:
            assert all(
                controls[key]["min"] <= value <= controls[key]["max"]
                for key, value in preset["set"].items()
            ), (name, preset["label"])


def test_the_kernel_recomputes_what_the_component_shows():
    state = {
        "system": "toy",
        "values": {"s": 0.4, "eps": 0.04},
        "start": [0.2],
        "angle": 0,
        "steps": 16,
        "members": 100,
    }
    rows = playground.summary(state)
    assert float(rows[0]["value"]) == pytest.approx(
        playground.history("toy", [[0.2]], 16)[-1, 0, 0], abs=1e-6
    )
    assert rows[1]["quantity"].startswith("100 members")
    box = playground.live("linear")
    component, results = box.children
    before = results.value
    component.state = component.state | {"steps": 40}
    assert results.value != before and "T = 40" in results.value


# --- in Chromium ---


@pytest.fixture
def place(page):
    """The playground alone on a page, without the book."""
    html = (
        playground.embed.inline("playground.css", "playground.js")
        + '<main class="rrm-playground"><script type="application/json">'
        + json.dumps(playground.options())
        + "</script></main><script>rrm.playgrounds()</script>"
    )
    page.set_content(
        f"<!doctype html><html lang=en><meta "
        f"charset=utf-8><title>playground</title><body>{html}</body></html>"
    )
    page.wait_for_selector(".rrm-playground[data-live=yes]")
    return page


@pytest.mark.parametrize(("name", "values", "start", "angle", "tolerance"), CASES)
def test_the_page_computes_what_ftle_computes(place, name, values, start, angle, tolerance):
    found = place.evaluate(
        "([n, p, z, a, t]) => rrm.exponents.run(n, p, z, a, t).history",
        [name, values, start, angle, 128],
    )
    assert np.array(found) == pytest.approx(
        playground.history(name, [start], 128, angle, **values)[:, 0], abs=tolerance
    )


@pytest.mark.parametrize("name", list(playground.SYSTEMS))
def test_the_ensemble_of_the_page_is_pythons(place, name):
    values = playground.settings(name)
    found = place.evaluate(
        "([n, p]) => rrm.exponents.ensemble(n, p, 60, 200, 64).last", [name, values]
    )
    given = {k: v for k, v in values.items() if (name, k) != ("toy", "s")}
    expected = playground.ensemble(name, 200, 64, **given)[-1, :, 0]
    assert np.array(found) == pytest.approx(expected[np.isfinite(expected)], abs=CHAOS)
    quantiles = place.evaluate(
        "v => { const s = v.slice().sort((a, b) => a - b); return [0.05, 0.5, 0.95].map(q => "
        "rrm.exponents.quantile(s, q)); }",
        found,
    )
    assert quantiles == pytest.approx(np.quantile(found, [0.05, 0.5, 0.95]), abs=1e-14)


def test_the_page_finds_the_same_captures_and_auc(place):
    found = place.evaluate(
        "() => { const e = rrm.exponents.ensemble('toy', {s: 0.4, eps: 0.04}, 0, 500, 16); "
        "const h = e.captured.map(c => c !== null);"
        " return [e.captured, rrm.exponents.auc(e.last.filter((_, i) => h[i]).map(v => -v), "
        "e.last.filter((_, i) => !h[i]).map(v => -v))]; }"
    )
    assert [-1 if c is None else c for c in found[0]] == playground.capture(500, 16).tolist()
    assert found[1] == pytest.approx(
        playground.transient_table([16], 500)["AUC of the lower exponent for captured"][0],
        abs=1e-12,
    )


def test_reference_values_of_the_page_are_the_long_run(place):
    for name, values in (
        ("logistic", {"r": 2.8}),
        ("logistic", {"r": 3.2}),
        ("logistic", {"r": 3.7}),
        ("henon", {"a": 1.2, "b": 0.3}),
    ):
        found = place.evaluate(
            "([n, p]) => rrm.exponents.reference(n, p, 60).values", [name, values]
        )
        assert found == pytest.approx(
            playground.ensemble(name, 64, 500, **values)[-1].mean(0), abs=1.5e-2
        ), (name, values)


def test_a_tangent_that_is_annihilated_has_no_logarithm(place):
    for name, values in (
        ("logistic", {"r": 2.0}),
        ("linear", {"a": 0, "b": 0, "c": 0, "d": 0}),
    ):
        found = place.evaluate(
            "([n, p]) => rrm.exponents.reference(n, p, 60).values.map(v => v === -Infinity)",
            [name, values],
        )
        assert found and all(found), name
    assert playground.linear_exact(8, 60.0, a=0.0, b=0.0, c=0.0, d=0.0) == -np.inf


def test_a_step_that_leaves_nothing_of_its_tangent_is_told(place):
    """At x = 1/2 the slope is 0: the floor of a logarithm stood there as an exponent."""
    status, told = place.locator(".rrm-status"), "counts as ln 10⁻³⁰, −69.078"
    assert told not in status.inner_text()
    start = place.get_by_role("slider", name="start x")
    start.evaluate("s => { s.value = 0.5; s.dispatchEvent(new Event('input')); }")
    place.wait_for_function(f"document.querySelector('.rrm-status').textContent.includes('{told}')")


def test_a_picture_is_painted_between_a_move_and_its_frame(place):
    """More steps are asked for than were computed: the picture of the result before is painted."""
    place.evaluate("""async () => {
        const steps = document.querySelector('input[aria-label="steps T"]');
        const home = document.querySelector('.rrm-playground'), before = home.innerHTML;
        window.requestAnimationFrame = () => 1; // the frame of the move does not come
        steps.value = steps.max;
        steps.dispatchEvent(new Event('input'));
        home.style.width = '500px';
        while (home.innerHTML === before) await new Promise((done) => setTimeout(done, 20));
    }""")
    place.wait_for_timeout(200)
    assert place.complaints == []


def test_one_step_is_seen(place):
    """At T = 1 the exponent is the slope where the orbit starts: a dot in a band of some width."""
    steps = place.get_by_role("slider", name="steps T")
    steps.evaluate("s => { s.value = 1; s.dispatchEvent(new Event('input')); }")
    place.wait_for_function("document.querySelector('.rrm-status').textContent.includes('T = 1.')")
    panel = place.locator("svg", has=place.locator(".rrm-band")).filter(has_text="growth / T").first
    band, whole = panel.locator(".rrm-band").bounding_box(), panel.bounding_box()
    assert band["width"] >= 15 and band["height"] > 20
    middle = band["x"] + band["width"] / 2 - whole["x"]
    assert 0.3 < middle / whole["width"] < 0.7, "not on an edge"
    dot = panel.locator(".rrm-dot").bounding_box()
    assert abs(dot["x"] + dot["width"] / 2 - band["x"] - band["width"] / 2) < 1


def test_keys_and_presets_change_the_words(place):
    status = place.locator(".rrm-status")
    assert "T = 16" in status.inner_text() and status.get_attribute("aria-live") is None
    steps = place.get_by_role("slider", name="steps T")
    steps.focus()
    steps.press("ArrowRight")
    place.wait_for_function("document.querySelector('.rrm-status').textContent.includes('T = 17')")
    assert steps.get_attribute("aria-valuetext") == "17"
    place.get_by_role("button", name="128 steps").press("Enter")
    assert "T = 128" in status.inner_text()
    place.get_by_label("map").select_option("linear")
    place.get_by_role("button", name="shear, both shrink").click()
    place.get_by_role("button", name="16 steps").press("Space")
    state = place.evaluate("document.querySelector('.rrm-playground').playground.state")
    exact = playground.linear_exact(16, state["angle"], **state["values"])
    assert f"{exact:.3f}" in status.inner_text() and exact > 0
    assert place.complaints == []


@pytest.mark.parametrize("name", list(playground.SYSTEMS))
def test_every_place_of_every_slider_is_drawn_at_once(place, name):
    """Where all exponents are equal to rounding, axes once sought ticks for half a minute."""
    place.get_by_label("map").select_option(name)
    slowest = place.evaluate(
        """() => Math.max(...[...document.querySelectorAll('.rrm-sliders input')].map(slider => {
            const was = slider.value, low = Number(slider.min), high = Number(slider.max);
            const took = [...Array(41).keys()].map(k => {
                const began = performance.now();
                slider.value = low + (high - low) * k / 40;
                slider.dispatchEvent(new Event('input'));
                document.querySelector('.rrm-playground').playground.set({});
                return performance.now() - began;
            });
            slider.value = was;
            slider.dispatchEvent(new Event('input'));
            return Math.max(...took);
        }))"""
    )
    assert slowest < 2_000 and place.complaints == []


def test_a_picture_far_from_the_screen_is_drawn_when_it_comes_near_or_on_paper(place):
    place.set_viewport_size({"width": 390, "height": 300})
    place.evaluate("scrollTo(0, 0)")
    place.wait_for_timeout(300)
    words = ".rrm-spread figcaption, .rrm-spread svg"
    spread = "document.querySelector('.rrm-spread svg').innerHTML"
    before = place.evaluate(spread)
    place.get_by_role("button", name="128 steps").evaluate("node => node.click()")
    assert place.evaluate(spread) == before
    place.locator(words).first.scroll_into_view_if_needed()
    place.wait_for_function(f"text => {spread} !== text", arg=before)
    place.evaluate("scrollTo(0, 0)")
    place.wait_for_timeout(300)
    later = place.evaluate(spread)
    place.get_by_role("button", name="16 steps").evaluate("node => node.click()")
    assert place.evaluate(spread) == later
    place.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert place.evaluate(spread) != later


def test_every_control_is_reached_by_tab_and_shows_focus(place):
    place.get_by_label("map").focus()
    seen = []
    for _ in range(30):
        label = place.evaluate(
            "(e => e.closest('.rrm-playground') ? (e.getAttribute('aria-label') || "
            "e.textContent) + '|' + getComputedStyle(e).outlineStyle : '')(document.activeElement)"
        )
        if not label:
            break
        seen.append(label)
        place.keyboard.press("Tab")
    names = [entry.split("|")[0] for entry in seen]
    wanted = [
        "map",
        "parameter r",
        "start x",
        "steps T",
        "ensemble",
        *(p["label"] for p in playground.SYSTEMS["logistic"]["presets"]),
    ]
    assert names == wanted and all(entry.endswith("|solid") for entry in seen[1:])


def test_pictures_are_words_for_those_who_do_not_see_them(place):
    for name in playground.SYSTEMS:
        place.get_by_label("map").select_option(name)
        assert place.locator("figure svg[aria-hidden=true]").count() == 3 and all(
            len(t) > 25 for t in place.locator("figcaption").all_inner_texts()
        )
        assert "median" in place.locator(".rrm-status").inner_text()
        assert "NaN" not in place.locator(".rrm-playground").inner_html()


def test_the_page_of_the_book_works_from_disk_and_on_a_phone(book, browser):
    for width, script in ((1280, True), (360, True), (1280, False)):
        context = browser.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=script
        )
        found = context.new_page()
        found.goto((book / "book/playground.html").as_uri())
        if script:
            found.wait_for_selector(".rrm-playground[data-live=yes]")
            found.get_by_label("map").select_option("toy")
            assert "Captured within T" in found.locator(".rrm-status").inner_text()
            assert found.evaluate("document.documentElement.scrollWidth") <= width
        else:
            assert (
                "the playground needs JavaScript" in found.locator(".rrm-playground").inner_text()
            )
        context.close()
