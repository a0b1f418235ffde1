"""Altair charts of tidy tables, and the renderer that draws them in the book without a network.

A chart takes a tidy table from :mod:`rrm_core.analysis.cells` or :mod:`rrm_core.analysis.stats` and returns a chart: no statistics here.
Colours are Okabe and Ito's; outcome is shown by shape or text as well. What moves with a slider is drawn by the components of
:mod:`rrm_companion.widgets` themselves: redrawing Vega takes longer than a frame.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from html import escape

import altair as alt
import numpy as np
import pandas as pd
from rrm_companion.embed import as_json, once

from rrm_core.analysis.cells import CELLS, Band, bins, outcomes  # noqa: F401 (bins: for the chapters)

CORRECT, WRONG = "#0072b2", "#d55e00"
OUTCOME = {
    "scale": alt.Scale(domain=["correct", "wrong"], range=[CORRECT, WRONG]),
    "title": "outcome at segment 16",
}
CELL = {
    "scale": alt.Scale(domain=list(CELLS), range=[CORRECT, "#cc79a7", "#56b4e9", WRONG]),
    "title": "cell",
}
LATE = "log10 late drift (segments 13-16)"
LAMBDA = "largest exponent λ1, per update"
WIDTH = 245  # two charts fit side by side on a page of the book
DIAGONAL = (
    "M-1,-1L1,1M-1,1L1,-1"  # a cross of two strokes, which stays apart from a circle at any size
)
NO_DATA = alt.Data(values=[{}])


# --- pieces ------------------------------------------------------------------------------------------------------


def markers(band: Band) -> list[alt.Chart]:
    """Vertical rules at the thresholds that the run has: dashed at Otsu, dotted at strict."""
    return [
        level(value, "x", strokeDash=dash)
        for value, dash in ((band.otsu, [6, 4]), (band.strict, [2, 3]))
        if np.isfinite(value)
    ]


def level(value: float, axis: str = "y", **style: object) -> alt.Chart:
    """A rule across the chart at `value` of an axis; dashed unless `style` says otherwise."""
    return (
        alt.Chart(NO_DATA)
        .mark_rule(**({"strokeDash": [4, 4], "color": "#777777"} | style))
        .encode(**{axis: alt.datum(value)})
    )


def grid(panels: list[alt.Chart], columns: int = 2) -> alt.ConcatChart:
    """Charts of several runs side by side, two in a row: what fits the book's column."""
    return alt.concat(*panels, columns=columns)


def titled(chart: alt.Chart, title: str, source: str, description: str) -> alt.Chart:
    """`chart` with a title, whose figures these are, and what a reader who cannot see it should know."""
    return chart.properties(
        title=alt.Title(title, subtitle=source, anchor="start"),
        description=f"{title}. {source}. {description}",
    )


def rows(df: pd.DataFrame, values: np.ndarray, **more: object) -> pd.DataFrame:
    """The columns that the scatter and the box plot draw: idx, late, lambda_1, outcome, and `more`."""
    return pd.DataFrame(
        {
            "idx": df.idx,
            "late": np.round(values, 4),
            "lambda_1": df.lambda_1.round(5),
            "outcome": outcomes(df.correct),
        }
        | more
    )


# --- the charts --------------------------------------------------------------------------------------------------


def late_drift_histogram(table: pd.DataFrame, band: Band, source: str) -> alt.Chart:
    """Late drift of one run by outcome with the thresholds; `table` from :func:`bins`."""
    bars = (
        alt.Chart(table)
        .mark_bar(stroke=None)
        .encode(
            x=alt.X(
                "start:Q",
                bin="binned",
                title=LATE,
                scale=alt.Scale(zero=False, nice=False),
                axis=alt.Axis(tickCount=6),
            ),
            x2="end:Q",
            y=alt.Y("n:Q", title="puzzles", stack=True),
            color=alt.Color("outcome:N", **OUTCOME, legend=alt.Legend(orient="bottom")),
            opacity=alt.condition(
                f"datum.start < {band.otsu if np.isfinite(band.otsu) else '-Infinity'}",
                alt.value(1),
                alt.value(0.55),
            ),
            tooltip=[
                alt.Tooltip("start:Q", format=".2f"),
                alt.Tooltip("end:Q", format=".2f"),
                "outcome:N",
                "n:Q",
            ],
        )
    )
    chart = alt.layer(bars, *markers(band)).properties(width=WIDTH, height=190)
    return titled(
        chart,
        "Late drift",
        source,
        "Bars: puzzles by late drift and outcome. Full colour: below Otsu, pale: above. Dashed: Otsu, dotted: strict.",
    )


