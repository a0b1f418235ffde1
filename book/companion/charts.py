"""Altair charts of tidy tables, and the renderer that draws them in the book without a network.

A chart takes a tidy table and returns a chart: no statistics here. HRM stands left, TRM right; what
the paper prints is a cross in the same chart. Colours are Okabe and Ito's; outcome is shown by
shape or text as well. What moves with a slider is drawn by the components of
:mod:`rrm_companion.widgets`: redrawing Vega takes longer than a frame.
"""

import base64
import io
import re
from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path
from typing import Any
from zlib import crc32

import altair as alt
import numpy as np
import pandas as pd
from rrm_companion.embed import VEGA, as_json, once

from rrm_core.analysis.cells import CELLS, Band, outcomes
from rrm_core.store.cache import cached

CORRECT, WRONG = "#0072b2", "#d55e00"
BOTTOM = alt.Legend(orient="bottom", symbolOpacity=1)
SWATCHES = alt.Legend(
    orient="bottom", columns=3, symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3
)
CELL = {
    "scale": alt.Scale(domain=list(CELLS), range=[CORRECT, "#cc79a7", "#56b4e9", WRONG]),
    "title": "cell",
}
LATE = "log10 late drift (last four segments)"
LAMBDA = "largest exponent λ1, per update"
WIDTH = 245  # two charts fit side by side on a page of the book
HEIGHT = 190
DIAGONAL = "M-1,-1L1,1M-1,1L1,-1"  # two strokes, which stay apart from a circle at any size
WAYS = {"shape": ["circle", DIAGONAL], "strokeDash": [[1, 0], [6, 3]], "fillOpacity": [1, 0.25]}
NO_DATA = alt.Data(values=[{}])


# --- pieces --------------------------------------------------------------------------------------


def span(values: pd.Series) -> alt.Scale:
    """An axis from the least to the largest of `values`: as many segments as a run has."""
    if not len(values):
        return alt.Scale(nice=False)
    return alt.Scale(domain=[int(values.min()), int(values.max())], nice=False)


def told_by(*ways: str) -> dict[str, Any]:
    """Encodings of the outcome: a colour (color, fill, stroke) and at least one of `WAYS`."""
    same = {"field": "outcome", "type": "nominal", "title": "outcome at segment 16"}
    same |= {"legend": BOTTOM}
    scale = partial(alt.Scale, domain=["correct", "wrong"])
    found = {w: same | {"scale": scale(range=WAYS.get(w, [CORRECT, WRONG]))} for w in ways}
    return found | {w: of | {"type": "ordinal"} for w, of in found.items() if w == "fillOpacity"}


def level(value: float, axis: str = "y", **style: object) -> alt.Chart:
    """A rule across the chart at `value` of an axis; dashed unless `style` says otherwise."""
    rule = alt.Chart(NO_DATA).mark_rule(**({"strokeDash": [4, 4], "color": "#777777"} | style))
    return rule.encode(**{axis: alt.datum(value)})


def threshold(band: Band) -> list[alt.Chart]:
    """The vertical rule at Otsu's threshold, where there is one."""
    return [level(band.otsu, "x", strokeDash=[6, 4])] if np.isfinite(band.otsu) else []


def as_csv(table: pd.DataFrame) -> alt.InlineData:
    """A table of many rows as CSV: a quarter of the bytes of one object a row."""
    text = table.to_csv(index=False, float_format="%.6g")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv"))


def printed(table: pd.DataFrame) -> alt.Chart:
    """Crosses at what the paper prints, to be given its encodings."""
    cross = {"shape": "cross", "size": 110, "stroke": "white", "strokeWidth": 1}
    return alt.Chart(table).mark_point(filled=True, color="black", **cross)


def rounded(*names: str) -> list[alt.Tooltip]:
    """Tooltips of numbers to three digits."""
    return [alt.Tooltip(f"{name}:Q", format=".3g") for name in names]


