"""The fixed unroll: every puzzle runs all segments; halting is recorded, never applied."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rrm_core.dynamics import exponents as ftle
from rrm_core.models.config import SEGMENTS
from rrm_core.models.recursive import RecursiveModel, State


@dataclass(frozen=True)
class Rollout:
    """What one unroll of B puzzles over T segments shows; all on the CPU."""

    answer: Tensor  # (B, T, cells) decoded token ids
    q: Tensor  # (B, T, 2): q_halt, q_continue
    halts: Tensor  # (B, T) bool: would halt at this segment
    drift_h: Tensor  # (B, T) float64: Euclidean norm of z_H(t) - z_H(t-1) over all positions and channels
    drift_l: Tensor  # (B, T) the same for z_L
    growth: Tensor  # (B, T, K) float64: summed log |R_ii| within the segment, QR order; K = 0 without exponents
    state: State  # (z_H, z_L) after the last segment
    recent: Tensor  # (B, S, P, D) z_H after each of the last S segments, S = `keep`


def distance(new: Tensor, old: Tensor) -> Tensor:
    """(B,) Euclidean distance over all positions and channels, summed in float64."""
    return (new - old).double().flatten(1).norm(dim=1)


@torch.no_grad()
def unroll(
    model: RecursiveModel,
    tokens: Tensor,
    segments: int = SEGMENTS,
    k: int = 8,
    seed: int = 0,
    state: State | None = None,
    fast: bool = True,
    every: int = 1,
    keep: int = 0,
) -> Rollout:
    """The :class:`Rollout` of token ids (B, cells) from `state` (the stored start state unless given).

    `k` tangents (0: none) start from the frame of `seed`, the same for every puzzle. `fast` uses the model's own
    ``tangents``; otherwise torch's forward mode (equal to round-off, about twice as slow). `every` updates lie between two QRs.
    The states of the last `keep` segments are kept.
    """
    x = model.embed(tokens)
    state = model.initial_state(len(tokens)) if state is None else state
    frame = ftle.start_frame(state, k, seed) if k else None
    updates, schedule = model.updates(x), model.schedule
    tangents = (lambda i, z, f: model.tangents(schedule[i], z, f, x)) if fast else None
    records, recent = (
        [],
        [state[0][:, None][:, :0].cpu()],
    )  # nothing, in the shape of what may follow
    for t in range(segments):
        before = state
        if k:
            state, frame, growth = ftle.grow(updates, state, frame, tangents, every)
        else:
            state, growth = (
                model.segment(state, x),
                torch.zeros(len(tokens), 0, dtype=torch.float64),
            )
        logits, q = model.readout(state)
        drift = [distance(new, old) for new, old in zip(state, before, strict=True)]
        if t >= segments - keep:
            recent.append(state[0][:, None].cpu())
        records.append([logits.argmax(-1), q, model.would_halt(q), *drift, growth])
    columns = [torch.stack(column, 1).cpu() for column in zip(*records, strict=True)]
    return Rollout(*columns, state=state, recent=torch.cat(recent, 1))
