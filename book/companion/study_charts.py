"""Charts of the study tables: along the training, long rollouts, restarts, pruning, round-off. Like :mod:`rrm_companion.charts`."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
from rrm_companion.charts import CELL, NO_DATA, OUTCOME, WIDTH, level, titled

from rrm_core.analysis.cells import CELLS
from rrm_core.analysis.motion import MOTIONS

GROUPS = {"growth A": "A", "growth D": "D", "growth correct": "correct", "growth wrong": "wrong"}
SWATCHES = alt.Legend(
    orient="bottom", columns=3, symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3
)
FATE = alt.Color(
    "fate:N",
    title="at that segment",
    scale=alt.Scale(
        domain=["solved later", "settled in a wrong place", "still moving"],
        range=["#0072b2", "#cc79a7", "#d55e00"],
    ),
    legend=alt.Legend(orient="bottom", columns=1),
)


def evolution(table: pd.DataFrame, measured: int | None, source: str) -> alt.Chart:
    """F5: cells as shares by checkpoint, and growth of A and D; hollow points have no band. `table`: findings.evolution."""
    x = alt.X("step:Q", title="optimiser step")
    shares = table.assign(**{c: table[c] / table.n for c in CELLS}).melt(
        "step", list(CELLS), "cell", "share"
    )
    area = (
        alt.Chart(shares)
        .mark_area()
        .encode(
            x=x,
            y=alt.Y(
                "share:Q",
                title="share of puzzles",
                stack=True,
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%"),
            ),
            color=alt.Color("cell:N", **CELL, legend=alt.Legend(orient="bottom")),
            tooltip=["step", "cell", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    rule = (
        []
        if measured is None
        else [alt.Chart(NO_DATA).mark_rule(size=2, color="#888888").encode(x=alt.datum(measured))]
    )
    growth = (
        table.melt(["step", "band"], ["growth A", "growth D"], "group", "growth")
        .dropna(subset=["growth"])
        .assign(cell=lambda t: t.group.map(GROUPS))
    )
    base = alt.Chart(growth).encode(
        x=x,
        y=alt.Y("growth:Q", title="median growth, nats per segment", scale=alt.Scale(zero=True)),
        color=alt.Color("cell:N", **CELL),
    )
    points = base.mark_point(size=50, strokeWidth=2).encode(
        shape=alt.Shape("cell:N", legend=None),
        fill=alt.condition("datum.band", alt.Color("cell:N", **CELL), alt.value("transparent")),
        tooltip=["step", "cell", alt.Tooltip("growth:Q", format=".3f"), "band"],
    )
    right = alt.layer(base.mark_line(), points, level(0.0), *rule).properties(
        width=WIDTH, height=190
    )
    left = alt.layer(area, *rule).properties(width=WIDTH, height=190)
    return titled(
        left | right,
        "Along the training",
        source,
        "Left: cells as shares of the puzzles, drawn straight between the checkpoints. Right: median growth of cells A and D, a point a checkpoint; a hollow point has no settled band. Vertical rule: the measured step. Dashed: no growth.",
    )


def arms(table: pd.DataFrame, source: str) -> alt.Chart:
    """Plain and multi4 training from one checkpoint: accuracy, share of cell D, growth of A and D by step."""
    start = table[table.arm == "shared"]
    rows = pd.concat(
        [table[table.arm != "shared"], *[start.assign(arm=a) for a in ("plain", "multi4")]]
    )
    rows = rows.assign(**{"share of D": rows.D / rows.n}).rename(
        columns={"growth A": "growth of A", "growth D": "growth of D"}
    )
    panels = []
    for what, form in (
        ("accuracy", "%"),
        ("share of D", "%"),
        ("growth of A", ".2f"),
        ("growth of D", ".2f"),
    ):
        base = alt.Chart(rows.dropna(subset=[what])).encode(
            x=alt.X("step:Q", title="steps after the shared checkpoint"),
            y=alt.Y(
                f"{what}:Q", title=what, axis=alt.Axis(format=form), scale=alt.Scale(zero=False)
            ),
            color=alt.Color("arm:N", title="training", legend=alt.Legend(orient="bottom")),
            strokeDash=alt.StrokeDash("arm:N", title="training"),
        )
        panels.append(
            base.mark_line(point=True)
            .encode(tooltip=["arm", "step", alt.Tooltip(f"{what}:Q", format=".3f")])
            .properties(width=WIDTH, height=130)
        )
    return titled(
        (panels[0] | panels[1]) & (panels[2] | panels[3]),
        "Plain and multi4",
        source,
        "Four panels by step: accuracy, share of cell D, median growth of A and of D, in nats per segment.",
    )


def network(table: pd.DataFrame, source: str) -> alt.Chart:
    """One number a network beside one a kind of puzzle: accuracy against mean growth over all puzzles, of those solved, of those not."""
    names = {
        "mean growth": "all puzzles",
        "mean growth correct": "solved",
        "mean growth wrong": "failed",
    }
    rows = (
        table.melt(["step", "accuracy"], list(names), "group", "growth")
        .dropna(subset=["growth"])
        .assign(puzzles=lambda t: t.group.map(names))
    )
    chart = alt.Chart(rows).encode(
        x=alt.X("growth:Q", title="mean growth, nats per segment", scale=alt.Scale(zero=False)),
        y=alt.Y("accuracy:Q", title="accuracy of the checkpoint", axis=alt.Axis(format="%")),
        order="step:Q",
        color=alt.Color(
            "puzzles:N",
            title="puzzles",
            scale=alt.Scale(domain=list(names.values()), range=["#777777", "#0072b2", "#d55e00"]),
            legend=alt.Legend(orient="bottom"),
        ),
        strokeDash=alt.StrokeDash("puzzles:N", legend=None),
        tooltip=[
            "step",
            "puzzles",
            alt.Tooltip("growth:Q", format=".3f"),
            alt.Tooltip("accuracy:Q", format=".1%"),
        ],
    )
    return titled(
        chart.mark_line(point=True).properties(width=WIDTH, height=200),
        "A network's exponent, and its puzzles'",
        source,
        "Each point a checkpoint: mean growth over all puzzles, over those solved, and over those failed.",
    )


def fates(table: pd.DataFrame, source: str) -> alt.Chart:
    """What became of the puzzles wrong at 16, by segment (logarithmic)."""
    area = (
        alt.Chart(table)
        .mark_area()
        .encode(
            x=alt.X(
                "segment:Q",
                title="segment (log)",
                scale=alt.Scale(
                    type="log", base=2, domain=[16, int(table.segment.max())], nice=False
                ),
                axis=alt.Axis(values=[16, 32, 64, 128, 256]),
            ),
            y=alt.Y(
                "share:Q",
                title="share of the failures at 16",
                stack=True,
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
            color=FATE,
            tooltip=["segment", "fate", "n", "of", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return titled(
        area.properties(width=WIDTH, height=190),
        "Unfinished or failed?",
        source,
        "Areas: of the puzzles wrong at segment 16, those solved, settled in a wrong place, and still moving.",
    )


def motions(table: pd.DataFrame, source: str) -> alt.Chart:
    """What states do after a long rollout: a bar a run and outcome at 16, by motion; `table`: motion.counted."""
    names = list(MOTIONS)
    rows = table.assign(
        puzzles=table.outcome.map({"correct": "solved", "wrong": "failed"}),
        order=table.motion.map(names.index),
    )
    bars = (
        alt.Chart(rows)
        .mark_bar(height=13)
        .encode(
            y=alt.Y("puzzles:N", title=None, sort=["solved", "failed"]),
            x=alt.X(
                "share:Q",
                title="share of the puzzles",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
            order="order:Q",
            color=alt.Color(
                "motion:N",
                title="in the end",
                scale=alt.Scale(domain=names, range=["#0072b2", "#56b4e9", "#cc79a7", "#d55e00"]),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=["run", "puzzles", "motion", "n", "of", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    chart = (
        bars.properties(width=430, height=36)
        .facet(
            row=alt.Row(
                "run:N",
                title=None,
                header=alt.Header(labelAngle=0, labelAlign="left", labelOrient="left"),
            )
        )
        .resolve_axis(x="shared")
    )
    what = "Bars: puzzles solved and failed at segment 16, by what their state does after the long rollout. On a cycle: it comes back within 64 segments. Parting: a tangent grows. Regular: it moves, and neither."
    return titled(chart, "Rest, cycle, or wandering?", source, what)


def settling(table: pd.DataFrame, source: str) -> alt.Chart:
    """Share of failures that settle in a wrong place against their growth, a point a checkpoint, a line a training; `table`: fate_report.settling."""
    table = table.assign(network=table.model + ", " + table.mixing.str.replace("mlp", "MLP"))
    domain, shades, shapes = (
        ["HRM, attention", "TRM, attention", "TRM, MLP"],
        ["#0072b2", "#cc79a7", "#d55e00"],
        ["circle", "diamond", "cross"],
    )
    base = alt.Chart(table).encode(
        x=alt.X(
            "growth:Q",
            title="median growth of the failures, nats per segment",
            scale=alt.Scale(zero=False),
        ),
        color=alt.Color(
            "network:N",
            title="network",
            scale=alt.Scale(domain=domain, range=shades),
            legend=alt.Legend(orient="bottom"),
        ),
    )
    y = alt.Y(
        "settled:Q",
        title="of them settled in a wrong place",
        axis=alt.Axis(format="%"),
        scale=alt.Scale(domain=[0, 1]),
    )
    line = base.mark_line(strokeWidth=1.2, opacity=0.5).encode(y=y, detail="run:N", order="step:Q")
    error = base.mark_rule(opacity=0.5).encode(
        y=alt.Y("low:Q", title="of them settled in a wrong place"), y2="high:Q"
    )
    point = base.mark_point(filled=True, size=55, opacity=0.9).encode(
        y=y,
        shape=alt.Shape(
            "network:N",
            title="network",
            scale=alt.Scale(domain=domain, range=shapes),
            legend=alt.Legend(orient="bottom"),
        ),
        tooltip=[
            "run",
            "step",
            "n",
            alt.Tooltip("accuracy:Q", format=".1%"),
            alt.Tooltip("growth:Q", format=".3f"),
            alt.Tooltip("settled:Q", format=".1%"),
        ],
    )
    chart = alt.layer(line, error, point).properties(width=520, height=260)
    return titled(
        chart,
        "Growth and settling",
        source,
        "Each point a checkpoint, with its exact interval; lines join the checkpoints of one training in their order.",
    )


def restarts(table: pd.DataFrame, single: float, source: str) -> alt.Chart:
    """Accuracy against the number of restarts, one line a rule; dashed: the stored start alone."""
    base = alt.Chart(table).encode(
        x=alt.X(
            "restarts:Q", title="restarts R", scale=alt.Scale(domain=[1, int(table.restarts.max())])
        ),
        color=alt.Color("pick:N", title="pick by", legend=SWATCHES),
    )
    area = base.mark_area(opacity=0.12).encode(
        y=alt.Y("low:Q", title="accuracy", axis=alt.Axis(format="%"), scale=alt.Scale(zero=False)),
        y2="high:Q",
    )
    line = base.mark_line().encode(
        y="accuracy:Q",
        strokeDash=alt.StrokeDash("pick:N", legend=None),
        tooltip=["pick", "restarts", "n", alt.Tooltip("accuracy:Q", format=".1%")],
    )
    return titled(
        alt.layer(area, line, level(single)).properties(width=WIDTH, height=220),
        "Restart and select",
        source,
        "Lines: accuracy of the run picked by each rule among R restarts; bands: 95 %. Dashed: one run from the stored start.",
    )


def blind(table: pd.DataFrame, source: str) -> alt.Chart:
    """The selector-blind share against the number of restarts."""
    base = alt.Chart(table).encode(x=alt.X("restarts:Q", title="restarts R"))
    area = base.mark_area(opacity=0.15, color="#cc79a7").encode(
        y=alt.Y("low:Q", title="share of puzzles", axis=alt.Axis(format=".1%")), y2="high:Q"
    )
    line = base.mark_line(color="#cc79a7").encode(
        y="share:Q", tooltip=["restarts", alt.Tooltip("share:Q", format=".2%")]
    )
    return titled(
        (area + line).properties(width=WIDTH, height=220),
        "What no selector by settling sees",
        source,
        "Line: share of puzzles whose calmest restart is wrong, settled, and would halt after segment 16; band: 95 %.",
    )


def pruning(table: pd.DataFrame, source: str) -> alt.Chart:
    """Answers lost against compute saved when the worse part by each signal is given up at one horizon."""
    table = table.assign(loss=table.lost / np.maximum(table.solved, 1))
    line = (
        alt.Chart(table)
        .mark_line(point=alt.OverlayMarkDef(size=16))
        .encode(
            x=alt.X("saved:Q", title="segments saved, of all", axis=alt.Axis(format="%")),
            y=alt.Y("loss:Q", title="solved puzzles lost", axis=alt.Axis(format="%")),
            order="share:Q",
            color=alt.Color("signal:N", title="give up by", legend=SWATCHES),
            strokeDash=alt.StrokeDash("signal:N", title="give up by", legend=SWATCHES),
            tooltip=[
                "signal",
                alt.Tooltip("share:Q", format=".0%"),
                "given_up",
                "lost",
                alt.Tooltip("saved:Q", format=".1%"),
                alt.Tooltip("loss:Q", format=".1%"),
            ],
        )
    )
    return titled(
        line.properties(width=WIDTH, height=220),
        "Early pruning",
        source,
        "Each point: a share of the unsolved puzzles given up; down and to the right is better. Random giving up is the yardstick.",
    )


def parting(table: pd.DataFrame, source: str) -> alt.Chart:
    """Relative difference of drift between float32 and another arithmetic, by segment and outcome (log)."""
    line = (
        alt.Chart(table[table.difference > 0])
        .mark_line(point=True)
        .encode(
            x=alt.X("segment:Q", title="segment", scale=alt.Scale(domain=[1, 16])),
            y=alt.Y(
                "difference:Q",
                title="relative difference of drift",
                scale=alt.Scale(type="log"),
                axis=alt.Axis(format=".0e"),
            ),
            color=alt.Color("outcome:N", **OUTCOME, legend=alt.Legend(orient="bottom")),
            strokeDash=alt.StrokeDash("outcome:N", legend=None),
            tooltip=["segment", "outcome", alt.Tooltip("difference:Q", format=".1e")],
        )
    )
    return titled(
        line.properties(width=WIDTH, height=190),
        "Round-off",
        source,
        "Median relative difference of z_H drift between float32 and float64, by segment.",
    )