def drift_lambda_scatter(table: pd.DataFrame, band: Band, source: str) -> alt.Chart:
    """F1: late drift against the largest exponent, one mark a puzzle; `table` from :func:`rows`."""
    points = (
        alt.Chart(table)
        .mark_point(size=22, opacity=0.6, strokeWidth=1)
        .encode(
            x=alt.X(
                "late:Q",
                title=LATE,
                scale=alt.Scale(zero=False, nice=False),
                axis=alt.Axis(tickCount=6),
            ),
            y=alt.Y("lambda_1:Q", title=LAMBDA, scale=alt.Scale(zero=False)),
            color=alt.Color("outcome:N", **OUTCOME, legend=alt.Legend(orient="bottom")),
            shape=alt.Shape(
                "outcome:N",
                scale=alt.Scale(domain=["correct", "wrong"], range=["circle", DIAGONAL]),
                title=OUTCOME["title"],
            ),
            tooltip=[
                "idx:Q",
                alt.Tooltip("late:Q", format=".3f"),
                alt.Tooltip("lambda_1:Q", format=".4f"),
                "outcome:N",
            ],
        )
    )
    chart = alt.layer(points, *markers(band)).properties(width=WIDTH, height=190)
    return titled(
        chart,
        "Late drift and λ1",
        source,
        "One mark a puzzle; circles are correct, crosses wrong. Dashed: Otsu, dotted: strict.",
    )


def lambda_by_cell(table: pd.DataFrame, source: str) -> alt.Chart:
    """F2: λ1 by cell; `table` from :func:`rows` with a column ``cell``. Box: quartiles, whiskers: the whole range."""
    settled = table[table.cell == "B"]
    y = alt.Y("cell:N", title="cell", scale=alt.Scale(domain=list(CELLS)), sort=list(CELLS))
    both = (
        alt.Chart(table[["cell", "lambda_1"]])
        .mark_boxplot(extent="min-max", size=18)
        .encode(
            x=alt.X("lambda_1:Q", title=LAMBDA, scale=alt.Scale(zero=False)),
            y=y,
            color=alt.Color("cell:N", **CELL, legend=None),
        )
    )
    if len(settled):  # an empty layer has no extent, and Vega says so
        both += (
            alt.Chart(settled[["cell", "lambda_1", "idx"]])
            .mark_tick(size=22, thickness=1.5, color="#cc79a7")
            .encode(x="lambda_1:Q", y=y, tooltip=["idx:Q", "lambda_1:Q"])
        )
    return titled(
        both.properties(width=WIDTH, height=190),
        "λ1 by cell",
        source,
        "Boxes: quartiles and range of each cell; every puzzle of cell B is a tick.",
    )


def profiles(bands: pd.DataFrame, lines: pd.DataFrame, source: str, what: str) -> alt.Chart:
    """Drift by segment: median and 10-90 % band of cells, and single puzzles as lines (`what` says which).

    `bands`: cell, segment, low, median, high; `lines`: idx, segment, drift (all log10 drift).
    """
    x = alt.X("segment:Q", title="segment", scale=alt.Scale(domain=[1, 16]))
    y = alt.Y("low:Q", title="log10 drift of z_H", scale=alt.Scale(zero=False))
    area = (
        alt.Chart(bands)
        .mark_area(opacity=0.2)
        .encode(x=x, y=y, y2="high:Q", color=alt.Color("cell:N", **CELL))
    )
    middle = (
        alt.Chart(bands)
        .mark_line(strokeWidth=2)
        .encode(x=x, y="median:Q", color=alt.Color("cell:N", **CELL))
    )
    single = (
        alt.Chart(lines)
        .mark_line(strokeWidth=1.2, opacity=0.8, color="#777777", strokeDash=[4, 2])
        .encode(x=x, y="drift:Q", detail="idx:N", tooltip=["idx:N", "segment:Q", "drift:Q"])
    )
    return titled(
        alt.layer(area, middle, single).properties(width=WIDTH, height=190),
        "Drift by segment",
        source,
        f"Bands: 10-90 % and median of cells A and D. Grey dashed lines: {what}.",
    )


