"""Exponents against systems whose spectra are known exactly or to published digits."""

import math
from functools import partial

import pytest
import torch

from rrm_core.dynamics import exponents

F64 = torch.float64


def repeat(x, batch=1):
    return (torch.tensor(x, dtype=F64).expand(batch, -1).clone(),)


def linear(matrix):
    matrix = torch.tensor(matrix, dtype=F64)
    return lambda state: (state[0] @ matrix.T,)


def henon(state, a=1.4, b=0.3):
    x, y = state[0].unbind(-1)
    return (torch.stack([1 - a * x * x + y, b * x], -1),)


def logistic(state, r=4.0):
    return (r * state[0] * (1 - state[0]),)


def rk4(field, dt):
    def step(state):
        z = state[0]
        k1 = field(z)
        k2 = field(z + dt / 2 * k1)
        k3 = field(z + dt / 2 * k2)
        k4 = field(z + dt * k3)
        return (z + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4),)

    return step


def lorenz(z, sigma=10.0, r=28.0, b=8 / 3):
    x, y, w = z.unbind(-1)
    return torch.stack([sigma * (y - x), x * (r - w) - y, x * y - b * w], -1)


def axes(n, batch=1):
    return (torch.eye(n, dtype=F64).reshape(n, 1, n).expand(n, batch, n).contiguous(),)


def test_diagonal_map_is_exact_at_every_horizon():
    d = [1.5, 0.8, 0.3, 0.05]
    history = exponents.spectrum(
        linear(torch.diag(torch.tensor(d)).tolist()), repeat([1.0, 2, 3, 4]), 7, frame=axes(4)
    )
    expected = torch.tensor(d, dtype=F64).log()
    assert torch.allclose(history[:, 0], expected.expand(7, 4), atol=1e-6)


def test_uniform_contraction():
    history = exponents.spectrum(lambda s: (0.9 * s[0],), repeat([1.0, 2, 3]), 16, k=3)
    assert torch.allclose(history, torch.full_like(history, math.log(0.9)), atol=1e-12)


def test_finite_time_growth_of_one_vector():
    """lambda_1 at T from a start vector v is ln(|A^T v| / |v|) / T, for a non-normal matrix too."""
    shear = [[1.0, 3.0], [0.0, 0.5]]
    state = repeat([1.0, 1.0])
    frame = exponents.start_frame(state, 1, seed=3)
    a, v = torch.tensor(shear, dtype=F64), frame[0][0, 0]
    history = exponents.spectrum(linear(shear), state, 9, frame=frame)
    for t in (1, 4, 9):
        exact = math.log(float((torch.linalg.matrix_power(a, t) @ v).norm() / v.norm())) / t
        assert history[t - 1, 0, 0].item() == pytest.approx(exact, abs=1e-12)


def test_cat_map():
    """From a random frame the value is off by c / T: two horizons together cancel c."""
    exact = math.log((3 + math.sqrt(5)) / 2)
    history = exponents.spectrum(linear([[2.0, 1.0], [1.0, 1.0]]), repeat([0.1, 0.2]), 300, k=2)[
        :, 0
    ]
    assert ((300 * history[299] - 100 * history[99]) / 200).tolist() == pytest.approx(
        [exact, -exact], abs=1e-9
    )
    assert 300 * abs(history[299, 0].item() - exact) == pytest.approx(
        100 * abs(history[99, 0].item() - exact), rel=1e-6
    )


