"""The contract of a recursive reasoner: all that unrolls, measures, studies or draws asks for.

HRM and TRM fulfil it (:class:`rrm_core.models.recursive.RecursiveModel`), and so do the adapters in
:mod:`rrm_core.models.peers`. A model that is an ``nn.Module`` is stored with its weights.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from rrm_core.dynamics.exponents import Push, State, Update, push


class Reasoner(Protocol):
    """A start state, its updates, a read-out; B puzzles of n cells.

    Where there is a method ``pushes(x)``, the updates with their tangents, it replaces forward
    mode.
    """

    name: str  # how tables call it, "trm" or "hrm" for those two
    parts: Sequence[str]  # names of the parts of the state; the first is the one that is read out
    scores: Sequence[str]  # of halting: ("q_halt", "q_continue"), ("q_halt",), or () for none
    updates_per_segment: int  # exponents are growth per update
    description: dict  # what run.json keeps of its architecture

    def encode(self, boards: np.ndarray) -> Tensor:
        """Tokens (B, ...), on the model's device, of boards (B, n) of digits, 0 = blank."""

    def decode(self, answer: Tensor) -> np.ndarray:
        """Boards (..., n) uint8 of the likeliest tokens (..., n), on the CPU; 0 is no digit."""

    def embed(self, tokens: Tensor) -> Tensor:
        """x (B, ...): the puzzle, as the updates read it."""

    def initial_state(self, x: Tensor) -> State:
        """The start, a part (B, ...) for each name in ``parts``."""

    def updates(self, x: Tensor) -> Sequence[Update]:
        """The updates of one segment, functions state -> state without side effects, in order."""

    def readout(self, state: State) -> tuple[Tensor, Tensor]:
        """Logits (B, n, tokens); q (B, m) that begins with the halting ``scores``, m >= 1."""

    def would_halt(self, q: Tensor) -> Tensor:
        """(B,) bool: whether the model would stop at q (B, m); never, where it has no scores."""


def pushes_of(model: Reasoner, x: Tensor) -> Sequence[Push]:
    """The updates of a segment with their tangents: the model's own, else by forward mode."""
    own = getattr(model, "pushes", None)
    return own(x) if own else [partial(push, update) for update in model.updates(x)]


def parameters_of(model: Reasoner) -> list[Tensor]:
    """The parameters of `model`; none where it is no ``nn.Module``."""
    return list(model.parameters()) if isinstance(model, torch.nn.Module) else []


def device_of(model: Reasoner) -> str:
    """Where the weights of `model` lie; "cpu" where it has none."""
    return next((str(weight.device) for weight in parameters_of(model)), "cpu")
