"""Does a model keep the contract? Seconds, before hours are spent on measuring something else.

Each finding is a sentence: what was seen, and what it mostly means. A *fault* makes a measurement
wrong; a *note* does not. What is checked was each seen to fail silently in a real package.
"""

import copy
import json
import math
import traceback
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from rrm_core.dynamics.contract import Reasoner, pushes_of
from rrm_core.dynamics.exponents import FLOOR, State, grow, orthonormalise, start_frame
from rrm_core.models.config import SEGMENTS

SCORES = (("q_halt", "q_continue"), ("q_halt",), ())
TUPLE = "expected a tuple of tensors, one for each name in `parts`"
ENOUGH = 4  # boards that a check looks at
STEPS = (1e-3, 1e-4, 1e-5)  # of central differences, in units of a unit tangent
CLOSE = 1e-4  # relative error of a tangent that is right, in float64
ROUGH = 3  # times the error at a step ten times larger: round-off grows by ten, a wrong tangent not
ROOT = "a root, norm or division at 0"
ALONE = 1e-3  # relative difference of a row alone and in a batch that is round-off


class ContractError(ValueError):
    """A model that does not keep the contract; the message says what was seen."""


@dataclass
class Findings:
    """What :func:`check` saw, in sentences."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def norm(state: State) -> float:
    """Euclidean norm of a whole state."""
    return float(torch.cat([z.flatten().double() for z in state]).norm())


def less(a: State, b: State) -> State:
    """a - b, part by part."""
    return tuple(x.double() - y.double() for x, y in zip(a, b, strict=True))


def stepped(update, state: State, tangent: State, eps: float) -> State:
    """Central difference of an update along a tangent."""
    ends = [tuple(z + h * d for z, d in zip(state, tangent, strict=True)) for h in (eps, -eps)]
    return tuple(z / (2 * eps) for z in less(*map(update, ends)))


def shapes(model: Reasoner, x: Tensor, n: int) -> list[str]:
    """Whether state, updates, their number and what `n` cells give are what the model says."""
    state, updates, found = model.initial_state(x), model.updates(x), []
    if not isinstance(state, (tuple, list)):
        return [f"the start state is a {type(state).__name__}: {TUPLE}"]
    if tuple(model.scores) not in SCORES:
        found.append(f"`scores` is {tuple(model.scores)}: expected one of {SCORES}")
    try:
        json.dumps([model.name, *model.parts, model.description])
    except TypeError as error:
        found.append(f"name, parts or description cannot be kept as JSON: {error}")
    if len(state) != len(model.parts):
        found.append(f"the state has {len(state)} parts, `parts` names {len(model.parts)}")
    if not updates or len(updates) != model.updates_per_segment:
        said = f"`updates_per_segment` says {model.updates_per_segment}"
        found.append(f"updates(x) gives {len(updates)} updates, {said}")
    if any(len(z) != len(x) for z in state):
        found.append("a part of the start state has not one row for each puzzle")
    if not found:
        found += read_out(model, model.readout(state), len(x), n)
    if isinstance(model, nn.Module) and any(part.training for part in model.modules()):
        found.append("the model is in training mode (dropout would draw): call eval() on it")
    return found


def read_out(model: Reasoner, seen: object, rows: int, n: int) -> list[str]:
    """Whether a read-out of `rows` puzzles of `n` cells, its boards and halting can be used."""
    wanted = "(logits (B, cells, tokens), scores (B, m))"
    pair = seen if isinstance(seen, (tuple, list)) else ()
    if [t.ndim if isinstance(t, Tensor) else None for t in pair] != [3, 2]:
        return [f"readout(state) gives other than {wanted}"]
    logits, q = pair
    if logits.shape[:2] != (rows, n) or len(q) != rows or q.shape[1] < max(1, len(model.scores)):
        there = f"{tuple(logits.shape)} and {tuple(q.shape)} for {rows} puzzles of {n} cells"
        return [f"readout(state) gives {there} and {len(model.scores)} `scores`: expected {wanted}"]
    found, halts = [], model.would_halt(q)
    if not (isinstance(halts, Tensor) and halts.dtype == torch.bool and halts.shape == (rows,)):
        found.append("would_halt(q) gives other than (B,) bool, as q[:, 0] > 0 would")
    every = torch.arange(logits.shape[-1])[:, None].expand(-1, n).contiguous()
    digits, side = np.asarray(model.decode(every)), math.isqrt(n)
    if digits.shape != every.shape or digits.dtype != np.uint8 or digits.max() > side:
        there = f"{digits.dtype} of shape {digits.shape} up to {digits.max()}"
        found.append(f"decode gives {there}: expected uint8 up to {side}, 0 for what is no digit")
    return found


def repeatable(model: Reasoner, x: Tensor) -> list[str]:
    """Whether an update gives the same twice, and leaves the state that it was given alone."""
    state = tuple(z.contiguous() for z in model.initial_state(x))
    for i, update in enumerate(model.updates(x), 1):
        before, made = tuple(z.clone() for z in state), update(state)
        if not isinstance(made, (tuple, list)) or len(made) != len(state):
            return [f"update {i} gives a {type(made).__name__}: {TUPLE}"]
        first = tuple(z.clone() for z in made)
        if not np.isfinite(norm(first)):
            return [f"update {i} gives NaN or infinite: {ROOT}"]
        if norm(less(state, before)):
            return [f"update {i} writes into the state that it is given: drift would read 0"]
        if norm(less(update(state), first)):
            return [f"update {i} gives another result the second time: something in it is random"]
        state = first
    return []


def lasting(model: Reasoner, x: Tensor) -> Findings:
    """Whether the updates are the same in every segment, and whether a state stops dead."""
    start, updates = tuple(z.contiguous() for z in model.initial_state(x)), model.updates(x)
    state, found, moved = start, Findings(), [0.0] * len(x)  # share of its norm
    once = tuple(z.clone() for z in updates[0](start))
    for t in range(1, SEGMENTS + 1):
        before = state
        for update in updates:
            state = tuple(z.clone() for z in update(state))
        was = moved
        moved = [norm(less(*at)) / max(norm(at[0]), FLOOR) for at in by_row(state, before)]
        if not found.notes and any(a > ALONE and not b for a, b in zip(was, moved, strict=True)):
            held = "does it freeze what has halted? Late drift would read as settled"
            found.notes.append(f"a puzzle's state stops dead in segment {t}: {held}")
    if norm(less(updates[0](start), once)):
        often = "it depends on how often it was called"
        found.faults.append(f"update 1 gives another result after {SEGMENTS} segments: {often}")
    return found


def by_row(*states: State) -> list[tuple[State, ...]]:
    """The states of each puzzle, of each of `states` in its place."""
    rows = range(len(states[0][0]))
    return [tuple(tuple(z[i : i + 1] for z in state) for state in states) for i in rows]


def tangents(model: Reasoner, x: Tensor) -> Findings:
    """Forward mode, or the model's own tangents, against central differences of three steps."""
    found, state = Findings(), tuple(z.contiguous() for z in model.initial_state(x))
    frame, pairs = start_frame(state, 1), zip(model.updates(x), pushes_of(model, x), strict=True)
    for i, (update, pushed) in enumerate(pairs, 1):
        try:
            new, moved = pushed(state, frame)
        except NotImplementedError as error:  # any other error is the model's own: let it be seen
            why = " ".join(str(error).split())[:160]
            mend = "take math attention, sdpa_kernel(SDPBackend.MATH), or give `pushes`"
            found.faults.append(f"update {i} has no forward rule for its tangents ({why}); {mend}")
            return found
        tangent = tuple(d[0] for d in frame)
        wanted = [stepped(update, state, tangent, eps) for eps in STEPS]
        size = max(norm(wanted[0]), FLOOR)
        got = tuple(d[0] for d in moved)
        off = [norm(less(got, want)) / size for want in wanted]
        if not np.isfinite([norm(got), *off]).all():
            found.faults.append(f"update {i} or its tangents are NaN or infinite: {ROOT}")
            return found
        if norm(got) < CLOSE * size:
            cut = "a tangent is cut: detach or inference_mode inside an update"
            found.faults.append(f"update {i} gives tangents of 0 where differences do not: {cut}")
            return found
        errors = ", ".join(f"{e:.0e} at {eps:.0e}" for e, eps in zip(off, STEPS, strict=True))
        if off[2] > CLOSE and off[1] > ROUGH * off[0] and off[2] > ROUGH * off[1]:
            rough = "the forward map is rough, something in it is cast to float32"
            found.notes += [f"update {i} is off its differences by {errors}: {rough}"]
        elif min(off) > CLOSE:
            found.faults.append(f"tangents of update {i} are off their differences by {errors}")
            return found
        state, frame = new, orthonormalise(moved)[0]
    found.notes = found.notes[:1]  # one of a kind
    return found


