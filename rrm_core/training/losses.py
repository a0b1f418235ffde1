"""The published losses: stablemax cross-entropy of the answer, and that of the halting head."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as bce


def log_stablemax(logits: Tensor) -> Tensor:
    """log of s(x) / sum s over the last axis, in float64 (Prieto et al. 2025).

    s(x) = x + 1 for x >= 0, else 1/(1 - x). Each branch sees its argument clamped to its own side,
    so that neither poisons the gradient of the other.
    """
    x = logits.double()
    s = torch.where(x >= 0, x.clamp(min=0) + 1, 1 / (1 - x.clamp(max=0)))
    return torch.log(s / s.sum(-1, keepdim=True))


def answer_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) stablemax cross-entropy, mean over cells; logits (B, cells, V), labels (B, cells)."""
    return -log_stablemax(logits).gather(-1, labels[..., None]).squeeze(-1).mean(-1)


def halting_loss(q: Tensor, solved: Tensor, continue_target: Tensor | None = None) -> Tensor:
    """(B,) binary cross-entropy of q_halt against "all cells right", plus that of q_continue.

    The latter in rows whose target is not NaN: with m targets in B rows it counts B/m times, so
    that the mean over the batch is the same on average.
    """
    loss = bce(q[:, 0], solved.to(q.dtype), reduction="none")
    if continue_target is None:
        return loss
    known = ~continue_target.isnan()
    more = bce(q[:, 1].contiguous(), continue_target.nan_to_num(), reduction="none")
    return loss + torch.where(known, more * (len(q) / known.sum()), 0)
