"""Optimisers by name: torch's AdamW, and Adam-atan2, which the published recipes use."""

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor


class AdamAtan2(torch.optim.Optimizer):
    """Adam whose step at time t is lr / (1 - b1^t) * atan2(m, sqrt(v / (1 - b2^t))).

    No epsilon, and bounded by lr pi/2 / (1 - b1^t). The first moment is corrected outside the
    angle, as in the kernel (imoneoi/adam-atan2) that the published runs use. Weight decay is
    decoupled, as in AdamW. Source: Everett et al. 2024 (arXiv 2407.05872), whose two extra
    constants are one here.
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
    def step(self) -> None:
        """One step over all parameters with a gradient."""
        for group in self.param_groups:
            lr, (b1, b2), decay = group["lr"], group["betas"], group["weight_decay"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                slot = self.state[p]
                if not slot:
                    slot["exp_avg"], slot["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
                m, v = slot["exp_avg"].lerp_(p.grad, 1 - b1), slot["exp_avg_sq"]
                v.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
                t = slot["step"] = int(slot.get("step", 0)) + 1  # a tensor in an earlier save
                p.mul_(1 - lr * decay)
                p.add_(torch.atan2(m, (v / (1 - b2**t)).sqrt()), alpha=-lr / (1 - b1**t))


OPTIMISERS: dict = {"adamw": partial(torch.optim.AdamW, fused=True), "adam-atan2": AdamAtan2}
