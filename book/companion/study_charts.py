"""Charts of long rollouts, and of one claim over every run; like :mod:`rrm_companion.charts`."""

import altair as alt
import pandas as pd
from rrm_companion.charts import (
    BOTTOM,
    CORRECT,
    NO_DATA,
    WIDTH,
    WRONG,
    level,
    measured,
    printed,
    rounded,
    titled,
)

from rrm_core.analysis.motion import KINDS

FATES = ("settled in a wrong place", "still moving", "solved later")
FATE = alt.Scale(domain=list(FATES), range=["#cc79a7", WRONG, CORRECT])
MODELS = {"HRM": CORRECT, "TRM": WRONG, "other code": "#444444"}
MODEL = alt.Scale(domain=["HRM", "TRM"], range=[CORRECT, WRONG])
GREY = alt.Scale(domain=["HRM", "TRM"], range=["black", "#888888"])  # beside right and wrong
SHARE = alt.Axis(format="%")
PLACES = {"sort": None, "title": None, "axis": alt.Axis(labelLimit=240)}  # in the table's order


# --- one model -----------------------------------------------------------------------------------


def fates(table: pd.DataFrame, model: str, paper: float) -> alt.Chart:
    """What became of the puzzles wrong at segment 16, by segment; `table`: ``fates.fates``.

    A cross at segment 16: the share that is settled there in the paper.
    """
    marks = alt.Axis(values=[16, 32, 64, 128, 256])
    x = alt.X("segment:Q", title="segment (log)", axis=marks)
    area = alt.Chart(table.assign(order=table.fate.map(FATES.index))).mark_area()
    area = area.encode(
        x=x.scale(type="log", base=2, domain=[16, int(table.segment.max())], nice=False),
        y=alt.Y("share:Q", title="of the failures", axis=SHARE, scale=alt.Scale(domain=[0, 1])),
        color=alt.Color("fate:N", title=None, scale=FATE, legend=alt.Legend(orient="bottom")),
        order="order:Q",
        tooltip=["segment", "fate", "n", "of", alt.Tooltip("share:Q", format=".1%")],
    )
    cross = printed(NO_DATA).encode(x=alt.datum(16), y=alt.datum(paper))
    said = "Areas: of the puzzles wrong at segment 16, where they are. Cross: settled in the paper."
    return measured(alt.layer(area, cross), model, said)


def growth_by_fate(table: pd.DataFrame, model: str) -> alt.Chart:
    """Failures by the growth of their tangents, coloured by what becomes of them.

    `table`, a row a failure: growth (nats a segment), fate.
    """
    tenths = (10 * table.growth).floordiv(1).rename("start")
    n = table.groupby([tenths, "fate"]).size().rename("n").reset_index()
    n = n.assign(order=n.fate.map(FATES.index), end=(n.start + 1) / 10, start=n.start / 10)
    x = alt.X("start:Q", bin="binned", title="growth in segments 9-16, nats a segment")
    bars = (
        alt.Chart(n)
        .mark_bar()
        .encode(
            x=x.axis(tickCount=5),
            x2="end:Q",
            y=alt.Y("n:Q", title="failures", stack=True),
            color=alt.Color("fate:N", title="at segment 256", scale=FATE, legend=BOTTOM),
            order="order:Q",
            tooltip=["fate", "n"],
        )
    )
    said = "Bars: failures at segment 16. Dashed: tangents neither grow nor shrink."
    return measured(alt.layer(bars, level(0, "x")), model, said)