def annihilated(model: Reasoner, x: Tensor) -> list[str]:
    """Whether every update of two segments leaves its tangents."""
    state = tuple(z.contiguous() for z in model.initial_state(x))
    frame = start_frame(state, 2)
    for pushed in [*pushes_of(model, x)] * 2:
        state, frame, growth = grow([pushed], state, frame)
        if bool((growth <= np.log(FLOOR) / 2).any()):
            what = "an update annihilates a tangent: exponents would read as strong contraction"
            return [f"{what} (a state that is set anew, or tangents that are cut)"]
    return []


def after(model: Reasoner, tokens: Tensor, segments: int = 1) -> State:
    """The state after some segments, without tangents."""
    x = model.embed(tokens)
    state = model.initial_state(x)
    for update in [*model.updates(x)] * segments:
        state = update(state)
    return state


def alone(model: Reasoner, tokens: Tensor) -> list[str]:
    """Whether a puzzle's state and read-out after a segment are the same alone as in a batch."""
    together = after(model, tokens)
    close = CLOSE if together[0].dtype == torch.float64 else ALONE
    before, seen = tuple(z.clone() for z in together), model.readout(together)
    if norm(less(together, before)):
        return ["readout(state) writes into the state that it is given: drift would be wrong"]
    if not np.isfinite(norm(seen)):
        return [f"readout(state) gives NaN or infinite: {ROOT}"]
    if norm(less(model.readout(together), seen)):
        return ["readout(state) gives another result the second time: something in it is random"]
    for i in (0, len(tokens) - 1):
        single = after(model, tokens[i : i + 1])
        for whole, part in ((together, single), (seen, model.readout(single))):
            if norm(less(tuple(z[i : i + 1] for z in whole), part)) > close * norm(part):
                what = "something mixes the rows, or depends on a puzzle's place among them"
                return [f"a puzzle alone ends elsewhere than in a batch: {what}"]
    return []


