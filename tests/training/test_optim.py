"""Adam-atan2 against its formula."""

import torch

from rrm_core.training.optim import AdamAtan2


def test_adam_atan2_is_adam_without_epsilon_on_the_angle():
    start, gradients = (
        torch.tensor([1.0, -2.0, 3.0]),
        [torch.tensor([1e-9, 5.0, -0.5]), torch.tensor([2e-9, -1.0, 0.0])],
    )
    p = torch.nn.Parameter(start.clone())
    optimiser, m, v, expected = (
        AdamAtan2([p], lr=0.1, betas=(0.9, 0.95), weight_decay=0.5),
        0.0,
        0.0,
        start.clone(),
    )
    for t, g in enumerate(gradients, 1):
        p.grad = g.clone()
        optimiser.step()
        m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g**2
        expected = expected * (1 - 0.1 * 0.5) - 0.1 / (1 - 0.9**t) * torch.atan2(
            m, (v / (1 - 0.95**t)).sqrt()
        )  # as in the published kernel
    assert torch.allclose(p.detach(), expected, atol=1e-6)
    assert abs(p[0].item() - (start[0] * 0.95**2).item()) > 0.05, (
        "a gradient of 1e-9 moves a weight as any other"
    )