def lags(table: pd.DataFrame, model: str) -> alt.Chart:
    """Median distance of two states by the segments between them; `table`: the study lags."""
    names = [f"lag_{p:02d}" for p in (1, 2, 4, 8, 16, 32)]
    found = table.groupby(["dtype", "kind"])[names].median().stack()
    long = found.rename_axis(["arithmetic", "puzzles", "lag"]).rename("log").reset_index()
    long = long.assign(lag=long.lag.str[4:].astype(int), distance=10 ** long.log.astype("float64"))
    kinds = alt.Scale(domain=["settled, solved", "failed"], range=[CORRECT, WRONG])
    powers = alt.Axis(values=[10.0**k for k in range(-6, 4)], format="~g")
    key = {"symbolType": "stroke", "symbolStrokeColor": "#777", "symbolSize": 400}
    dash = alt.Legend(orient="bottom", **key)
    base = alt.Chart(long).encode(
        x=alt.X("lag:Q", title="segments between (log)", scale=alt.Scale(type="log", base=2)),
        y=alt.Y("distance:Q", title="distance (log)", axis=powers, scale=alt.Scale(type="log")),
        color=alt.Color("puzzles:N", scale=kinds, legend=BOTTOM),
        tooltip=["puzzles", "arithmetic", "lag", alt.Tooltip("distance:Q", format=".2g")],
    )
    lines = base.mark_line().encode(strokeDash=alt.StrokeDash("arithmetic:N", legend=dash))
    said = "Medians, from segments 61-64 back. Flat and low: rounding. A rise at the right: not at "
    said += "rest yet that long ago. Flat and far above one: wandering."
    return measured(lines + base.mark_point(filled=True), model, said)


def predictors(table: pd.DataFrame) -> alt.Chart:
    """AUC of each early signal for what becomes of a failure, with its interval, by model.

    `table`: predictor, model, value, low, high, n.
    """
    base = alt.Chart(table.dropna(subset=["value"])).encode(
        y=alt.Y("predictor:N", **PLACES).axis(labelExpr="replace(datum.label, ', segments', ',')"),
        yOffset="model:N",
        color=alt.Color("model:N", title=None, scale=GREY, legend=BOTTOM),
        tooltip=["model", "predictor", "n", *rounded("value", "low", "high")],
    )
    x = alt.X("value:Q", title="AUC for rest at 256", scale=alt.Scale(domain=[0, 1]))
    bar = base.mark_rule(size=2).encode(x=alt.X("low:Q", title=x["title"]), x2="high:Q")
    dot = base.mark_point(filled=True, size=60).encode(x=x)
    chart = alt.layer(level(0.5, "x"), bar, dot).properties(width=WIDTH, height=120)
    said = "Dots: AUC, less of the signal speaking for rest, with 95 % intervals. Dashed: chance."
    return titled(chart, "Which failure will rest?", "seen by segment 16", said)


def means(table: pd.DataFrame, model: str) -> alt.Chart:
    """Growth per segment of some puzzles: mean, middle 80 %, and the paper's median as a cross.

    `table`, a row a group: puzzles, mean, low, high, paper, n.
    """
    y = alt.Y("puzzles:N", **PLACES)
    base = alt.Chart(table).encode(y=y, tooltip=["puzzles", "n", *rounded("mean", "low", "high")])
    x = alt.X("mean:Q", title="growth, nats a segment")
    bar = base.mark_rule(size=3, color="#999999").encode(x="low:Q", x2="high:Q")
    dot = base.mark_point(filled=True, size=70, color="black").encode(x=x)
    cross = printed(table.dropna(subset=["paper"])).encode(x="paper:Q", y=y)
    said = "Dots: means, with the middle 80 %. Crosses: medians printed in the paper."
    return measured(alt.layer(level(0, "x"), bar, dot, cross), model, said, WIDTH, 80)


# --- every run -----------------------------------------------------------------------------------