def grid(panels: list[alt.Chart], columns: int = 2) -> alt.ConcatChart:
    """Charts side by side, two in a row: what fits the book's column."""
    return alt.concat(*panels, columns=columns)


def titled(chart: alt.Chart, title: str, source: str, description: str) -> alt.Chart:
    """`chart` with a title, whose figures these are, and what its marks mean in words."""
    head = alt.Title(title, subtitle=source, anchor="start")
    return chart.properties(title=head, description=f"{title}. {source}. {description}")


def measured(
    chart: alt.Chart, title: str, said: str, width: int = WIDTH, height: int = HEIGHT
) -> alt.Chart:
    """:func:`titled`, as measured here, in the size of the book's panels."""
    return titled(chart.properties(width=width, height=height), title, "measured here", said)


# --- late drift, exponents, phases ---------------------------------------------------------------


def late_drift_histogram(table: pd.DataFrame, band: Band, title: str) -> alt.Chart:
    """Late drift of one run by outcome, with Otsu's threshold; `table` from ``cells.bins``.

    On a square-root scale: a spike of hundreds stands beside bars of ten.
    """
    below = f"datum.start < {band.otsu}" if np.isfinite(band.otsu) else "false"
    wide = alt.Scale(zero=False, nice=False)
    stacked = table.sort_values(["start", "outcome"])
    top = stacked.groupby("start").n.cumsum()
    base = alt.Chart(stacked.assign(top=top, base=top - stacked.n)).mark_bar(strokeWidth=1)
    bars = base.encode(
        x=alt.X("start:Q", bin="binned", title=LATE, scale=wide, axis=alt.Axis(tickCount=6)),
        x2="end:Q",
        y=alt.Y("base:Q", title="puzzles (square-root scale)", scale=alt.Scale(type="sqrt")),
        y2="top:Q",
        opacity=alt.condition(below, alt.value(1), alt.value(0.55)),
        tooltip=["outcome", "n", alt.Tooltip("start:Q", format=".2f")],
        **told_by("fill", "stroke", "fillOpacity"),
    )
    said = "Bars: puzzles; failures are hollow. Dashed: Otsu's threshold; full colour: settled."
    return measured(alt.layer(bars, *threshold(band)), title, said)


def rows(df: pd.DataFrame, late: np.ndarray) -> pd.DataFrame:
    """What a scatter draws, a row a puzzle: idx, late drift, lambda_1, outcome."""
    measured = {"idx": df.idx, "late": np.round(late, 4), "lambda_1": df.lambda_1.round(5)}
    return pd.DataFrame(measured | {"outcome": outcomes(df.correct)})


def settled(table: pd.DataFrame, model: str) -> alt.Chart:
    """Share settled of failures and successes of `model`, and the paper's as crosses.

    `table`: model, source ("measured here" or "paper"), of, value, low, high, n.
    """
    groups = alt.Scale(domain=["failures", "successes"], range=[WRONG, CORRECT])
    kinds = alt.Scale(domain=["measured here", "paper"], range=["circle", "cross"])
    ends = [alt.Tooltip(f"{c}:Q", format=".2%") for c in ("low", "value", "high")]
    base = alt.Chart(table.query("model == @model")).encode(
        y=alt.Y("of:N", title=None),
        yOffset="source:N",
        color=alt.Color("of:N", scale=groups, legend=None),
        tooltip=["source", "of", "n", *ends],
    )
    shares = alt.Scale(domain=[0, 1], padding=8)
    x = alt.X("low:Q", title="share settled", axis=alt.Axis(format="%"), scale=shares)
    grey = {"symbolFillColor": "#888888", "symbolStrokeColor": "#888888"}
    legend = alt.Legend(orient="bottom", **grey)
    shape = alt.Shape("source:N", title=None, scale=kinds, legend=legend)
    mark = base.mark_point(filled=True, size=80, opacity=1).encode(x="value:Q", shape=shape)
    chart = alt.layer(base.mark_rule(size=2).encode(x=x, x2="high:Q"), mark)
    said = "Share at rest at segment 16, with 95 % interval; crosses are printed in the paper."
    return titled(chart.properties(width=WIDTH, height=90), model, "at Otsu's threshold", said)


