"""`hrm-pytorch` 0.1.6 (github.com/lucidrains): any number of states, from low to high.

In that version a network reads the puzzle and the states that come first in the list, whichever
they are: of two levels the high one reads the puzzle and the low state and never its own, so that
block of its Jacobian is zero. It starts at zero, where its norms stretch a tangent by 1e12: here
the start is its state after one step, so segment t is its step t + 1. The highest state is read
out, so it comes first. ``HRM`` has no halting; ``HRM_ACT`` would halt where q_halt > q_continue.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from rrm_core.models.recursive import digits, tokens

State = tuple[Tensor, ...]


class HRM(nn.Module):
    """An ``HRM`` of either kind as a reasoner: a segment is one of its reasoning steps."""

    name, decode = "hrm-pytorch", staticmethod(digits)

    def __init__(self, model: nn.Module, **description: int) -> None:
        super().__init__()
        self.model, self.description = model, description
        last = model.num_networks - 1
        self.parts = tuple(f"level {i}" for i in range(last, -1, -1))
        self.scores = ("q_halt", "q_continue") if hasattr(model, "to_q_halt_continue") else ()
        periods, steps = model.evaluate_networks_at, model.lowest_steps_per_reasoning_step
        self.order = [i for t in range(1, steps + 1) for i, p in enumerate(periods) if t % p == 0]
        self.updates_per_segment = len(self.order)
        self.eval()

    def encode(self, boards: np.ndarray) -> Tensor:
        return tokens(boards).to(self.model.to_input_embed.weight.device)

    def embed(self, ids: Tensor) -> Tensor:  # (B, cells, D)
        return self.model.to_input_embed(ids)

    def initial_state(self, x: Tensor) -> State:
        state: State = tuple(torch.zeros_like(x) for _ in self.parts)
        for update in self.updates(x):
            state = update(state)
        return state

    def step(self, level: int, x: Tensor, state: State) -> State:
        """The new state after the network of `level`; states are kept from high to low."""
        seen = (x, *reversed(state))
        new = self.model.networks[level](self.model.hidden_combiners[level](seen, level))
        at = len(state) - 1 - level
        return (*state[:at], new, *state[at + 1 :])

    def updates(self, x: Tensor) -> list[Callable[[State], State]]:
        return [partial(self.step, level, x) for level in self.order]

    def readout(self, state: State) -> tuple[Tensor, Tensor]:
        head = self.model.to_logits if self.scores else self.model.to_pred
        q = self.model.to_q_halt_continue(state[0]).mT if self.scores else state[0][:, 0, :1]
        return head(state[0]), q

    def would_halt(self, q: Tensor) -> Tensor:
        return q[:, 0] > (q[:, 1] if self.scores else torch.inf)
