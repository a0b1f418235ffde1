"""The exponent playground: four maps with known exponents, in the page and in Jupyter.

The maps are torch updates for :mod:`rrm_core.dynamics.exponents`; ``static/playground.js`` has the
same formulas in the same order of operations, ``static/playground.yml`` the labels, ranges and
presets of the controls. Exponents are in nats a step, in QR order. B starts, N dimensions, T steps,
K = N tangents. Sources: May 1976 and Ulam & von Neumann 1947 (logistic map, ln 2 at r = 4); Hénon
1976, values as given by Sprott 2003; the toy of transient chaos is the paper's own.
"""

import math
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from numpy.typing import ArrayLike
from rrm_companion import embed
from rrm_companion.embed import HTML
from rrm_companion.show import table

from rrm_core.analysis import stats
from rrm_core.dynamics import exponents
from rrm_core.dynamics.exponents import Push, State

OPTIONS = yaml.safe_load(embed.static_text("playground.yml"))
SYSTEMS, STEPS, MEMBERS = OPTIONS["systems"], OPTIONS["steps"], OPTIONS["members"]
PLASTIC = (0.7548776662466927, 0.5698402909980532)  # 1/g, 1/g²: multiples fill the unit square
AWAY = 1e6  # a state beyond this has run away; its exponent is NaN


class PlaygroundError(ValueError):
    """A map or a value that the playground does not have; the message lists those it has."""


# --- the maps: (z', v') of starts z (B, N) and tangents v (K, B, N), v' the derivative times v ----


def logistic(z: torch.Tensor, v: torch.Tensor, r) -> tuple[State, State]:
    return (r * z * (1 - z),), (r * (1 - 2 * z) * v,)


def henon(z: torch.Tensor, v: torch.Tensor, a, b) -> tuple[State, State]:
    (x, y), (dx, dy) = z.split(1, -1), v.split(1, -1)
    z = torch.cat([1 - a * x * x + y, b * x], -1)
    return (z,), (torch.cat([dy - 2 * a * x * dx, b * dx], -1),)


def linear(z: torch.Tensor, v: torch.Tensor, a, b, c, d) -> tuple[State, State]:
    pairs = z.split(1, -1), v.split(1, -1)
    z, v = (torch.cat([a * x + b * y, c * x + d * y], -1) for x, y in pairs)
    return (z,), (v,)


def toy(z: torch.Tensor, v: torch.Tensor, s, eps) -> tuple[State, State]:
    held = (z - s).abs() < eps
    v = torch.where(held, 0.5, 4 - 8 * z) * v
    return (torch.where(held, s + 0.5 * (z - s), 4 * z * (1 - z)),), (v,)


MAPS: dict[str, Callable] = {"logistic": logistic, "henon": henon, "linear": linear, "toy": toy}


