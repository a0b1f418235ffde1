"""The unroll against explicit products of Jacobians, for the models and anything like them."""

import pytest
import torch

from rrm_core.dynamics import exponents
from rrm_core.dynamics.rollout import unroll
from rrm_core.models.config import Config
from rrm_core.models.recursive import RecursiveModel

SMALL = {
    "trm-mlp": Config("trm", "mlp", 4, 8, 2, 0, 2, 2, heads=2, prefix=1),
    "trm-attention": Config("trm", "attention", 4, 8, 1, 0, 2, 2, heads=2, prefix=2),
    "hrm": Config("hrm", "attention", 4, 8, 2, 1, 2, 2, heads=2, prefix=1),
}


@pytest.fixture(params=SMALL)
def small(request):
    torch.manual_seed(0)
    return RecursiveModel(SMALL[request.param])


def random_tokens(model, batch=3, seed=0):
    c, generator = model.config, torch.Generator().manual_seed(seed)
    return torch.randint(1, c.side + 2, (batch, c.cells), generator=generator)


@torch.no_grad()
def jacobian_growth(model, ids, segments, k):
    """Growths (T, K) of one puzzle from explicit Jacobians of every update."""
    x = model.embed(ids)
    state = tuple(z.contiguous() for z in model.initial_state(x))
    flat = torch.cat([z.flatten() for z in state])
    frame = exponents.start_frame(state, k, seed=0)
    q = torch.cat([part.flatten(1) for part in frame], -1).T
    half, rows = flat.numel() // 2, []
    for _ in range(segments):
        total = torch.zeros(k, dtype=torch.float64)
        for which in model.schedule:

            def step(z, which=which):
                parts = (z[:half].view_as(state[0]), z[half:].view_as(state[1]))
                return torch.cat([p.flatten() for p in model.update(which, x, parts)])

            q, r = torch.linalg.qr(torch.func.jacrev(step)(flat) @ q)
            total += r.diagonal().abs().log()
            flat = step(flat)
        rows.append(total)
    return torch.stack(rows)


class Foreign:
    """A model by its contract alone: no tangents of its own, nothing else."""

    def __init__(self, model):
        for name in ("embed", "initial_state", "updates", "readout", "would_halt"):
            setattr(self, name, getattr(model, name))


@pytest.mark.parametrize("seen_as", [lambda model: model, Foreign])
def test_spectrum_equals_an_explicit_product_of_jacobians(small, seen_as):
    model = small.double()
    ids = random_tokens(model, batch=2)
    growth = unroll(seen_as(model), ids, segments=2, k=4).growth
    for row in range(2):
        assert (growth[row] - jacobian_growth(model, ids[row : row + 1], 2, 4)).abs().max() < 1e-9


def test_rollout_without_exponents_follows_the_same_path(small):
    model = small.double()
    ids = random_tokens(model)
    with_k, without = unroll(model, ids, 4, k=2), unroll(model, ids, 4, k=0)
    assert torch.allclose(with_k.drift_h, without.drift_h, atol=1e-9) and torch.equal(
        with_k.answer, without.answer
    )
    assert without.growth.shape == (3, 4, 0)


def test_the_states_kept_are_the_last_ones_and_their_distances_the_drift(small):
    ids = random_tokens(small)
    out = unroll(small, ids, 4, k=0, keep=3)
    assert torch.equal(out.recent[:, -1], out.state[0]) and out.recent.shape[1] == 3
    apart = (out.recent[:, 2] - out.recent[:, 1]).double().flatten(1).norm(dim=1)
    assert torch.equal(apart, out.drift_h[:, 3])


def test_a_rollout_in_bfloat16_has_drifts_and_no_exponents(small):
    ids = random_tokens(small)
    out = unroll(small.to(torch.bfloat16), ids, 2, k=0)
    assert out.drift_h.dtype == torch.float64 and (out.drift_h > 0).all()
    with pytest.raises(ValueError, match="tangents in bfloat16: expected a state in float32"):
        unroll(small, ids, 2, k=1)
