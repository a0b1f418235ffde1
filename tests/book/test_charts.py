"""Charts: every one draws, describes itself and carries no address; hostile names stay text."""

import json
import re
import sys
import types

import altair as alt
import numpy as np
import pandas as pd
import pytest
from rrm_companion import boards, charts, embed, kernel, pagedata, show

from rrm_core.analysis import cells, phases, stats
from rrm_core.runs import tables
from rrm_core.runs.tables import Run


def every_chart(run):
    df, late = run.table, cells.late_drift(run.table)
    band, rows = cells.band(late), charts.rows(df, late)
    share = vars(stats.proportion(3, 40)) | {"model": "HRM", "of": "failures"}
    shares = pd.DataFrame([share | {"source": s} for s in ("measured here", "paper")])
    length = pd.DataFrame({"segment": range(17), "length": range(17), "puzzle": "solved"})
    return {
        "histogram": charts.late_drift_histogram(cells.bins(late, df.correct), band, "HRM"),
        "settled": charts.settled(shares, "HRM"),
        "stopwatch": charts.stopwatch(rows.assign(last_wrong=phases.last_wrong(df)), "HRM"),
        "switch": charts.switch(phases.by_solving_time(df), "HRM"),
        "lengths": charts.lengths(length, "HRM"),
        "training": charts.training_log(tables.read_log(run.name), run.meta["step"], "HRM"),
    }


def test_every_chart_draws_and_describes_itself(run):
    for name, chart in every_chart(run).items():
        spec = chart.to_dict()
        assert len(spec["description"]) > 20, name
        html = charts.figure(spec)
        assert 'src="data:image/png;base64,' in html and 'alt="' in html
        assert not re.search(r'(src|href)="https?:', html)
        sent = re.search(r'<script type="application/json">(.*?)</script>', html, re.S)[1]
        assert json.loads(sent) == spec


def marks(spec, above=()):
    """The encodings of each mark of a chart, with those of the layers it stands in."""
    own = {**dict(above), **spec.get("encoding", {})}
    for kind in ("layer", "hconcat", "vconcat", "concat"):
        for part in spec.get(kind, []):
            yield from marks(part, own)
    if "mark" in spec and spec["mark"]["type"] != "area":  # a band lies about its line
        yield own


def test_no_mark_tells_outcomes_by_colour_alone(run):
    named = {"x", "y", "text", "shape", "strokeDash", "fillOpacity", "row", "column"}
    drifts = charts.drifts(cells.drift_by_segment(run.table), "HRM", {})
    told = 0
    for name, chart in (every_chart(run) | {"drifts": drifts}).items():
        for encoding in marks(chart.to_dict()):
            shows = {way for way, of in encoding.items() if '"outcome"' in json.dumps(of)}
            if shows & {"color", "fill", "stroke"}:
                assert shows & named, (name, shows)
                told += 1
    assert told >= 3


def test_a_scatter_sends_every_puzzle_as_csv(run):
    table = charts.rows(run.table, cells.late_drift(run.table))
    data = charts.as_csv(table)
    lines = data.values.strip().split("\n")
    assert len(lines) == len(run.table) + 1 and len(lines[1]) < 50
    assert lines[0] == "idx,late,lambda_1,outcome"


def test_a_figure_keeps_its_place_before_it_is_drawn(run):
    html = charts.figure(every_chart(run)["switch"].to_dict())
    width, height = map(int, re.search(r'width="(\d+)" height="(\d+)"', html).groups())
    assert 250 < width < 800 and 190 < height < 500
    assert f"--wide: {height / 16:.1f}rem" in html
    narrow = float(re.search(r"--narrow: ([\d.]+)rem", html)[1])
    assert height / 16 <= narrow < 2.2 * height / 16


def test_a_figure_tells_its_panels_and_says_each_mark_once(run):
    panels = [every_chart(run)[name] for name in ("histogram", "stopwatch", "histogram")]
    html = charts.figure(charts.grid(panels).to_dict())
    patterns = (r'<img alt="(.*?)"', r"<figcaption>(.*?)</figcaption>")
    alternative, caption = (re.search(pattern, html, re.S)[1] for pattern in patterns)
    assert alternative.count("HRM. measured here.") == 3
    assert caption.count("Bars: puzzles;") == 1 == caption.count("One mark a puzzle")


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


