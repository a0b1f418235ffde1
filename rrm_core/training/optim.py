"""Optimisers by name: AdamW of torch, and Adam-atan2, which the published recipes use and torch does not have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor


class AdamAtan2(torch.optim.Optimizer):
    """Adam whose step at time t is lr / (1 - b1^t) * atan2(m, sqrt(v / (1 - b2^t))): no epsilon, and bounded by lr pi/2 / (1 - b1^t).

    The first moment is corrected outside the angle, as in the kernel (imoneoi/adam-atan2) that the published runs use. Weight decay is
    decoupled, as in AdamW. Source: Everett et al. 2024 (arXiv 2407.05872), whose two extra constants are one here.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 1.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable | None = None) -> None:
        """One step over all parameters with a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            for p in params:
                if not self.state[p]:
                    self.state[p].update(
                        step=torch.tensor(0.0),
                        exp_avg=torch.zeros_like(p),
                        exp_avg_sq=torch.zeros_like(p),
                    )
            slots, grads, (b1, b2) = (
                [self.state[p] for p in params],
                [p.grad for p in params],
                group["betas"],
            )
            m, v = [s["exp_avg"] for s in slots], [s["exp_avg_sq"] for s in slots]
            torch._foreach_lerp_(m, grads, 1 - b1)
            torch._foreach_mul_(v, b2)
            torch._foreach_addcmul_(v, grads, grads, value=1 - b2)
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            for p, s in zip(params, slots, strict=True):
                s["step"] += 1
                t = s["step"].item()
                p.add_(
                    torch.atan2(s["exp_avg"], (s["exp_avg_sq"] / (1 - b2**t)).sqrt()),
                    alpha=-group["lr"] / (1 - b1**t),
                )


OPTIMISERS = {"adamw": partial(torch.optim.AdamW, fused=True), "adam-atan2": AdamAtan2}