def drifts(table: pd.DataFrame, model: str, printed: dict[str, float]) -> alt.Chart:
    """How far z_H moves in each segment, by outcome; `table` from ``cells.drift_by_segment``.

    `printed`: thresholds of the paper, as drift, a grey rule each.
    """
    x = alt.X("segment:Q", title="segment", scale=span(table.segment))
    log = alt.Scale(type="log")
    powers = alt.Axis(values=[10.0**k for k in range(-6, 4)], format="~g")
    base = alt.Chart(table).encode(x=x, **told_by("color"))
    y = alt.Y("drift:Q", title="drift in the segment (log)", scale=log, axis=powers)
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title=y["title"]), y2="high:Q")
    tips = ["outcome", "segment", alt.Tooltip("drift:Q", format=".2g"), "n"]
    line = base.mark_line(point=True).encode(y=y, tooltip=tips, **told_by("strokeDash"))
    rules = [level(value, strokeDash=[2, 3]) for value in printed.values()]
    said = "Lines: median drift, quartiles; failures dashed. Dotted: the paper's thresholds."
    return measured(alt.layer(*rules, band, line), model, said)


def stopwatch(table: pd.DataFrame, model: str) -> alt.Chart:
    """λ1 against a puzzle's last wrong segment; `table`: :func:`rows` and last_wrong."""
    spread = (table.idx * 0.618) % 1 - 0.5  # marks of one segment stand beside each other
    moved = as_csv(table.assign(at=table.last_wrong + 0.6 * spread))
    wide = alt.Scale(domain=[-0.5, table.last_wrong.max() + 0.5], nice=False)
    points = alt.Chart(moved).mark_point(size=22, opacity=0.5, strokeWidth=1)
    chart = points.encode(
        x=alt.X("at:Q", title="last wrong segment (failures: the last)", scale=wide),
        y=alt.Y("lambda_1:Q", title=LAMBDA, scale=alt.Scale(zero=False)),
        tooltip=["idx:Q", "last_wrong:Q", *rounded("lambda_1"), "outcome:N"],
        **told_by("color", "shape"),
    )
    return measured(chart, model, "One mark a puzzle.")


def lengths(table: pd.DataFrame, model: str) -> alt.Chart:
    """ln of a tangent's length by segment, a line a puzzle; `table`: segment, length, puzzle.

    Beside each line its chord from the start to the end, whose slope is the growth a segment.
    """
    x = alt.X("segment:Q", title="segment", scale=span(table.segment))
    pair = alt.Scale(domain=["solved", "failed"], range=[CORRECT, WRONG])
    base = alt.Chart(table).encode(
        x=x,
        y=alt.Y("length:Q", title="ln of the length of a tangent"),
        color=alt.Color("puzzle:N", title=None, scale=pair, legend=BOTTOM),
        tooltip=["puzzle", "segment", *rounded("length")],
    )
    ends = base.transform_filter(f"datum.segment % {table.segment.max()} == 0")
    chord = ends.mark_line(strokeDash=[3, 3], size=1.5)
    said = "Lines: a tangent of a typical solved and failed puzzle. Dashed: from start to end."
    return measured(alt.layer(chord, base.mark_line(point=True)), model, said)


def switch(table: pd.DataFrame, model: str) -> alt.Chart:
    """Median growth of the first tangent by segment, a line a group of puzzles.

    `table`: group ("wrong for 2 segments", ..., "failures"), segment, growth, n.
    """
    names = list(dict.fromkeys(table.group))
    colors = [*(CORRECT, "#009e73", "#56b4e9")[: len(names) - 1], WRONG]
    line = alt.Chart(table).mark_line(point=True)
    line = line.encode(
        x=alt.X("segment:Q", title="segment", scale=span(table.segment)),
        y=alt.Y("growth:Q", title="growth in the segment, nats"),
        color=alt.Color("group:N", title=None, legend=BOTTOM).scale(domain=names, range=colors),
        strokeDash=alt.StrokeDash("group:N", legend=None, sort=names),
        tooltip=["group", "segment", alt.Tooltip("growth:Q", format=".2f"), "n"],
    )
    said = "Median growth of a tangent in each segment. Above the line it grows, below it shrinks."
    return measured(alt.layer(level(0), line), model, said)