def spectrum(table: pd.DataFrame, source: str) -> alt.Chart:
    """All exponents of one source: AUC of -λi with interval (where there is one), and medians by outcome."""
    x = alt.X("i:O", title="exponent", axis=alt.Axis(labelAngle=0))
    scale = alt.Scale(domain=[float(np.nanmin([0.8, *table.auc, *table.low])), 1])
    auc = (
        alt.Chart(table)
        .mark_point(filled=True, size=50, color="#009e73")
        .encode(
            x=x,
            y=alt.Y("auc:Q", title="AUC of -λi for correct", scale=scale),
            tooltip=["i", "auc", "low", "high"],
        )
    )
    measured = table.dropna(subset=["low", "high"])  # the paper prints no intervals here
    if len(measured):
        auc = (
            alt.Chart(measured)
            .mark_rule(color="#009e73")
            .encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q")
            + auc
        )
    long = table.melt("i", ["median_correct", "median_wrong"], "outcome", "median").replace(
        {"median_correct": "correct", "median_wrong": "wrong"}
    )
    medians = (
        alt.Chart(long)
        .mark_line(point=True)
        .encode(
            x=x,
            y=alt.Y("median:Q", title="median exponent"),
            color=alt.Color("outcome:N", **OUTCOME),
            strokeDash=alt.StrokeDash("outcome:N", legend=None),
        )
    )
    return titled(
        auc.properties(width=170, height=150) | medians.properties(width=170, height=150),
        "The spectrum",
        source,
        "Left: AUC of each exponent. Right: its median among correct and wrong puzzles.",
    )


def sweep(table: pd.DataFrame, source: str) -> alt.Chart:
    """Share of failures below a threshold, as the threshold moves over the pooled percentiles of late drift; one line a run."""
    lines = (
        alt.Chart(table)
        .mark_line(point=True)
        .encode(
            x=alt.X("percentile:Q", title="threshold: pooled percentile of late drift"),
            y=alt.Y(
                "settled_failures:Q",
                title="share of failures that settle",
                axis=alt.Axis(format="%"),
            ),
            color=alt.Color(
                "run:N", title="run", legend=alt.Legend(orient="bottom", columns=2, labelLimit=240)
            ),
            strokeDash=alt.StrokeDash(
                "run:N", title="run", legend=alt.Legend(orient="bottom", columns=2, labelLimit=240)
            ),
            tooltip=[
                "run",
                "percentile",
                "A",
                "B",
                "C",
                "D",
                alt.Tooltip("settled_failures:Q", format=".2%"),
            ],
        )
    )
    return titled(
        lines.properties(width=420, height=200),
        "Percentile sweep",
        source,
        "Each point: share of failures that a threshold at that percentile calls settled.",
    )


def auc_by_bin(table: pd.DataFrame, x: str, x_title: str, mean: float, source: str) -> alt.Chart:
    """F3: AUC of -λ1 in each bin with interval; bins too small to count are hollow, one outcome alone leaves its bin empty, the mean over those that count is dashed."""
    bins = alt.Scale(domain=[str(name) for name in table[x]])
    base = alt.Chart(table.dropna(subset=["auc"]).astype({x: str})).encode(
        x=alt.X(f"{x}:O", title=x_title, scale=bins, axis=alt.Axis(labelAngle=0))
    )
    rule = base.mark_rule(color=CORRECT).encode(y="low:Q", y2="high:Q")
    point = base.mark_point(size=60, color=CORRECT, strokeWidth=1.5).encode(
        y=alt.Y("auc:Q", title="AUC of -λ1 for correct", scale=alt.Scale(domain=[0, 1])),
        fillOpacity=alt.condition("datum.used", alt.value(1), alt.value(0)),
        fill=alt.value(CORRECT),
        tooltip=[
            "n",
            "n_correct",
            "n_wrong",
            alt.Tooltip("auc:Q", format=".3f"),
            alt.Tooltip("low:Q", format=".3f"),
            alt.Tooltip("high:Q", format=".3f"),
        ],
    )
    layers = [rule, point, level(0.5, opacity=0.6)] + (
        [level(mean, size=2)] if np.isfinite(mean) else []
    )
    return titled(
        alt.layer(*layers).properties(width=WIDTH, height=180),
        "AUC of λ1 within bins",
        source,
        "Filled points count towards the dashed mean; hollow ones hold fewer than five of an outcome, empty bins none. Dashed at 0.5: chance.",
    )


