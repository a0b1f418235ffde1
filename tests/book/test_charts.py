"""Charts: every one draws, describes itself and carries no address; HTML from hostile names stays text."""

import io
import json
import re
import sys

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert
from PIL import Image
from rrm_companion import charts, embed, report, study_report, widgets

from rrm_core.analysis import cells, controls, early, spectrum, stats
from rrm_core.runs import tables
from rrm_core.runs.tables import Run


def every_chart(run):
    df, late = run.table, cells.late_drift(run.table)
    band = cells.band(late)
    assigned = cells.assign(late, df.correct, band.strict)
    matched, mean = controls.decile_auc(df, late, band.strict, resamples=100)
    return {
        "histogram": charts.late_drift_histogram(charts.bins(late, df.correct), band, run.label),
        "scatter": charts.drift_lambda_scatter(charts.rows(df, late), band, run.label),
        "by cell": charts.lambda_by_cell(charts.rows(df, late, cell=assigned), run.label),
        "profiles": charts.profiles(
            cells.profiles(df, assigned), cells.lines(df, [0, 1]), run.label, "two puzzles"
        ),
        "spectrum": charts.spectrum(spectrum.spectrum(df), run.label),
        "published spectrum": charts.spectrum(report.published_spectrum("TRM"), "paper"),
        "sweep": charts.sweep(cells.sweep(late, df.correct).assign(run=run.label), run.label),
        "matched": charts.auc_by_bin(matched, "bin", "bin", mean.value, run.label),
        "early": charts.early_window(early.early_window(df, run.updates_per_segment), run.label),
        "horizons": charts.horizons(study_report.horizons_table(run, 4), run.label),
        "training": charts.training_log(tables.read_log(run.name), run.meta["step"], run.label),
        "halting": charts.halting(report.halting_table(run), run.label),
    }


def test_every_chart_draws_and_describes_itself(run):
    for name, chart in every_chart(run).items():
        spec = chart.to_dict()
        assert len(spec["description"]) > 40, name
        html = charts.figure(spec)
        assert 'src="data:image/png;base64,' in html and 'alt="' in html
        assert not re.search(r'(src|href)="https?:', html)
        sent = json.loads(
            re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1]
        )
        large = [name for name, rows in spec["datasets"].items() if len(rows) >= charts.LARGE]
        for table in large:  # CSV tells every row again, numbers in six digits
            told = pd.read_csv(
                io.StringIO(sent["datasets"][table]), keep_default_na=False, na_values=[""]
            )
            pd.testing.assert_frame_equal(
                told, pd.DataFrame(spec["datasets"][table]), rtol=1e-5, atol=0, check_dtype=False
            )
            sent["datasets"][table] = spec["datasets"][table]
        assert (
            json.loads(
                re.sub(r', "format": \{"type": "csv", "parse": \{[^}]*\}\}', "", json.dumps(sent))
            )
            == spec
        )
        if large:
            sent = charts.compact(spec)
            assert len(embed.as_json(sent)) < 0.6 * len(embed.as_json(spec))
            pixels = [
                np.asarray(
                    Image.open(io.BytesIO(vl_convert.vegalite_to_png(s))).convert("RGB")
                ).astype(int)
                for s in (sent, spec)
            ]
            assert (np.abs(pixels[0] - pixels[1]).max(-1) > 8).mean() < 1e-3, (
                f"{name}: as CSV it draws something else"
            )


def test_a_figure_tells_its_panels_and_says_each_mark_once(run):
    panels = [
        chart
        for name, chart in every_chart(run).items()
        if name in ("histogram", "scatter", "matched")
    ]
    html = charts.figure(charts.grid([*panels, panels[0]]).to_dict())
    alternative, caption = (
        re.search(pattern, html, re.S)[1]
        for pattern in (r'<img alt="(.*?)"', r"<figcaption>(.*?)</figcaption>")
    )
    assert alternative.count("Late drift. ") == 2 and run.name in alternative
    assert (
        caption.count("Bars: puzzles by late drift and outcome.")
        == 1
        == caption.count("Dashed: Otsu, dotted: strict.")
        and run.name not in caption
    )
    assert "hollow ones hold fewer than five of an outcome" in caption