# --- early, along the training, halting ----------------------------------------------------------


def horizons(table: pd.DataFrame, title: str, marks: pd.DataFrame | None = None) -> alt.Chart:
    """AUC of each signal after h = 1, 2, ... segments, with intervals.

    `marks` (h, signal, auc, source): what the paper prints, as crosses.
    """
    x = alt.X("h:Q", title="segments seen", scale=span(table.h))
    y = alt.Y("auc:Q", title="AUC for the outcome in the end", scale=alt.Scale(domain=[0, 1]))
    color = alt.Color("signal:N", title="signal", legend=SWATCHES)
    base = alt.Chart(table.dropna(subset=["auc"])).encode(x=x, color=color)
    seen = [alt.Tooltip("h:Q", title="segments seen"), "signal"]
    line = base.mark_line(point=True).encode(
        y=y,
        strokeDash=alt.StrokeDash("signal:N", legend=None),
        tooltip=[*seen, alt.Tooltip("n_correct:Q", title="solved later"), *rounded("auc")],
    )
    layers = [base.mark_area(opacity=0.15).encode(y="low:Q", y2="high:Q"), line, level(0.5)]
    said = "AUC among puzzles still wrong. Dashed: chance. Bands: 95 %, if 20 of each are left."
    if marks is not None and len(marks):
        tip = [*seen, *rounded("auc"), "source"]
        layers.append(printed(marks).encode(x=x, y=y, color=color, tooltip=tip))
        said += " Crosses: printed in the paper."
    return measured(alt.layer(*layers), title, said)


def training_log(log: pd.DataFrame, step: int | None, title: str) -> alt.Chart:
    """Held-out accuracy against step, with a rule at the step that was measured."""
    named = {"eval_exact": "whole puzzles", "eval_token_acc": "single cells"}
    wide = log.dropna(subset=["eval_exact"]).rename(columns=named)
    long = wide.melt("step", list(named.values()), "accuracy", "value")
    y = alt.Y("value:Q", title="validation accuracy", axis=alt.Axis(format="%"))
    line = alt.Chart(long).mark_line(point=alt.OverlayMarkDef(size=14))
    line = line.encode(
        x=alt.X("step:Q", title="optimiser step"),
        y=y.scale(domain=[0, 1]),
        color=alt.Color("accuracy:N", title="share right of", legend=BOTTOM),
        strokeDash=alt.StrokeDash("accuracy:N", title="share right of", legend=BOTTOM),
        tooltip=["step", "accuracy", alt.Tooltip("value:Q", format=".1%")],
    )
    solid = {"strokeDash": [1, 0], "size": 2, "color": "#009e73"}
    rules = [] if step is None else [level(step, "x", **solid)]
    said = "" if step is None else "The solid vertical rule: the step measured."
    return measured(alt.layer(line, *rules), title, said)


def halting(table: pd.DataFrame, title: str) -> alt.Chart:
    """Accuracy against mean segments spent, one line a halting rule."""
    spent = span(np.ceil(table.segments))
    line = alt.Chart(table).mark_line(point=alt.OverlayMarkDef(size=18))
    line = line.encode(
        x=alt.X("segments:Q", title="mean segments spent a puzzle", scale=spent),
        y=alt.Y("accuracy:Q", title="accuracy when stopped", axis=alt.Axis(format="%")),
        order="segments:Q",
        color=alt.Color("rule:N", title="stop by", legend=BOTTOM),
        strokeDash=alt.StrokeDash("rule:N", title="stop by", legend=BOTTOM),
        tooltip=["rule", *rounded("threshold", "segments", "accuracy")],
    )
    said = "Each point: one threshold of a halting rule; up and to the left is better."
    return measured(line, title, said)