@pytest.mark.parametrize(
    "change",
    [
        "document.documentElement.dataset.theme = 'dark'",
        "document.body.dataset.jpThemeLight = 'false'",
    ],
)
def test_a_chart_follows_the_theme_of_the_book_and_of_jupyterlab(change, page, monkeypatch):
    monkeypatch.setattr(embed, "_sent", {})
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
        "before => document.querySelector('canvas')"
        " && document.querySelector('canvas').toDataURL() !== before",
        arg=before,
    )
    assert page.complaints == []


@pytest.mark.parametrize("kind", ["PNG", "SVG"])
def test_a_chart_can_be_saved_as_a_picture(kind, page, monkeypatch):
    monkeypatch.setattr(embed, "_sent", {})
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


def test_a_chart_is_drawn_once_and_another_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("RRM_DATA", str(tmp_path / "data"))
    drawn, picture = [], charts.picture
    monkeypatch.setattr(charts, "picture", lambda spec: drawn.append(1) or picture(spec))

    def shown(values):
        ticks = alt.Chart(pd.DataFrame({"x": values})).mark_tick().encode(x="x:Q")
        return charts.figure(charts.titled(ticks, "once", "made up", "For a test.").to_dict())

    same = [re.search(r"base64,[^\"]+", shown([1, 2]))[0] for _ in range(2)]
    assert len(drawn) == 1 and same[0] == same[1]
    other = re.search(r"base64,[^\"]+", shown([1, 5, 9]))[0]
    assert len(drawn) == 2 and other != same[0]


def test_bins_count_every_puzzle(run):
    late = cells.late_drift(run.table)
    table = cells.bins(late, run.table.correct)
    assert (
        table.groupby("outcome").n.sum().to_dict()
        == run.table.correct.map({True: "correct", False: "wrong"}).value_counts().to_dict()
    )


def test_scripts_are_sent_once_a_notebook_and_not_at_all_in_the_book(monkeypatch):
    monkeypatch.setattr(embed, "_sent", {})
    assert "rrm.drawAll" in embed.once("charts.js") and embed.once("charts.js") == ""
    monkeypatch.setitem(
        sys.modules, "google.colab", None
    )  # each output of Colab is a page of its own
    assert "rrm.drawAll" in embed.once("charts.js") and "rrm.drawAll" in embed.once("charts.js")
    monkeypatch.delitem(sys.modules, "google.colab")
    monkeypatch.setattr(embed, "_sent", {})
    monkeypatch.setenv("RRM_PUBLISH", "1")
    assert embed.once("charts.js", "vega.js") == ""


def test_a_cell_of_a_table_has_true_minus_and_reads_numpys_numbers():
    numbers = (
        np.float32(0.123456),
        np.int64(12345),
        -0.001,
        -1.5,
        True,
        "fails, -0.2 [-0.3, -0.1]",
    )
    told = ["0.12", "12,345", "0.00", "−1.50", "True", "fails, −0.2 [−0.3, −0.1]"]
    assert [show.cell(value) for value in numbers] == told
    assert show.cell(stats.Estimate(-0.5, -0.6, -0.4, 9, "")) == "−0.50 [−0.60, −0.40]"
    assert show.cell("hrm-6x6, 2026-11-30, -p") == "hrm-6x6, 2026-11-30, -p"


def test_a_cell_that_runs_again_sends_again_what_its_output_had(monkeypatch):
    """Its old output is gone, and with it the scripts that the outputs below need."""
    call = {}
    shell = types.SimpleNamespace(get_parent=lambda: call)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr(embed, "_sent", {})

    def sent(cell, number):
        call.update(metadata={"cellId": cell}, header={"msg_id": number})
        return [bool(embed.once("charts.js")) for _ in range(2)]

    assert [sent("a", 1), sent("b", 2)] == [[True, False], [False, False]]
    assert [sent("b", 3), sent("a", 4)] == [[False, False], [True, False]]
    assert sent(None, 5) == sent(None, 6) == [False, False]  # no front end names the cell


def test_json_in_a_script_cannot_end_it():
    assert "</script" not in embed.as_json({"x": "</script><script>alert(1)</script>"})
    with pytest.raises(ValueError):
        embed.as_json([float("nan")])


