"""The exponent playground: four maps with known exponents, in the page without a kernel and in Jupyter with one.

The maps are torch updates for :mod:`rrm_core.dynamics.exponents`; ``static/playground.js`` has the same formulas in the same order of
operations. Labels, ranges and presets of the controls stand here and travel to the component. Exponents are in nats a
step, in QR order. Sources: May 1976 and Ulam & von Neumann 1947 (logistic map, ln 2 at r = 4); Hénon 1976, values as
given by Sprott 2003; the toy of transient chaos is the paper's own (its repository, ``toy_transient_chaos.py``).
"""

from __future__ import annotations

import math
from html import escape

import numpy as np
import torch
from rrm_companion import embed
from rrm_companion.embed import HTML

from rrm_core.analysis import stats
from rrm_core.dynamics import exponents as ftle

PLASTIC = (
    0.7548776662466927,
    0.5698402909980532,
)  # 1/g, 1/g^2 of the plastic number: multiples fill the unit square evenly
AWAY = 1e6  # a state beyond this has run away; its exponent is NaN
HENON = (0.41922, -1.62319)  # Sprott 2003, a = 1.4, b = 0.3
STEPS = {"key": "steps", "label": "steps T", "min": 1, "max": 128, "step": 1, "value": 16}
MEMBERS = {"key": "members", "label": "ensemble", "min": 50, "max": 1000, "step": 50, "value": 400}
NOTE = "Start points and directions of the ensemble are spread evenly, not drawn by chance: everyone sees the same numbers. Growth counts from the first step, as it does for the models: no step is thrown away."
ONLY_LIVE = "With a kernel (JupyterLab, Colab, Binder), this cell shows the same playground with every exponent recomputed by `rrm_core.dynamics.exponents`."


class PlaygroundError(ValueError):
    """A map or a value that the playground does not have; the message lists those it has."""


def control(
    key: str, label: str, low: float, high: float, step: float, value: float, unit: str = ""
) -> dict:
    """One slider."""
    return {
        "key": key,
        "label": label,
        "min": low,
        "max": high,
        "step": step,
        "value": value,
        "unit": unit,
    }


def preset(label: str, **values: object) -> dict:
    """A button that sets some controls."""
    return {"label": label, "set": values}


ANGLE = control("angle", "first tangent", 0, 180, 1, 60, "°")

SYSTEMS: dict[str, dict] = {
    "logistic": {
        "label": "logistic map",
        "about": "x → r x (1 − x). At r = 4 the long-run exponent is exactly ln 2: nearby starts part by a factor of two a step, on average. Over 16 steps each start has a value of its own.",
        "parameters": [control("r", "parameter r", 0.5, 4, 0.01, 4)],
        "start": [control("x", "start x", 0.001, 0.999, 0.001, 0.2)],
        "angle": None,
        "presets": [
            preset("chaos: r = 4", r=4),
            preset("cycle of two: r = 3.2", r=3.2),
            preset("fixed point: r = 2.8", r=2.8),
            preset("16 steps", steps=16),
            preset("128 steps", steps=128),
        ],
    },
    "henon": {
        "label": "Hénon map",
        "about": "(x, y) → (1 − a x² + y, b x). Two exponents; their sum is ln |b| at every T, because every step shrinks areas by |b|. At a = 1.4, b = 0.3 the long-run values are published.",
        "parameters": [
            control("a", "parameter a", 0.2, 1.4, 0.01, 1.4),
            control("b", "parameter b", 0.05, 0.3, 0.01, 0.3),
        ],
        "start": [
            control("x", "start x", -0.6, 0.6, 0.01, 0.1),
            control("y", "start y", -0.2, 0.2, 0.01, 0.1),
        ],
        "angle": ANGLE,
        "presets": [
            preset("chaos: a = 1.4", a=1.4, b=0.3),
            preset("a cycle: a = 1", a=1, b=0.3),
            preset("16 steps", steps=16),
            preset("128 steps", steps=128),
        ],
    },
    "linear": {
        "label": "linear map, two dimensions",
        "about": "z → A z. The long-run exponents are ln |eigenvalue|. At a finite T the value depends on the direction in which the first tangent starts, and far from the limit it may even have the other sign.",
        "parameters": [
            control("a", "upper left", -2, 2, 0.05, 1.2),
            control("b", "upper right (shear)", -3, 3, 0.05, 0),
            control("c", "lower left", -2, 2, 0.05, 0),
            control("d", "lower right", -2, 2, 0.05, 0.6),
        ],
        "start": [],
        "angle": ANGLE,
        "presets": [
            preset("diagonal", a=1.2, b=0, c=0, d=0.6),
            preset("shear, both shrink", a=0.9, b=3, c=0, d=0.8),
            preset("rotation", a=0.6, b=-0.8, c=0.8, d=0.6),
            preset("slow direction first", a=1.2, b=0, c=0, d=0.6, angle=90),
            preset("16 steps", steps=16),
            preset("128 steps", steps=128),
        ],
    },
    "toy": {
        "label": "toy of transient chaos",
        "about": "The paper's own toy. x searches by 4 x (1 − x) until it comes within ε of a target s; then it halves its distance at every step. In the long run every exponent is ln ½. At T = 16 captured and searching starts look like two kinds.",
        "parameters": [
            control("s", "target s (chosen start)", 0.15, 0.85, 0.01, 0.4),
            control("eps", "target radius ε", 0.005, 0.1, 0.005, 0.04),
        ],
        "start": [control("x", "start x", 0.001, 0.999, 0.001, 0.2)],
        "angle": None,
        "presets": [
            preset("16 steps", steps=16),
            preset("32 steps", steps=32),
            preset("128 steps", steps=128),
            preset("small target", eps=0.01),
        ],
    },
}


