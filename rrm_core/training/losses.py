"""The published losses: stablemax cross-entropy of the answer, binary cross-entropy of the halting head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def log_stablemax(logits: Tensor) -> Tensor:
    """log of the stablemax over the last axis: s(x) = x + 1 for x >= 0, else 1/(1 - x), normalised (Prieto et al. 2025).

    In float64. Each branch sees its argument clamped to its own side, so that neither poisons the gradient of the other.
    """
    x = logits.double()
    s = torch.where(x >= 0, x.clamp(min=0) + 1, 1 / (1 - x.clamp(max=0)))
    return torch.log(s / s.sum(-1, keepdim=True))


def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) stablemax cross-entropy, mean over the cells; logits (B, cells, V), labels (B, cells)."""
    return -log_stablemax(logits).gather(-1, labels[..., None]).squeeze(-1).mean(-1)


def halting_loss(q: Tensor, solved: Tensor, continue_target: Tensor | None = None) -> Tensor:
    """(B,) binary cross-entropy of q_halt against "all cells right", plus that of q_continue in rows whose target is not NaN.

    With m targets in B rows the second term counts B/m times, so that the mean over the batch is the same on average.
    """
    loss = F.binary_cross_entropy_with_logits(q[:, 0], solved.to(q.dtype), reduction="none")
    if continue_target is not None:
        known = ~continue_target.isnan()
        more = F.binary_cross_entropy_with_logits(
            q[known, 1], continue_target[known], reduction="none"
        )
        loss = loss + torch.zeros_like(loss).masked_scatter(known, more * (len(q) / len(more)))
    return loss