# --- drawing them in a page ----------------------------------------------------------------------

SCALE = 1.5  # pixels of a still picture a pixel of the chart
LETTERS = {"axis": {"labelFontSize": 11, "titleFontSize": 12, "labelSeparation": 4}}
LETTERS["title"] = {"subtitleFontSize": 11}


def picture(spec: dict) -> pd.DataFrame:
    """One row: PNG of a chart in 64 colours, enough for its few hues; its height in one column."""
    import vl_convert
    from PIL import Image

    small = io.BytesIO()
    drawn = Image.open(io.BytesIO(vl_convert.vegalite_to_png(spec, scale=SCALE, config=LETTERS)))
    drawn.convert("RGB").quantize(64).save(small, "PNG", optimize=True)
    narrow = vl_convert.vegalite_to_svg(stacked(spec), config=LETTERS)  # a third of the work
    tall = float(re.findall(r'<svg[^>]* height="([\d.]+)"', narrow)[0])
    return pd.DataFrame({"png": [small.getvalue()], "tall": [tall]})


def stacked(part: Any) -> Any:
    """A specification as ``stacked`` in ``charts.js`` has it: for a narrow place, in one column."""
    if not isinstance(part, dict) or "values" in part:
        return [*map(stacked, part)] if isinstance(part, list) else part
    columns = {"columns": 1} if "concat" in part else {}
    columns |= {"columns": 2} if part.get("orient") == "bottom" else {}
    kept = {k: v for k, v in part.items() if (k, v) != ("labels", False)}
    name = {"hconcat": "vconcat"}
    return {name.get(k, k): v if k == "datasets" else stacked(v) for k, v in kept.items()} | columns


def told(part: object) -> Iterator[tuple[str, list[str]]]:
    """(description, sentences on its marks) of every described panel of a specification."""
    if isinstance(part, dict) and isinstance(part.get("description"), str):
        title = part.get("title")
        known = f"{title.get('text')}. {title.get('subtitle')}. " if isinstance(title, dict) else ""
        yield part["description"], re.split(r"(?<=\.) ", part["description"].removeprefix(known))
    if isinstance(part, dict):
        part = [v for key, v in part.items() if key not in ("data", "datasets")]
    for child in part if isinstance(part, list) else ():
        yield from told(child)


def figure(spec: dict) -> str:
    """HTML of one chart: a still picture, which the live chart replaces where scripts run.

    Below it stands what its marks mean, said once for all panels.
    """
    panels = list(told(spec))
    text = " ".join(description for description, _ in panels)
    name, code = f"picture-{crc32(text.encode()):x}", (Path(__file__),)
    png, tall = cached(name, [spec, VEGA], partial(picture, spec), code).iloc[0]
    width, height = (int.from_bytes(png[at : at + 4]) / SCALE for at in (16, 20))
    said = " ".join(dict.fromkeys(sentence for _, sentences in panels for sentence in sentences))
    still = (
        f'<img alt="{escape(text, quote=True)}" width="{width:.0f}" height="{height:.0f}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    )
    return (
        f'{once("charts.css", "vega.js", "charts.js")}<figure class="rrm-chart" tabindex="0" '
        f'style="--wide: {height / 16:.1f}rem; --narrow: {tall / 16:.1f}rem">'
        f'<div class="rrm-view">{still}</div>'
        f"<figcaption>{escape(said)}</figcaption>"
        f'<script type="application/json">{as_json({"description": text} | spec)}</script>'
        "</figure><script>window.rrm && rrm.drawAll()</script>"
    )


def renderer(spec: dict, **_: object) -> dict[str, str]:
    """The Altair renderer ``rrm``."""
    return {"text/html": figure(spec)}


alt.renderers.register("rrm", renderer)
alt.renderers.enable("rrm")
alt.data_transformers.disable_max_rows()
