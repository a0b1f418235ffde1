"""The fixed unroll: every puzzle runs all segments; halting is recorded, never applied."""

from dataclasses import dataclass

import torch
from torch import Tensor

from rrm_core.dynamics.contract import Reasoner, pushes_of
from rrm_core.dynamics.exponents import State, grow, start_frame
from rrm_core.models.config import SEGMENTS
from rrm_core.models.ops import at_least_float32


@dataclass(frozen=True)
class Rollout:
    """What one unroll of B puzzles over T segments shows; all on the CPU but `state`."""

    answer: Tensor  # (B, T, cells) decoded token ids
    q: Tensor  # (B, T, m): the model's scores, of an HRM or TRM q_halt and q_continue
    halts: Tensor  # (B, T) bool: would halt at this segment
    drift: Tensor  # (B, T, M) float64: :func:`distance` of part m of the state at t and t - 1
    growth: Tensor  # (B, T, K) float64: summed log |R_ii| of the segment, QR order; K may be 0
    state: State  # its parts after the last segment, as (z_H, z_L)
    recent: Tensor  # (B, S, P, D) its first part after each of the last S segments, at most `keep`

    @property
    def drift_h(self) -> Tensor:
        """(B, T) drift of the part that is read out."""
        return self.drift[..., 0]


def distance(new: Tensor, old: Tensor) -> Tensor:
    """(B,) Euclidean distance over all positions and channels, summed in float64."""
    return (at_least_float32(new) - at_least_float32(old)).double().flatten(1).norm(dim=1)


def unroll(
    model: Reasoner,
    tokens: Tensor,
    segments: int = SEGMENTS,
    k: int = 8,
    seed: int = 0,
    state: State | None = None,
    every: int = 1,
    keep: int = 0,
) -> Rollout:
    """The :class:`Rollout` of token ids (B, cells) from `state`, or from the model's start state.

    `k` tangents (0: none) start from the frame of `seed`, `every` updates lie between two QRs, and
    the states of the last `keep` segments are kept.
    """
    # inference mode lets our layers take oneDNN, which has no forward rule: for own tangents only
    with torch.inference_mode() if hasattr(model, "pushes") else torch.no_grad():
        x = model.embed(tokens)
        state = model.initial_state(x) if state is None else state
        frame = start_frame(state, k, seed) if k else ()
        updates, pushes = model.updates(x), pushes_of(model, x)
        growth = torch.zeros(len(tokens), 0, dtype=torch.float64)
        records, recent = [], [state[0].cpu()[:, None][:, :0]]
        for t in range(segments):
            before = state
            if k:
                state, frame, growth = grow(pushes, state, frame, every)
            else:
                for update in updates:
                    state = update(state)
            logits, q = model.readout(state)
            drift = [distance(new, old) for new, old in zip(state, before, strict=True)]
            moved = torch.stack(drift, -1)
            records.append([logits.argmax(-1), q, model.would_halt(q), moved, growth])
            if t >= segments - keep:
                recent.append(state[0].cpu()[:, None])
        columns = (torch.stack(column, 1).cpu() for column in zip(*records, strict=True))
        answer, qs, halts, drifts, growths = columns
        return Rollout(answer, qs, halts, drifts, growths, state, torch.cat(recent, 1))