def test_henon_sum_is_exact_and_values_match_sprott():
    state = repeat([0.1, 0.1], batch=64)
    state[0][:] += 0.01 * torch.rand(64, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
    for _ in range(200):
        state = henon(state)
    last = exponents.spectrum(henon, state, 1500, k=2)[-1]
    assert torch.allclose(last.sum(-1), torch.full((64,), math.log(0.3), dtype=F64), atol=1e-10)
    assert last.mean(0).tolist() == pytest.approx([0.41922, -1.62319], abs=4e-3)


def test_logistic_map():
    start = torch.rand(256, 1, generator=torch.Generator().manual_seed(1), dtype=F64)
    assert exponents.spectrum(logistic, (start,), 400, k=1)[-1].mean().item() == pytest.approx(
        math.log(2), abs=3e-3
    )


def test_lorenz_trace_zero_mode_and_leading_exponent():
    dt, steps = 0.02, 1000
    start = torch.randn(
        32, 3, generator=torch.Generator().manual_seed(2), dtype=F64
    ) + torch.tensor([0.0, 0, 25])
    state = (start,)
    step = rk4(lorenz, dt)
    for _ in range(1000):
        state = step(state)
    rates = exponents.spectrum(step, state, steps, k=3)[-1].mean(0) / dt
    assert rates.sum().item() == pytest.approx(-41 / 3, abs=2e-3)
    assert rates[1].item() == pytest.approx(0.0, abs=0.05)
    assert rates[0].item() == pytest.approx(0.9056, abs=0.05)


def test_qr_interval_does_not_change_the_sums():
    updates = [henon, linear([[2.0, 1.0], [1.0, 1.0]]), henon, linear([[0.5, 0.0], [0.1, 0.9]])]
    pushes = [partial(exponents.push, update) for update in updates]
    state = repeat([0.1, 0.2], batch=3)
    results = [
        exponents.grow(pushes, state, exponents.start_frame(state, 2), every=every)[2]
        for every in (1, 2, 4)
    ]
    for other in results[1:]:
        assert torch.allclose(results[0], other, atol=1e-10)


def test_joint_state_of_two_parts_equals_one_flat_state():
    def pair(state):
        z = torch.cat(state, -1)
        new = henon((z,))[0]
        return new[:, :1], new[:, 1:]

    flat = repeat([0.1, 0.2])
    parts = (flat[0][:, :1], flat[0][:, 1:])
    frame = exponents.start_frame(flat, 2)
    split = tuple(part.contiguous() for part in frame[0].split(1, -1))
    _, _, one = exponents.grow([partial(exponents.push, henon)] * 5, flat, frame)
    _, _, two = exponents.grow([partial(exponents.push, pair)] * 5, parts, split)
    assert torch.allclose(one, two, atol=1e-12)


def test_annihilated_direction_is_floored_not_infinite():
    flatten = partial(exponents.push, linear([[1.0, 0.0], [0.0, 0.0]]))
    growth = exponents.grow([flatten], repeat([1.0, 1.0]), axes(2))[2]
    assert torch.isfinite(growth).all()
    assert growth[0, 1].item() == pytest.approx(math.log(exponents.FLOOR))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cholesky_qr_is_householder_qr(dtype):
    torch.manual_seed(0)
    columns = (
        torch.randn(3, 500, 6, dtype=torch.float64)
        @ torch.diag(torch.logspace(0, -4, 6, dtype=torch.float64))
        @ torch.randn(6, 6, dtype=torch.float64)
    )
    a = columns.to(dtype)
    q, r = exponents.cholesky_qr(a)
    exact, size = exponents.householder(a.double())
    assert (
        q.dtype == dtype and (r.log() - size.log()).abs().max() < 1e-5
    )  # measured: 1e-9 in float32
    assert (q.double().mT @ q.double() - torch.eye(6)).abs().max() < 1e-5
    assert (
        (q.double().mT @ exact).abs() - torch.eye(6)
    ).abs().max() < 1e-3  # the same directions, up to sign


def test_cholesky_qr_leaves_what_it_cannot_do_to_householder(monkeypatch):
    torch.manual_seed(0)
    asked = []
    monkeypatch.setattr(
        exponents, "householder", lambda a, real=exponents.householder: asked.append(a) or real(a)
    )
    near = torch.randn(2, 50, 1, dtype=torch.float64) + 1e-9 * torch.randn(
        2, 50, 3, dtype=torch.float64
    )  # three columns that are almost one
    gone = torch.randn(2, 50, 3, dtype=torch.float64)
    gone[0, :, 1] = 0
    for a in (near, gone):
        q, r = exponents.cholesky_qr(a)
        assert (q.mT @ q - torch.eye(3)).abs().max() < 1e-12 and (r >= 0).all() and r[1].min() > 0
    assert len(asked) == 2 and float(exponents.cholesky_qr(gone)[1][0, 1]) == 0


def test_start_frame_is_orthonormal_seeded_and_equal_for_all_puzzles():
    state = (torch.zeros(3, 4, 5), torch.zeros(3, 4, 5))
    frame = exponents.start_frame(state, 8, seed=0)
    flat = torch.cat([part.flatten(2) for part in frame], -1)
    assert torch.allclose(flat[:, 0] @ flat[:, 0].T, torch.eye(8), atol=1e-6)
    assert torch.equal(flat[:, 0], flat[:, 2])
    assert torch.equal(frame[0], exponents.start_frame(state, 8, seed=0)[0])
    assert not torch.equal(frame[0], exponents.start_frame(state, 8, seed=1)[0])


@pytest.mark.parametrize("k", [0, 41])
def test_impossible_number_of_tangents_is_refused(k):
    with pytest.raises(ValueError, match=rf"k={k}.*1\.\.40"):
        exponents.start_frame((torch.zeros(1, 4, 5), torch.zeros(1, 4, 5)), k)