# --- the maps ----------------------------------------------------------------------------------------------------


def system(name: str) -> dict:
    """The description of map `name`; an unknown one is refused, listing those there are."""
    if name not in SYSTEMS:
        raise PlaygroundError(f"unknown map {name!r}; known: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def settings(name: str, **values: float) -> dict[str, float]:
    """All parameters of map `name`: its defaults, with `values` in their place; an unknown parameter is refused."""
    found = {c["key"]: c["value"] for c in system(name)["parameters"]}
    unknown = set(values) - set(found)
    if unknown:
        raise PlaygroundError(
            f"the map {name!r} has no parameter {', '.join(sorted(unknown))}; known: {', '.join(found)}"
        )
    return found | values


def update(name: str, **values: object) -> ftle.Update:
    """One step of map `name` on a state (z,), z (B, N) float64; parameters are numbers or tensors (B, 1)."""
    p = settings(name, **values)

    def logistic(z: torch.Tensor) -> torch.Tensor:
        return p["r"] * z * (1 - z)

    def henon(z: torch.Tensor) -> torch.Tensor:
        x, y = z[:, :1], z[:, 1:]
        return torch.cat([1 - p["a"] * x * x + y, p["b"] * x], 1)

    def linear(z: torch.Tensor) -> torch.Tensor:
        x, y = z[:, :1], z[:, 1:]
        return torch.cat([p["a"] * x + p["b"] * y, p["c"] * x + p["d"] * y], 1)

    def toy(z: torch.Tensor) -> torch.Tensor:
        return torch.where(
            (z - p["s"]).abs() < p["eps"], p["s"] + 0.5 * (z - p["s"]), 4 * z * (1 - z)
        )

    step = {"logistic": logistic, "henon": henon, "linear": linear, "toy": toy}[name]
    return lambda state: (step(state[0]),)


def direction(angles: np.ndarray) -> np.ndarray:
    """(..., 2) unit vectors at `angles` (0 to 180 degrees); the axes are met exactly, which the cosine of 90 degrees in floating point misses."""
    return np.stack(
        [
            np.sin(np.radians(90 - angles)),
            np.sin(np.radians(np.where(angles > 90, 180 - angles, angles))),
        ],
        -1,
    )


def frame(angles: np.ndarray, size: int) -> ftle.State:
    """A start frame (K, B, N) of `size` tangents: for N = 2 the first at `angles` (B,) degrees, the second at right angles."""
    if size == 1:
        return (torch.ones(1, len(angles), 1, dtype=torch.float64),)
    first = torch.as_tensor(direction(np.asarray(angles, dtype="float64")))
    return (torch.stack([first, torch.stack([-first[:, 1], first[:, 0]], 1)]),)


def history(
    name: str, start: np.ndarray, steps: int, angle: np.ndarray | float = 60.0, **values: object
) -> np.ndarray:
    """Finite-time exponents (T, B, K) of map `name` from `start` (B, N), after 1..`steps` steps, by :mod:`rrm_core.dynamics.exponents`.

    In nats a step, QR order, K = N. `angle` (degrees, one or (B,)) turns the first tangent of two-dimensional maps. A start
    that runs away (|z| > 1e6; Hénon only) has NaN from there on.
    """
    z = torch.as_tensor(np.atleast_2d(np.asarray(start, dtype="float64")))
    if steps < 1:
        raise PlaygroundError(f"steps={steps}: expected 1 or more")
    step, state = update(name, **values), (z,)
    tangents = frame(np.broadcast_to(np.asarray(angle, dtype="float64"), len(z)), z.shape[1])
    away, sums, out = (
        torch.zeros(len(z), dtype=torch.bool),
        torch.zeros(len(z), z.shape[1], dtype=torch.float64),
        [],
    )
    for t in range(1, steps + 1):
        state, tangents, growth = ftle.grow([step], state, tangents)
        sums = sums + growth
        if name != "linear":
            away |= ~(state[0][:, 0].abs() < AWAY)
            state = (
                torch.where(away[:, None], 0.0, state[0]),
            )  # keeps the arithmetic finite; these rows are NaN below
        tangents = (
            torch.where(away[:, None], frame(np.zeros(len(z)), z.shape[1])[0], tangents[0]),
        )
        out.append(torch.where(away[:, None], torch.nan, sums / t))
    return torch.stack(out).numpy()


def spread(name: str, n: int, angle: float = 60.0) -> tuple[np.ndarray, np.ndarray, dict]:
    """(starts (n, N), angles (n,), parameters that differ by member) of an ensemble: evenly spread, the page's own.

    Logistic map and toy: x over (0, 1); the toy's target s over (0.15, 0.85) as well. Hénon: a box around the origin.
    Linear: the direction of the first tangent over 180 degrees.
    """
    system(name)
    u, w = ((0.5 + c * np.arange(1, n + 1)) % 1 for c in PLASTIC)
    same = np.full(n, float(angle))
    if name == "linear":
        return np.tile([1.0, 0.0], (n, 1)), 180 * u, {}
    if name == "henon":
        return np.stack([0.6 * u - 0.3, 0.2 * w - 0.1], 1), same, {}
    return (
        u[:, None],
        same,
        {"s": torch.as_tensor(0.15 + 0.7 * w)[:, None]} if name == "toy" else {},
    )


def ensemble(name: str, n: int, steps: int, angle: float = 60.0, **values: float) -> np.ndarray:
    """(T, n, K) finite-time exponents of the ensemble of :func:`spread`."""
    starts, angles, varied = spread(name, n, angle)
    return history(name, starts, steps, angles, **(values | varied))


def linear_exact(steps: int, angle: float = 60.0, **values: float) -> float:
    """ln(|A^T v| / |v|) / T of a linear map, exactly: A is applied T times and never normalised."""
    p = settings("linear", **values)
    matrix, v = np.array([[p["a"], p["b"]], [p["c"], p["d"]]]), direction(np.float64(angle))
    return math.log(np.linalg.norm(np.linalg.matrix_power(matrix, steps) @ v)) / steps


# --- the toy of transient chaos ----------------------------------------------------------------------------------


def capture(n: int, steps: int, eps: float = 0.04) -> np.ndarray:
    """(n,) steps of search before the target holds each member of the toy's ensemble; -1 = still searching after `steps`."""
    starts, _, varied = spread("toy", n)
    step, state, found = (
        update("toy", eps=eps, **varied),
        (torch.as_tensor(starts),),
        np.full(n, -1),
    )
    for t in range(steps):
        inside = ((state[0] - varied["s"]).abs() < eps)[:, 0].numpy()
        found = np.where((found < 0) & inside, t, found)
        state = step(state)
    return found


def transient_table(horizons: list[int], n: int = 1000, eps: float = 0.04) -> list[dict]:
    """One row a horizon T: share captured, median exponents of captured and searching starts, their gap, AUC of the lower for captured."""
    rows = []
    exponents, captured = (
        ensemble("toy", n, max(horizons), eps=eps)[..., 0],
        capture(n, max(horizons), eps),
    )
    for steps in horizons:
        values, held = exponents[steps - 1], (captured >= 0) & (captured < steps)
        middle = [float(np.median(values[m])) if m.any() else math.nan for m in (held, ~held)]
        rows.append(
            {
                "steps T": steps,
                "captured": f"{held.mean():.1%}",
                "median captured": middle[0],
                "median searching": middle[1],
                "median, all": float(np.median(values)),
                "still searching": int((~held).sum()),
                "AUC of the lower exponent for captured": stats.auc(-values, held).value,
            }
        )
    return rows


# --- in a page and in Jupyter ------------------------------------------------------------------------------------


def options(first: str = "logistic") -> dict:
    """What the component needs to know, as JSON values."""
    system(first)
    return {"systems": SYSTEMS, "first": first, "steps": STEPS, "members": MEMBERS, "note": NOTE}


LIMITS = {
    "logistic": "0.693 (ln 2, exact)",
    "henon": f"{HENON[0]} and {HENON[1]} (Sprott)".replace("-", "−"),
    "linear": "0.182 and −0.511 (ln 1.2 and ln 0.6, exact)",
    "toy": "−0.693 (ln ½, exact)",
}


def still(members: int = 100, horizons: tuple[int, int] = (16, 64)) -> str:
    """The playground for readers without scripts: each map at its defaults, after two horizons, beside the long run."""
    lines = []
    for name, s in SYSTEMS.items():
        values = ensemble(name, members, horizons[-1])[[t - 1 for t in horizons], :, 0]
        cells = [
            f"{np.nanmedian(row):.3f} ({np.nanquantile(row, 0.05):.3f} to {np.nanquantile(row, 0.95):.3f})".replace(
                "-", "−"
            )
            for row in values
        ]
        lines.append(
            f"<tr><td>{escape(s['label'])}</td>"
            + "".join(f"<td>{c}</td>" for c in (*cells, LIMITS[name]))
            + "</tr>"
        )
    head = "".join(f"<th>{h}</th>" for h in ("map", *(f"T = {t}" for t in horizons), "long run"))
    return (
        f"<table><caption>First exponent in nats a step: median and middle 90 % of {members} starts (the playground needs JavaScript)</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def show(first: str = "logistic") -> HTML:
    """The playground, map `first` chosen: works in the page alone, from disk, without a network."""
    start = (
        "document.readyState==='loading'?document.addEventListener('DOMContentLoaded',()=>rrm.load('playground.js')):rrm.load('playground.js')"
        if embed.publishing()
        else "rrm.playgrounds()"
    )
    return HTML(
        f'{embed.once("playground.css", "playground.js")}<div class="rrm-playground"><script type="application/json">{embed.as_json(options(first))}</script>{still()}</div>'
        f"<script>{start}</script>"
    )


def summary(state: dict) -> list[dict]:
    """What the kernel recomputes for a state of the component: quantity and value, by :mod:`rrm_core.dynamics.exponents`."""
    name, values, steps, angle = (
        state["system"],
        state["values"],
        int(state["steps"]),
        float(state["angle"]),
    )
    start = [state["start"] or [1.0, 0.0]]
    mine = history(name, start, steps, angle, **values)[-1, 0]
    many = ensemble(
        name,
        int(state["members"]),
        steps,
        angle,
        **{k: v for k, v in values.items() if (name, k) != ("toy", "s")},
    )[-1, :, 0]
    rows = [
        {"quantity": f"chosen start, {which} tangent", "value": f"{v:.6f}"}
        for which, v in zip(("first", "second"), mine, strict=False)
    ]
    low, middle, high = np.nanquantile(many, [0.05, 0.5, 0.95])
    rows.append(
        {
            "quantity": f"{int(np.isfinite(many).sum())} members: median, middle 90 %",
            "value": f"{middle:.6f}, {low:.6f} to {high:.6f}",
        }
    )
    if name == "linear":
        rows.append(
            {
                "quantity": "exact for the first tangent at this T",
                "value": f"{linear_exact(steps, angle, **values):.6f}",
            }
        )
    return rows


def live(first: str = "logistic") -> object:
    """The playground with a kernel behind it: an ipywidgets box of the same component and the recomputed :func:`summary`.

    While the book is built there is no kernel for the reader, so a sentence stands there instead.
    """
    if embed.publishing():
        return embed.say(ONLY_LIVE)
    import anywidget
    import ipywidgets
    import traitlets

    s = system(first)
    chosen = {
        "system": first,
        "values": settings(first),
        "start": [c["value"] for c in s["start"]],
        "angle": s["angle"]["value"] if s["angle"] else 0,
    }

    class Playground(anywidget.AnyWidget):
        _esm = embed.static_text("playground.js") + "\n" + embed.static_text("playground_live.js")
        _css = embed.static_text("playground.css")
        options = traitlets.Dict().tag(sync=True)
        state = traitlets.Dict().tag(sync=True)

    component = Playground(
        options=options(first),
        state=chosen | {"steps": STEPS["value"], "members": MEMBERS["value"]},
    )
    results = ipywidgets.HTML()

    def recompute(*_: object) -> None:
        body = "".join(
            f"<tr><td>{escape(r['quantity'])}</td><td>{escape(r['value'])}</td></tr>"
            for r in summary(component.state)
        )
        results.value = f"<b>{escape(SYSTEMS[component.state['system']]['label'])}</b>, recomputed by rrm_core.dynamics.exponents at T = {component.state['steps']}<table>{body}</table>"

    component.observe(recompute, names="state")
    recompute()
    return ipywidgets.VBox([component, results])