def test_a_readers_own_chart_is_shown_as_well():
    chart = (
        alt.Chart(pd.DataFrame({"description": ["a row"], "x": [1]}))
        .mark_point()
        .encode(x="x:Q")
        .properties(description="My own. Twice.", title="plain")
    )
    html = charts.figure(chart.to_dict())
    assert '<img alt="My own. Twice."' in html and "<figcaption>My own. Twice.</figcaption>" in html
    assert "<figcaption></figcaption>" in charts.figure(
        alt.Chart(pd.DataFrame({"x": [1]})).mark_point().encode(x="x:Q").to_dict()
    )


def test_false_stays_false_in_a_large_table():
    table = pd.DataFrame({"x": range(250), "ok": [i % 5 > 0 for i in range(250)]})
    sent = charts.compact(alt.Chart(table).mark_tick().encode(x="x:Q").to_dict())
    (text,) = sent["datasets"].values()
    words = [line.split(",")[1] for line in text.split()[1:]]
    assert words == [
        "true" if ok else "false" for ok in table.ok
    ]  # Vega's parser takes "False" for true


@pytest.mark.parametrize(
    "change",
    [
        "document.documentElement.dataset.theme = 'dark'",
        "document.body.dataset.jpThemeLight = 'false'",
    ],
)
def test_a_chart_follows_the_theme_of_the_book_and_of_jupyterlab(change, page, monkeypatch):
    monkeypatch.setattr(embed, "_sent", set())
    figure = charts.figure(
        charts.titled(
            alt.Chart(pd.DataFrame({"x": [1, 2]})).mark_tick().encode(x="x:Q"),
            "Two ticks",
            "made up",
            "For a test.",
        ).to_dict()
    )
    page.set_content(f"<!doctype html><html><body>{figure}</body></html>")
    page.wait_for_selector("figure.rrm-chart[data-live='yes'] canvas")
    before = page.evaluate("document.querySelector('canvas').toDataURL()")
    page.evaluate(f"{change}; 0")
    page.wait_for_function(
        "before => document.querySelector('canvas') && document.querySelector('canvas').toDataURL() !== before",
        arg=before,
    )
    assert page.complaints == []


@pytest.mark.parametrize("kind", ["PNG", "SVG"])
def test_a_chart_can_be_saved_as_a_picture(kind, page, monkeypatch):
    monkeypatch.setattr(embed, "_sent", set())
    figure = charts.figure(
        charts.titled(
            alt.Chart(pd.DataFrame({"x": [1, 2]})).mark_tick().encode(x="x:Q"),
            "λ1 by cell",
            "made up",
            "For a test.",
        ).to_dict()
    )
    page.set_content(f"<!doctype html><html><body>{figure}</body></html>")
    page.wait_for_selector("figure.rrm-chart[data-live='yes'] canvas")
    page.get_by_label("save this chart as a picture").click()
    with page.expect_download() as waiting:
        page.locator(".rrm-chart .vega-actions a", has_text=kind).click()
    assert waiting.value.suggested_filename == f"λ1-by-cell-made-up.{kind.lower()}"
    assert waiting.value.path().read_bytes().startswith({"PNG": b"\x89PNG", "SVG": b"<svg"}[kind])
    assert page.complaints == []


def test_bins_count_every_puzzle(run):
    late = cells.late_drift(run.table)
    table = charts.bins(late, run.table.correct)
    assert (
        table.groupby("outcome").n.sum().to_dict()
        == run.table.correct.map({True: "correct", False: "wrong"}).value_counts().to_dict()
    )