def early_window(table: pd.DataFrame, source: str) -> alt.Chart:
    """F4: AUC of each signal after h segments, by subset of puzzles, with intervals."""
    base = alt.Chart(table.dropna(subset=["auc"])).encode(
        y=alt.Y("signal:N", title=None),
        yOffset="subset:N",
        color=alt.Color("subset:N", title="puzzles", legend=alt.Legend(orient="bottom")),
    )
    rule = base.mark_rule(size=2).encode(x="low:Q", x2="high:Q")
    point = base.mark_point(filled=True, size=60).encode(
        x=alt.X("auc:Q", title="AUC for the outcome at 16", scale=alt.Scale(domain=[0, 1])),
        shape=alt.Shape("subset:N", legend=None),
        tooltip=[
            "signal",
            "subset",
            "n_correct",
            "n_wrong",
            alt.Tooltip("auc:Q", format=".3f"),
            alt.Tooltip("low:Q", format=".3f"),
            alt.Tooltip("high:Q", format=".3f"),
        ],
    )
    return titled(
        alt.layer(level(0.5, "x"), rule, point).properties(width=WIDTH, height=190),
        "What is known early",
        source,
        "Each row a signal, each colour a set of puzzles; the dashed line is chance.",
    )


def horizons(
    table: pd.DataFrame,
    source: str,
    marks: pd.DataFrame | None = None,
    among: str = "puzzles still wrong at that segment",
) -> alt.Chart:
    """AUC of each signal after h = 1, 2, ... segments, with intervals; `marks` (h, signal, auc): what the paper prints, as crosses."""
    x, y = (
        alt.X("h:Q", title="segments seen", scale=alt.Scale(domain=[1, 15])),
        alt.Scale(domain=[0, 1]),
    )
    color = alt.Color(
        "signal:N",
        title="signal",
        legend=alt.Legend(
            orient="bottom", symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3
        ),
    )
    base = alt.Chart(table.dropna(subset=["auc"])).encode(x=x, color=color)
    area = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", title="AUC for the outcome at 16", scale=y), y2="high:Q"
    )
    line = base.mark_line(point=True).encode(
        y="auc:Q",
        strokeDash=alt.StrokeDash("signal:N", legend=None),
        tooltip=["h", "signal", "n_correct", "n_wrong", alt.Tooltip("auc:Q", format=".3f")],
    )
    layers = [area, line, level(0.5)]
    if marks is not None and len(marks):
        layers.append(
            alt.Chart(marks)
            .mark_point(shape="cross", filled=True, size=110, stroke="white", strokeWidth=1)
            .encode(
                x=x,
                y=alt.Y("auc:Q", scale=y),
                color=color,
                tooltip=["h", "signal", "auc", "source"],
            )
        )
    note = " Crosses: printed in the paper." if len(layers) > 3 else ""
    return titled(
        alt.layer(*layers).properties(width=WIDTH, height=190),
        "AUC as the window grows",
        source,
        f"Lines: AUC of each signal among {among}; bands: 95 %. Dashed: chance.{note}",
    )


def training_log(log: pd.DataFrame, step: int | None, source: str) -> alt.Chart:
    """Held-out accuracy against step, with a rule at the step that was measured."""
    long = log.dropna(subset=["eval_exact"]).melt(
        "step", ["eval_exact", "eval_token_acc"], "accuracy", "value"
    )
    long = long.replace({"eval_exact": "whole puzzles", "eval_token_acc": "single cells"})
    line = (
        alt.Chart(long)
        .mark_line(point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("step:Q", title="optimiser step"),
            y=alt.Y(
                "value:Q",
                title="validation accuracy",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
            color=alt.Color(
                "accuracy:N", title="share right of", legend=alt.Legend(orient="bottom")
            ),
            strokeDash=alt.StrokeDash(
                "accuracy:N", title="share right of", legend=alt.Legend(orient="bottom")
            ),
            tooltip=["step", "accuracy", alt.Tooltip("value:Q", format=".1%")],
        )
    )
    rule = (
        []
        if step is None
        else [alt.Chart(NO_DATA).mark_rule(size=2, color="#009e73").encode(x=alt.datum(step))]
    )
    return titled(
        alt.layer(line, *rule).properties(width=WIDTH, height=190),
        "Accuracy during training",
        source,
        "Lines: validation accuracy."
        + (" The solid vertical rule is the step that was measured." if rule else ""),
    )


def halting(table: pd.DataFrame, source: str) -> alt.Chart:
    """Accuracy against mean segments spent, one line a halting rule."""
    line = (
        alt.Chart(table)
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=alt.X(
                "segments:Q", title="mean segments spent a puzzle", scale=alt.Scale(domain=[1, 16])
            ),
            y=alt.Y("accuracy:Q", title="accuracy when stopped", axis=alt.Axis(format="%")),
            order="segments:Q",
            color=alt.Color("rule:N", title="stop by", legend=alt.Legend(orient="bottom")),
            strokeDash=alt.StrokeDash(
                "rule:N", title="stop by", legend=alt.Legend(orient="bottom")
            ),
            tooltip=[
                "rule",
                alt.Tooltip("threshold:Q", format=".3g"),
                alt.Tooltip("segments:Q", format=".1f"),
                alt.Tooltip("accuracy:Q", format=".1%"),
            ],
        )
    )
    return titled(
        line.properties(width=WIDTH, height=190),
        "Accuracy against compute",
        source,
        "Each point: one threshold of a halting rule; up and to the left is better.",
    )