def system(name: str) -> dict:
    """The description of map `name`; an unknown one is refused, listing those there are."""
    if name not in SYSTEMS:
        raise PlaygroundError(f"unknown map {name!r}; known: {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def settings(name: str, **values: Any) -> dict[str, Any]:
    """All parameters of map `name`: its defaults, with `values` in their place."""
    found = {c["key"]: c["value"] for c in system(name)["parameters"]}
    if unknown := set(values) - set(found):
        known = f"known: {', '.join(found)}"
        raise PlaygroundError(f"the map {name!r} has no parameter {', '.join(unknown)}; {known}")
    return found | values


def pushed(name: str, **values: Any) -> Push:
    """One step of map `name` with tangents, float64; parameters: numbers or (B, 1)."""
    step = partial(MAPS[name], **settings(name, **values))
    return lambda state, frame: step(*state, *frame)


# --- exponents -----------------------------------------------------------------------------------


def direction(angles: ArrayLike) -> np.ndarray:
    """(..., 2) unit vectors at `angles` (0 to 180 degrees).

    The axes are met exactly, which the cosine of 90 degrees in floating point misses.
    """
    angles = np.asarray(angles, dtype="float64")
    acute = np.where(angles > 90, 180 - angles, angles)
    return np.stack([np.sin(np.radians(90 - angles)), np.sin(np.radians(acute))], -1)


def frame(angles: np.ndarray, size: int) -> State:
    """A start frame (K, B, N): for N = 2 the first at `angles` (B,), the second at right angles."""
    if size == 1:
        return (torch.ones(1, len(angles), 1, dtype=torch.float64),)
    first = torch.as_tensor(direction(angles))
    return (torch.stack([first, torch.stack([-first[:, 1], first[:, 0]], 1)]),)


def history(
    name: str, start: ArrayLike, steps: int, angle: ArrayLike = 60.0, **values: Any
) -> np.ndarray:
    """(T, B, K) finite-time exponents of map `name` from `start` (B, N), after 1..`steps` steps.

    In nats a step, QR order, by :mod:`rrm_core.dynamics.exponents`. `angle` (degrees, one or (B,))
    turns the first tangent of two-dimensional maps. A start that runs away (Hénon) is NaN from
    there on.
    """
    if steps < 1:
        raise PlaygroundError(f"steps={steps}: expected 1 or more")
    z = torch.as_tensor(np.atleast_2d(np.asarray(start, dtype="float64")))
    push, state, size = pushed(name, **values), (z,), z.shape[1]
    tangents = frame(np.broadcast_to(np.asarray(angle, dtype="float64"), len(z)), size)
    away, sums, out = torch.zeros(len(z), 1, dtype=torch.bool), torch.zeros_like(z), []
    unturned = frame(np.zeros(len(z)), size)[0]
    for t in range(1, steps + 1):
        state, tangents, growth = exponents.grow([push], state, tangents)
        sums = sums + growth
        if name == "henon":
            away |= ~(state[0][:, :1].abs() < AWAY)
            state = (torch.where(away, 0.0, state[0]),)  # keeps the arithmetic finite
            tangents = (torch.where(away, unturned, tangents[0]),)
        out.append(torch.where(away, torch.nan, sums / t))
    return torch.stack(out).numpy()


def spread(name: str, n: int, angle: float = 60.0) -> tuple[np.ndarray, np.ndarray, dict]:
    """(starts (n, N), angles (n,), parameters that differ by member), evenly spread.

    Logistic map and toy: x over (0, 1), the toy's target over (0.15, 0.85) as well. Hénon: a box
    around the origin. Linear: the direction of the first tangent over 180 degrees.
    """
    system(name)
    u, w = ((0.5 + c * np.arange(1, n + 1)) % 1 for c in PLASTIC)
    same = np.full(n, float(angle))
    if name == "linear":
        return np.tile([1.0, 0.0], (n, 1)), 180 * u, {}
    if name == "henon":
        return np.stack([0.6 * u - 0.3, 0.2 * w - 0.1], 1), same, {}
    targets = {"s": torch.as_tensor(0.15 + 0.7 * w)[:, None]} if name == "toy" else {}
    return u[:, None], same, targets


def ensemble(name: str, n: int, steps: int, angle: float = 60.0, **values: float) -> np.ndarray:
    """(T, n, K) finite-time exponents of the ensemble of :func:`spread`."""
    starts, angles, varied = spread(name, n, angle)
    return history(name, starts, steps, angles, **(values | varied))


def linear_exact(steps: int, angle: float = 60.0, **values: float) -> float:
    """ln(|A^T v| / |v|) / T of a linear map: A is applied T times and never normalised."""
    p = settings("linear", **values)
    matrix, v = np.array([[p["a"], p["b"]], [p["c"], p["d"]]]), direction(angle)
    size = float(np.linalg.norm(np.linalg.matrix_power(matrix, steps) @ v))
    return math.log(size) / steps if size else -math.inf


def capture(n: int, steps: int, eps: float = 0.04) -> np.ndarray:
    """(n,) steps of search before the target holds each member of the toy; -1: still searching."""
    starts, _, varied = spread("toy", n)
    push, state, found = pushed("toy", eps=eps, **varied), (torch.as_tensor(starts),), -np.ones(n)
    for t in range(steps):
        inside = ((state[0] - varied["s"]).abs() < eps)[:, 0].numpy()
        found = np.where((found < 0) & inside, t, found)
        state, _ = push(state, state)  # any tangents
    return found.astype(int)


def transient_table(horizons: list[int], n: int = 1000, eps: float = 0.04) -> pd.DataFrame:
    """One row a horizon T of the toy: captured, medians of captured and searching starts, AUC."""
    rows, values = [], ensemble("toy", n, max(horizons), eps=eps)[..., 0]
    captured = capture(n, max(horizons), eps)
    for steps in horizons:
        held = (captured >= 0) & (captured < steps)
        now = values[steps - 1]
        middle = [float(np.median(now[m])) if m.any() else math.nan for m in (held, ~held)]
        auc = stats.auc(-now, held).value
        rows.append((steps, f"{held.mean():.1%}", *middle, int((~held).sum()), auc))
    names = ("steps T", "captured", "median captured", "median searching", "still searching")
    return pd.DataFrame(rows, columns=[*names, "AUC of the lower exponent for captured"])


# --- in a page and in Jupyter --------------------------------------------------------------------


def options(first: str = "logistic") -> dict:
    """What the component needs to know, as JSON values."""
    system(first)
    return OPTIONS | {"first": first}


def still(members: int = 100, horizons: tuple[int, int] = (16, 64)) -> str:
    """For readers without scripts: each map at its defaults, at two horizons and in the limit."""
    head, lines = ["map", *(f"T = {t}" for t in horizons), "long run"], []
    for name, s in SYSTEMS.items():
        values = ensemble(name, members, horizons[-1])[[t - 1 for t in horizons], :, 0]
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=1)
        cells = [f"{m:.3f} ({a:.3f} to {b:.3f})" for a, m, b in zip(low, middle, high, strict=True)]
        lines.append([s["label"], *cells, s["limit"]])
    said = f"First exponent in nats a step: median and middle 90 % of {members} starts"
    shown = pd.DataFrame(lines, columns=head)
    return table(shown, f"{said} (the playground needs JavaScript)").html