def test_scripts_are_sent_once_a_notebook_and_not_at_all_in_the_book(monkeypatch):
    monkeypatch.setattr(embed, "_sent", set())
    assert "rrm.drawAll" in embed.once("charts.js") and embed.once("charts.js") == ""
    monkeypatch.setitem(
        sys.modules, "google.colab", None
    )  # each output of Colab is a page of its own
    assert "rrm.drawAll" in embed.once("charts.js") and "rrm.drawAll" in embed.once("charts.js")
    monkeypatch.delitem(sys.modules, "google.colab")
    monkeypatch.setattr(embed, "_sent", set())
    monkeypatch.setenv("RRM_PUBLISH", "1")
    assert embed.once("charts.js", "vega.js") == ""


def test_json_in_a_script_cannot_end_it():
    assert "</script" not in embed.as_json({"x": "</script><script>alert(1)</script>"})
    with pytest.raises(ValueError):
        embed.as_json([float("nan")])


def test_hostile_text_stays_text():
    assert "<img" not in widgets.board("1" * 16, "<img src=x onerror=alert(1)>")
    shown = report.show(
        pd.DataFrame({"run": ["<img src=x>"], "x": [np.nan]}), "<b>caption</b>"
    ).html
    assert "<img" not in shown and "<b>" not in shown and "–" in shown


def test_whole_numbers_are_shown_whole():
    html = report.show(
        pd.DataFrame({"n": [2048, 3], "x": [0.5, 1.0], "h": [4.0, np.nan]}), "t"
    ).html
    assert "2,048" in html and "0.500" in html and "<td>4</td>" in html and "4.000" not in html


def test_explorer_rows_are_complete(run):
    rows = json.loads(embed.as_json(widgets.rows(run)))
    assert rows["n"] == len(run.table) and rows["idx"] == run.table.idx.tolist()
    assert np.array_equal(rows["states"]["h"]["late"], cells.late_drift(run.table)), (
        "late drift must keep every bit"
    )
    assert len(rows["bound"]["low"]) == (~run.table.correct).sum() + 1
    for k, n in ((0, 1), (1, 1), (0, 278), (12, 278), (278, 278), (7, 4900)):
        assert [b[k] for b in stats.bounds(n)] == pytest.approx(
            [stats.proportion(k, n).low, stats.proportion(k, n).high], abs=1e-10
        )
    assert np.array_equal(np.float32(rows["lambda_1"]), run.table.lambda_1), (
        "so must lambda_1: AUC is computed from its ranks"
    )


def test_a_run_without_failures_has_an_explorer_too(runs):
    solved = runs["trm-6x6"].table.query("correct").head(30).reset_index(drop=True)
    rows = json.loads(embed.as_json(widgets.rows(Run("trm-6x6", runs["trm-6x6"].meta, solved))))
    assert (
        rows["correct"] == [1] * 30
        and rows["zero_bound"] is None
        and rows["bound"] == {"low": [], "high": []}
    )


def test_the_kernel_version_recomputes(run, monkeypatch):
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    box = widgets.live([run])
    component, results = box.children
    values = cells.late_drift(run.table)
    component.tau = float(np.quantile(values, 0.3))
    n = cells.count(cells.assign(values, run.table.correct, component.tau))
    assert str(stats.proportion(n["B"], n["B"] + n["D"])) in results.value
    out = values >= component.tau
    assert str(stats.auc(-run.table.lambda_1[out], run.table.correct[out])) in results.value


def test_no_dead_slider_in_the_book(run, monkeypatch):
    monkeypatch.setenv("RRM_PUBLISH", "1")
    assert "With a kernel" in widgets.live([run]).data


def test_a_long_table_scrolls_and_says_so_and_a_short_one_does_not():
    rows = pd.DataFrame({"n": range(report.LONG + 1)})
    assert (
        "rrm-long" in report.show(rows, "Many.").html
        and f"Many. {report.LONG + 1} rows; scroll for more." in report.show(rows, "Many.").html
    )
    for html in (
        report.show(rows.head(report.LONG), "Few.").html,
        report.show(rows, "All.", whole=True).html,
    ):
        assert "rrm-long" not in html and "scroll for more" not in html