# --- drawing them in a page --------------------------------------------------------------------------------------

LARGE = 200  # rows from which a table travels as CSV


def compact(spec: dict) -> dict:
    """`spec` with its large tables as CSV, numbers in six significant digits: a quarter of the bytes of one object a row."""
    tables = {
        name: pd.DataFrame(rows)
        for name, rows in spec.get("datasets", {}).items()
        if len(rows) >= LARGE
    }
    if not tables:
        return spec
    kinds = {"b": "boolean", "i": "number", "u": "number", "f": "number"}
    formats = {
        name: {"type": "csv", "parse": {c: kinds.get(t[c].dtype.kind, "string") for c in t}}
        for name, t in tables.items()
    }

    def with_format(part: object) -> object:
        """The same specification, every reference to a large table saying that it is CSV."""
        if isinstance(part, list):
            return [with_format(p) for p in part]
        if not isinstance(part, dict):
            return part
        named = (
            {"format": formats[part["name"]]}
            if set(part) == {"name"} and part["name"] in formats
            else {}
        )
        return {key: with_format(value) for key, value in part.items()} | named

    for name, t in tables.items():  # Vega reads True and False as true
        tables[name] = t.replace(
            {c: {True: "true", False: "false"} for c in t if t[c].dtype.kind == "b"}
        )
    texts = {name: t.to_csv(index=False, float_format="%.6g") for name, t in tables.items()}
    return with_format({k: v for k, v in spec.items() if k != "datasets"}) | {
        "datasets": spec["datasets"] | texts
    }


def picture(spec: dict) -> bytes:
    """PNG of a chart in 64 colours, which its few hues and their greys do not miss: a third of the bytes."""
    import vl_convert
    from PIL import Image

    small = io.BytesIO()
    Image.open(io.BytesIO(vl_convert.vegalite_to_png(spec, scale=1.5))).convert("RGB").quantize(
        64
    ).save(small, "PNG", optimize=True)
    return small.getvalue()


def told(part: object) -> Iterator[tuple[str, list[str]]]:
    """(description, sentences on its marks) of every described panel of a specification, without the title and source that :func:`titled` put before them."""
    if isinstance(part, dict) and isinstance(part.get("description"), str):
        title = part.get("title")
        known = f"{title.get('text')}. {title.get('subtitle')}. " if isinstance(title, dict) else ""
        yield part["description"], re.split(r"(?<=\.) ", part["description"].removeprefix(known))
    children = (
        [v for key, v in part.items() if key not in ("data", "datasets")]
        if isinstance(part, dict)
        else part
    )
    for child in children:
        if isinstance(child, dict | list):
            yield from told(child)


def figure(spec: dict) -> str:
    """HTML of one chart: its still picture, replaced by the live chart where scripts run, and below it what its marks mean, said once for all panels."""
    still, panels = base64.b64encode(picture(spec)).decode(), list(told(spec))
    text = " ".join(description for description, _ in panels)
    caption = escape(
        " ".join(dict.fromkeys(sentence for _, sentences in panels for sentence in sentences))
    )
    return (
        f'{once("charts.css", "vega.js", "charts.js")}<figure class="rrm-chart" tabindex="0"><div class="rrm-view"><img alt="{escape(text, quote=True)}" src="data:image/png;base64,{still}"></div>'
        f'<figcaption>{caption}</figcaption><script type="application/json">{as_json(compact({"description": text} | spec))}</script></figure><script>window.rrm && rrm.drawAll()</script>'
    )


def renderer(spec: dict, **_: object) -> dict[str, str]:
    """The Altair renderer ``rrm``."""
    return {"text/html": figure(spec)}


alt.renderers.register("rrm", renderer)
alt.renderers.enable("rrm")
alt.data_transformers.disable_max_rows()