def dots(
    table: pd.DataFrame,
    title: str,
    x_title: str,
    paper: dict[str, float],
    null: float | None = None,
    labels: bool = True,
) -> alt.LayerChart:
    """One claim over every run: a dot with its interval a row, small dots for other seeds.

    `table`: row, run, model, seed (whether it repeats the recipe of its row), value, low, high, n.
    Lines in a model's colour: what the `paper` prints of it. Dashed: `null`, no effect.
    """
    rows = alt.Scale(domain=list(dict.fromkeys(table.row)))
    y = alt.Y("row:N", title=None, scale=rows, axis=alt.Axis(labels=labels, labelLimit=200))
    here = {model: MODELS[model] for model in MODELS if model in set(table.model)}
    scale = alt.Scale(domain=list(here), range=list(here.values()))
    color = alt.Color("model:N", title=None, scale=scale, legend=BOTTOM)
    x = alt.X("value:Q", title=x_title, scale=alt.Scale(zero=False))
    tips = ["run", "n", *rounded("value", "low", "high")]
    layers = [level(value, "x", color=MODELS[m], strokeDash=[1, 0]) for m, value in paper.items()]
    layers += [] if null is None else [level(null, "x")]
    for seed, part in table.dropna(subset=["value"]).groupby("seed"):
        base = alt.Chart(part).encode(y=y, color=color, tooltip=tips)
        layers.append(base.mark_point(filled=True, size=18 if seed else 70).encode(x=x))
        bar = base.mark_rule(size=2).encode(x=alt.X("low:Q", title=x["title"]), x2="high:Q")
        layers += [] if seed else [bar]
    said = "Dots, with 95 % intervals." + " Small: from another seed." * bool(table.seed.any())
    said += " Lines in colour: the paper." * bool(paper)
    said += "" if null is None else " Dashed: where a claim would turn."
    return measured(alt.layer(*layers), title, said, 215, 190)


def motions(table: pd.DataFrame, title: str) -> alt.Chart:
    """What states do after a long rollout, a bar a run; `table`: ``motion.counted``."""
    bars = alt.Chart(table.assign(order=table.motion.map(KINDS.index))).mark_bar()
    colors = alt.Scale(domain=list(KINDS), range=[CORRECT, "#cc79a7", "#56b4e9", "#999999", WRONG])
    chart = bars.encode(
        y=alt.Y("run:N", **PLACES),
        x=alt.X("share:Q", title="of the failures", axis=SHARE, scale=alt.Scale(domain=[0, 1])),
        color=alt.Color("motion:N", title="in the end", scale=colors, legend=BOTTOM),
        order="order:Q",
        tooltip=["run", "outcome", "motion", "n", "of", alt.Tooltip("share:Q", format=".1%")],
    )
    return measured(chart, title, "Bars: what the failures of segment 16 do later.", WIDTH, 200)


def settling(table: pd.DataFrame, title: str) -> alt.Chart:
    """Share of the failures that settle in a wrong place by 256 against their growth over 16.

    `table`, a row a checkpoint: run, model, mixing, step, accuracy, growth, settled, low, high, n.
    """
    x = alt.X("growth:Q", title="median growth of the failures, nats a segment")
    wrong = "settled in a wrong place"
    table = table.assign(along=table.step / table.groupby("run").step.transform("max"))
    y = alt.Y("settled:Q", title=wrong, axis=SHARE)
    color = alt.Color("model:N", title="model", scale=MODEL, legend=BOTTOM)
    base = alt.Chart(table).encode(x=x.scale(zero=False), color=color)
    line = base.mark_line(strokeWidth=1.2, opacity=0.5).encode(y=y, detail="run:N", order="step:Q")
    error = base.mark_rule(opacity=0.5).encode(y=alt.Y("low:Q", title=wrong), y2="high:Q")
    point = base.mark_point(filled=True, size=55).encode(
        y=y.scale(domain=[0, 1]),
        opacity=alt.Opacity("along:Q", legend=None, scale=alt.Scale(range=[0.25, 1])),
        shape=alt.Shape("mixing:N", title="mixing", legend=BOTTOM),
        tooltip=["run:N", "step:Q", "n:Q", *rounded("accuracy", "growth", "settled")],
    )
    said = "A point a checkpoint, with its interval; lines join a training, paler is earlier."
    return measured(alt.layer(level(0, "x"), line, error, point), title, said, 2 * WIDTH, 260)