def show(first: str = "logistic") -> HTML:
    """The playground, map `first` chosen: works in the page alone, from disk, without a network."""
    start = "rrm.playgrounds()"
    if embed.publishing():  # its script is loaded by the pages that show it
        load = "()=>rrm.load('playground.js')"
        start = "document.readyState==='loading'?document.addEventListener('DOMContentLoaded',"
        start += f"{load}):({load})()"
    known = embed.as_json(options(first))
    return HTML(
        f'{embed.once("playground.css", "playground.js")}<div class="rrm-playground">'
        f'<script type="application/json">{known}</script>{still()}</div><script>{start}</script>'
    )


def summary(state: dict) -> list[dict]:
    """What the kernel recomputes for a state of the component: rows of quantity and value."""
    name, values, steps, angle = (state[k] for k in ("system", "values", "steps", "angle"))
    mine = history(name, [state["start"] or [1.0, 0.0]], steps, float(angle), **values)[-1, 0]
    own = {k: v for k, v in values.items() if (name, k) != ("toy", "s")}
    many = ensemble(name, int(state["members"]), steps, float(angle), **own)[-1, :, 0]
    low, middle, high = np.nanquantile(many, [0.05, 0.5, 0.95])
    each = zip(("first", "second"), mine, strict=False)
    found = {f"chosen start, {which} tangent": f"{value:.6f}" for which, value in each}
    counted = f"{int(np.isfinite(many).sum())} members: median, middle 90 %"
    found[counted] = f"{middle:.6f}, {low:.6f} to {high:.6f}"
    if name == "linear":
        exact = linear_exact(steps, angle, **values)
        found["exact for the first tangent at this T"] = f"{exact:.6f}"
    return [{"quantity": quantity, "value": value} for quantity, value in found.items()]


def live(first: str = "logistic") -> object:
    """The playground with a kernel behind it: the component, and the recomputed :func:`summary`."""
    if embed.publishing():
        return None  # no reader of a published page has a kernel
    import anywidget
    import ipywidgets
    import traitlets

    class Playground(anywidget.AnyWidget):
        _esm = embed.static_text("playground.js") + "\n" + embed.static_text("playground_live.js")
        _css = embed.static_text("playground.css")
        options = traitlets.Dict().tag(sync=True)
        state = traitlets.Dict().tag(sync=True)

    known, shown = system(first), {"steps": STEPS["value"], "members": MEMBERS["value"]}
    shown |= {"system": first, "values": settings(first)}
    shown |= {"start": [c["value"] for c in known["start"]]}
    shown |= {"angle": known["angle"]["value"] if known["angle"] else 0}
    component = Playground(options=options(first), state=shown)
    results = ipywidgets.HTML()

    def recompute(*_: object) -> None:
        state = component.state
        rows = pd.DataFrame(summary(state)).to_html(index=False, header=False)
        label = escape(SYSTEMS[state["system"]]["label"])
        by = f"recomputed by rrm_core.dynamics.exponents at T = {state['steps']}"
        results.value = f"<b>{label}</b>, {by}{rows}"

    component.observe(recompute, names="state")
    recompute()
    return ipywidgets.VBox([component, results])