def placed(model: Reasoner, boards: np.ndarray) -> list[str]:
    """Whether the read-out depends on where a cell is: moving the cells must not just move it."""
    order = np.random.default_rng(0).permutation(boards.shape[1])

    def logits(boards: np.ndarray) -> Tensor:
        return model.readout(after(model, model.encode(boards), segments=2))[0]

    here, there = logits(boards)[:, order], logits(boards[:, order])
    if torch.allclose(here, there, atol=1e-5, rtol=1e-5):
        return ["the read-out does not depend on where a cell is: the model knows no positions"]
    return []


@torch.no_grad()
def check(model: Reasoner, boards: np.ndarray, tangent: bool = True) -> Findings:
    """The :class:`Findings` on `boards` (B, n), a few; `tangent`: exponents are asked for."""
    found, tokens = Findings(), model.encode(boards)
    x = model.embed(tokens)
    found.faults += shapes(model, x, boards.shape[1]) or repeatable(model, x)
    if not found.faults:
        precise = copy.deepcopy(model).double() if isinstance(model, nn.Module) else model
        found.faults += alone(precise, precise.encode(boards)) + placed(model, boards)
        seen = lasting(model, model.embed(tokens[:2]))
        found.notes, found.faults = found.notes + seen.notes, found.faults + seen.faults
    if tangent and not found.faults:
        x = precise.embed(precise.encode(boards[:2]))
        seen = tangents(precise, x)
        found.notes += seen.notes
        found.faults += seen.faults or annihilated(precise, x)
    return found


def checked(model: Reasoner, boards: np.ndarray, tangent: bool = True) -> Findings:
    """:func:`check`; what the model's code raises there is told in one line, with its place."""
    try:
        return check(model, boards, tangent)
    except Exception as error:  # code of others fails in every way there is
        at = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{type(error).__name__}: {' '.join(str(error).split()):.200}"
        where = f"{at.filename}, line {at.lineno}"
        what = f"{model.name} fails on boards of {boards.shape[1]} cells ({why}; {where})"
        raise ContractError(f"{what}; choose another set with --puzzles, or mend it") from error


def insist(model: Reasoner, boards: np.ndarray, tangent: bool = True) -> None:
    """Refuse a model with a fault of :func:`check`."""
    if faults := checked(model, boards, tangent).faults:
        raise ContractError(f"{model.name}: {'; '.join(faults)}")
