"""Models against the published sizes, names, update order and an explicit product of Jacobians."""

import json

import pytest
import torch

from rrm_core.dynamics import exponents as ftle
from rrm_core.dynamics.rollout import unroll
from rrm_core.models.ops import rms
from rrm_core.models.recursive import HRM, TRM, Config, ModelError, on_device, tokens
from rrm_core.models.weights import check_names, load_model, save_model
from rrm_core.sudoku.board import parse

SMALL = {
    "trm-mlp": lambda: TRM(
        "mlp", side=4, width=8, layers=2, H_cycles=2, L_cycles=2, heads=2, prefix=1
    ),
    "trm-attention": lambda: TRM(
        "attention", side=4, width=8, layers=1, H_cycles=2, L_cycles=2, heads=2, prefix=2
    ),
    "hrm": lambda: HRM(side=4, width=8, H_layers=1, L_layers=2, heads=2),
}


@pytest.fixture(params=SMALL)
def small(request):
    torch.manual_seed(0)
    return SMALL[request.param]()


def random_tokens(model, batch=3, seed=0):
    c = model.config
    return torch.randint(
        1, c.vocabulary, (batch, c.cells), generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize(
    ("build", "count", "schedule"),
    [
        (HRM, 27_275_266, "LLHLLH"),
        (TRM, 5_028_866, "LLLLLLHLLLLLLHLLLLLLH"),
        (lambda: TRM("attention"), 6_828_034, "LLLLLLHLLLLLLHLLLLLLH"),
    ],
)
def test_published_sizes(build, count, schedule):
    model = build()
    assert sum(p.numel() for p in model.parameters()) == count
    assert model.schedule == schedule


def test_published_names_and_shapes():
    trm = {name: tuple(t.shape) for name, t in TRM().state_dict().items()}
    assert trm["inner.L_level.layers.0.mlp_t.gate_up_proj.weight"] == (1024, 97)
    assert trm["inner.L_level.layers.1.mlp_t.down_proj.weight"] == (97, 512)
    assert trm["inner.L_level.layers.0.mlp.gate_up_proj.weight"] == (3072, 512)
    assert (
        trm["inner.puzzle_emb.weights"] == (1, 512)
        and trm["inner.H_init"] == (512,)
        and trm["inner.q_head.bias"] == (2,)
    )
    assert not [name for name in trm if "H_level" in name]
    hrm = HRM().state_dict()
    assert {
        "inner.H_level.layers.3.self_attn.qkv_proj.weight",
        "inner.L_level.layers.0.self_attn.o_proj.weight",
    } <= set(hrm)
    assert not [name for name in hrm if "cos" in name or "sin" in name]


def test_initial_values():
    inner = TRM(side=4, width=64, prefix=1).inner
    assert (
        inner.q_head.bias.tolist() == [-5, -5]
        and not inner.q_head.weight.any()
        and not inner.puzzle_emb.weights.any()
    )
    weight = HRM(side=4, width=512).inner.L_level.layers[0].mlp.gate_up_proj.weight
    assert weight.std().item() == pytest.approx(512**-0.5, rel=0.01)


def explicit_block(model, which, v):
    """One level written out from the published description, independent of the package's layers."""

    def swiglu(layer, u):
        gate, up = (u @ layer.gate_up_proj.weight.T).chunk(2, -1)
        return (gate * torch.sigmoid(gate) * up) @ layer.down_proj.weight.T

    def norm(u, dim):
        return u / (u.pow(2).mean(dim, keepdim=True) + 1e-5).sqrt()

    for layer in model.level(which).layers:
        if model.config.mixing == "mlp":
            v = norm(v + swiglu(layer.mlp_t, v.transpose(1, 2)).transpose(1, 2), 1)
        else:
            heads, d = model.config.heads, model.config.width // model.config.heads
            batch, length, _ = v.shape
            q, k, w = (
                (v @ layer.self_attn.qkv_proj.weight.T)
                .reshape(batch, length, 3, heads, d)
                .permute(2, 0, 3, 1, 4)
            )
            angle = torch.arange(length)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
            cos, sin = angle.cos().to(v.dtype), angle.sin().to(v.dtype)

            def turn(u, cos=cos, sin=sin, d=d):
                a, b = u[..., : d // 2], u[..., d // 2 :]
                return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

            weights = torch.softmax(turn(q) @ turn(k).transpose(-1, -2) / d**0.5, -1)
            mixed = (weights @ w).permute(0, 2, 1, 3).reshape(batch, length, -1)
            v = norm(v + mixed @ layer.self_attn.o_proj.weight.T, -1)
        v = norm(v + swiglu(layer.mlp, v), -1)
    return v


def test_segment_equals_the_published_recursion(small):
    model = small.double()
    ids = random_tokens(model)
    x = model.embed(ids)
    z_h, z_l = model.initial_state(3)
    with torch.no_grad():
        got = model.segment((z_h, z_l), x)
        for _ in range(model.config.H_cycles):
            for _ in range(model.config.L_cycles):
                z_l = explicit_block(model, "L", z_l + z_h + x)
            z_h = explicit_block(model, "H", z_h + z_l)
    assert torch.allclose(got[0], z_h, atol=1e-6) and torch.allclose(got[1], z_l, atol=1e-6)


def test_embedding_and_readout(small):
    model, c = small, small.config
    model.inner.puzzle_emb.weights.data.normal_()
    ids = random_tokens(model)
    x = model.embed(ids)
    assert x.shape == (3, c.positions, c.width)
    assert torch.allclose(
        x[:, c.prefix :], c.width**0.5 * model.inner.embed_tokens.embedding_weight[ids]
    )
    assert torch.allclose(x[0, 0], c.width**0.5 * model.inner.puzzle_emb.weights[0])
    assert not x[:, 1 : c.prefix].any()
    logits, q = model.readout(model.initial_state(3))
    assert logits.shape == (3, c.cells, c.side + 2) and q.shape == (3, 2)


def test_halting_rules():
    q = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    assert SMALL["trm-mlp"]().would_halt(q).tolist() == [True, False]
    assert SMALL["hrm"]().would_halt(q).tolist() == [False, True]


@torch.no_grad()
def jacobian_growth(model, ids, segments, k):
    """Growths from explicit Jacobians of every update, for one puzzle: the reference of the spectrum."""
    x = model.embed(ids)
    state = tuple(z.contiguous() for z in model.initial_state(1))
    flat = torch.cat([z.flatten() for z in state])
    frame = ftle.start_frame(state, k, seed=0)
    q = torch.cat([part.flatten(1) for part in frame], -1).T
    half, rows = flat.numel() // 2, []
    for _ in range(segments):
        total = torch.zeros(k, dtype=torch.float64)
        for which in model.schedule:

            def step(z, which=which):
                parts = (z[:half].view_as(state[0]), z[half:].view_as(state[1]))
                return torch.cat([p.flatten() for p in model.update(which, parts, x)])

            q, r = torch.linalg.qr(torch.func.jacrev(step)(flat) @ q)
            total += r.diagonal().abs().log()
            flat = step(flat)
        rows.append(total)
    return torch.stack(rows)


@pytest.mark.parametrize("fast", [True, False])
def test_spectrum_equals_an_explicit_product_of_jacobians(small, fast):
    model = small.double()
    ids = random_tokens(model, batch=2)
    growth = unroll(model, ids, segments=2, k=4, fast=fast).growth
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


def test_rms_keeps_float64_and_has_a_floor():
    v = torch.zeros(1, 4, dtype=torch.float64)
    assert rms(v).dtype == torch.float64 and not rms(v).any()
    assert rms(torch.tensor([[3.0, 4.0]])).pow(2).mean().item() == pytest.approx(1, rel=1e-5)


def test_save_and_load(small, tmp_path):
    save_model(small, tmp_path)
    again = load_model(tmp_path)
    assert again.config == small.config
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_truncated_weights_are_refused_and_named(small, tmp_path):
    save_model(small, tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="truncated or damaged"):
        load_model(tmp_path)


def test_missing_folder_and_foreign_weights_are_refused(small, tmp_path):
    with pytest.raises(ModelError, match="train or import"):
        load_model(tmp_path / "nowhere")
    weights = dict(small.state_dict())
    weights["inner.extra"] = torch.zeros(1)
    weights["inner.H_init"] = torch.zeros(3)
    del weights["inner.L_init"]
    with pytest.raises(
        ModelError,
        match=r"Missing \['inner.L_init'\]; unexpected \['inner.extra'\]; wrong shape \['inner.H_init: \(3,\)",
    ):
        check_names(small, weights, "here")


def test_bad_configs_are_refused(small, tmp_path):
    save_model(small, tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    for change in (
        {"model": "gpt"},
        {"width": 0},
        {"colour": 1},
        {"model": "hrm", "mixing": "mlp"},
    ):
        with pytest.raises(ModelError):
            Config.from_dict(values | change)


def test_tokens():
    assert tokens(parse("1.3." + "." * 12)[None])[0, :4].tolist() == [2, 1, 4, 1]


def test_a_device_too_small_for_the_model_is_told_so(monkeypatch):
    small = TRM(side=4, width=32, layers=1, prefix=1)

    def full(device):
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 MiB. GPU 0 has a total capacity of 79.18 GiB"
        )

    monkeypatch.setattr(small, "to", full)
    with pytest.raises(
        ModelError,
        match=r"cuda has not enough memory for the model \(0 MiB of weights\); try --device cpu",
    ):
        on_device(small, "cuda")