def test_hostile_text_stays_text():
    assert "<img" not in boards.board("1" * 16, "<img src=x onerror=alert(1)>")
    frame = pd.DataFrame({"<i>run": ["<img src=x>"], "x": [np.nan]})
    shown = show.table(frame, "<b>caption</b>").html
    assert not re.search("<(img|b|i)>", shown) and "–" in shown


def test_a_table_scrolls_has_a_caption_and_says_what_heads_a_column():
    frame = pd.DataFrame({"n": [2048, 3], "x": [0.5, -1.0], "h": [4.0, np.nan]})
    html = show.table(frame.assign(e=[stats.proportion(3, 40), None]), "A caption.").html
    assert html.count('<th scope="col"') == 4 and "<caption>A caption.</caption>" in html
    assert 'role="region" aria-label="A caption."' in html and 'tabindex="0"' in html
    assert "style" not in html and "id=" not in html
    cells_ = re.findall(r"<td[^>]*>(.*?)</td>", html)
    assert cells_ == ["2,048", "0.50", "4", "0.07 [0.02, 0.20]", "3", "−1.00", "–", "–"]


def test_a_ledger_has_what_the_paper_prints_and_each_models_verdict():
    html = show.ledger(show.models(), ["C2"]).html
    assert html.startswith("<details>") and "holds" in html and "paper, TRM" in html
    assert "HRM" not in show.ledger(show.models(hrm=""), ["C1"]).html.split("</thead>")[0]


def test_a_slot_takes_one_run_of_its_architecture():
    assert list(show.models()) == ["HRM", "TRM"] and list(show.models(trm="")) == ["HRM"]
    for bad, message in (
        ({"hrm": "trm-6x6"}, "give it as trm="),
        ({"hrm": "", "trm": ""}, "one run at least"),
        ({"trm": "nothing"}, "nothing"),
    ):
        with pytest.raises(ValueError, match=message):
            show.models(**bad)
    with pytest.raises(TypeError, match="the name of one run"):
        show.models(hrm=["hrm-6x6"])


def test_what_an_output_carries_is_made_once_and_anew_for_another_table(run, monkeypatch):
    made, original = [], pagedata.rows
    monkeypatch.setattr(pagedata, "rows", lambda of: made.append(of.name) or original(of))
    first = pagedata.rows_script(run)
    before = len(made)
    assert pagedata.rows_script(Run(run.name, run.meta, run.table.copy())) == first
    assert len(made) == before <= 1
    other = run.table.assign(token_acc=run.table.token_acc.to_numpy()[::-1])
    assert pagedata.rows_script(Run(run.name, run.meta, other)) != first
    assert len(made) == before + 1


def test_explorer_rows_are_complete(run):
    rows = json.loads(embed.as_json(pagedata.rows(run)))
    assert rows["n"] == len(run.table) and rows["idx"] == run.table.idx.tolist()
    assert np.array_equal(rows["states"]["h"]["late"], cells.late_drift(run.table)), (
        "late drift must keep every bit"
    )
    assert pd.factorize(run.table.solution)[0].tolist() == rows["unit"]
    assert np.array_equal(np.float32(rows["lambda_1"]), run.table.lambda_1), (
        "so must lambda_1: AUC is computed from its ranks"
    )


def test_a_run_without_failures_has_an_explorer_too(runs):
    solved = runs["trm-6x6"].table.query("correct").head(30).reset_index(drop=True)
    rows = json.loads(embed.as_json(pagedata.rows(Run("trm-6x6", runs["trm-6x6"].meta, solved))))
    assert rows["correct"] == [1] * 30


def test_the_kernel_version_recomputes(run, monkeypatch):
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    box = kernel.live({"TRM": run})
    component, results = box.children
    values = cells.late_drift(run.table)
    component.tau = float(np.quantile(values, 0.3))
    n = cells.count(cells.assign(values, run.table.correct, component.tau))
    failed = ~run.table.correct.to_numpy()
    share = stats.share(values[failed] < component.tau, stats.units(run.table)[failed])
    assert share.value == n["B"] / (n["B"] + n["D"])
    assert show.cell(share, 3) in results.value
    out = values >= component.tau
    unit = stats.units(run.table)[out]
    auc = stats.auc(-run.table.lambda_1[out], run.table.correct[out], unit)
    assert show.cell(auc, 3) in results.value


def test_no_dead_slider_in_the_book(run, monkeypatch):
    monkeypatch.setenv("RRM_PUBLISH", "1")
    assert kernel.live({"TRM": run}) is None
