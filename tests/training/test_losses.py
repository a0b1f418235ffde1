"""The published losses against their formulas."""

import numpy as np
import pytest
import torch

from rrm_core.training import losses


def test_stablemax_is_the_published_function():
    x = torch.tensor([[-3.0, -1.0, 0.0, 1.0, 4.0]])
    s = torch.tensor([[1 / 4, 1 / 2, 1.0, 2.0, 5.0]], dtype=torch.float64)
    assert torch.allclose(losses.log_stablemax(x), (s / s.sum()).log())


def test_stablemax_has_finite_gradients_where_the_unused_branch_is_infinite():
    x = torch.tensor([1.0, 1.0 + 1e-9, 0.0, -1.0], requires_grad=True)
    losses.log_stablemax(x)[0].backward()
    assert torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0


def test_answer_loss_is_the_mean_over_cells():
    logits = torch.zeros(2, 3, 4)
    assert torch.allclose(
        losses.answer_loss(logits, torch.ones(2, 3, dtype=torch.long)),
        torch.full((2,), np.log(4.0), dtype=torch.float64),
    )


def test_halting_loss():
    q = torch.tensor([[0.0, 0.0]])
    assert losses.halting_loss(q, torch.tensor([True])).item() == pytest.approx(np.log(2))
    assert losses.halting_loss(
        q, torch.tensor([True]), torch.tensor([0.5])
    ).item() == pytest.approx(2 * np.log(2))
