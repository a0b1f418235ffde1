"""Models against the published sizes, names, update order and an explicit product of Jacobians."""

import copy
from dataclasses import replace

import pytest
import torch

from rrm_core.models.config import PUBLISHED, Config, ModelError
from rrm_core.models.recursive import Attention, RecursiveModel, on_device, tokens
from rrm_core.sudoku.board import parse

SMALL = {
    "trm-mlp": Config("trm", "mlp", 4, 8, 2, 0, 2, 2, heads=2, prefix=1),
    "trm-attention": Config("trm", "attention", 4, 8, 1, 0, 2, 2, heads=2, prefix=2),
    "hrm": Config("hrm", "attention", 4, 8, 2, 1, 2, 2, heads=2, prefix=1),
}
TRM, HRM = PUBLISHED["trm"], PUBLISHED["hrm"]


@pytest.fixture(params=SMALL)
def small(request):
    torch.manual_seed(0)
    return RecursiveModel(SMALL[request.param])


def random_tokens(model, batch=3, seed=0):
    c = model.config
    return torch.randint(
        1, c.side + 2, (batch, c.cells), generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize(
    ("config", "count", "schedule"),
    [
        (HRM, 27_275_266, "LLHLLH"),
        (TRM, 5_028_866, "LLLLLLHLLLLLLHLLLLLLH"),
        (replace(TRM, mixing="attention"), 6_828_034, "LLLLLLHLLLLLLHLLLLLLH"),
    ],
)
def test_published_sizes(config, count, schedule):
    with torch.device("meta"):
        model = RecursiveModel(config)
    assert sum(p.numel() for p in model.parameters()) == count
    assert model.schedule == schedule


def test_published_names_and_shapes():
    with torch.device("meta"):
        trm = {n: tuple(t.shape) for n, t in RecursiveModel(TRM).state_dict().items()}
        hrm = RecursiveModel(HRM).state_dict()
    assert trm["inner.L_level.layers.0.mlp_t.gate_up_proj.weight"] == (1024, 97)
    assert trm["inner.L_level.layers.1.mlp_t.down_proj.weight"] == (97, 512)
    assert trm["inner.L_level.layers.0.mlp.gate_up_proj.weight"] == (3072, 512)
    assert trm["inner.puzzle_emb.weights"] == (1, 512) and trm["inner.H_init"] == (512,)
    assert trm["inner.q_head.bias"] == (2,)
    assert not [name for name in trm if "H_level" in name]
    assert {
        "inner.H_level.layers.3.self_attn.qkv_proj.weight",
        "inner.L_level.layers.0.self_attn.o_proj.weight",
    } <= set(hrm)
    assert not [name for name in hrm if "cos" in name or "sin" in name]


def test_initial_values():
    inner = RecursiveModel(Config("trm", "mlp", 4, 64, 2, 0, 3, 6, heads=8, prefix=1)).inner
    assert inner.q_head.bias.tolist() == [-5, -5] and not inner.q_head.weight.any()
    assert not inner.puzzle_emb.weights.any()
    wide = RecursiveModel(Config("hrm", "attention", 4, 512, 1, 1, 2, 2, heads=8, prefix=1))
    weight = wide.inner.L_level.layers[0].mlp.gate_up_proj.weight
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
    z_h, z_l = model.initial_state(torch.zeros(3))
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
    logits, q = model.readout(model.initial_state(torch.zeros(3)))
    assert logits.shape == (3, c.cells, c.side + 2) and q.shape == (3, 2)


def test_halting_rules():
    q = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    assert RecursiveModel(SMALL["trm-mlp"]).would_halt(q).tolist() == [True, False]
    assert RecursiveModel(SMALL["hrm"]).would_halt(q).tolist() == [False, True]


def test_a_model_cast_to_bfloat16_keeps_its_rotary_tables_and_rounds_everything_else(small):
    ids, exact = random_tokens(small), copy.deepcopy(small)
    model = small.to(torch.bfloat16)
    assert {t.dtype for t in model.state_dict().values()} == {torch.bfloat16}
    for kept, cast in zip(exact.modules(), model.modules(), strict=True):
        if isinstance(cast, Attention):
            assert torch.equal(cast.cos, kept.cos) and cast.cos.dtype == torch.float32
    with torch.no_grad():
        state = model.update("L", model.embed(ids), model.initial_state(ids))
        wanted = exact.update("L", exact.embed(ids), exact.initial_state(ids))
    assert {z.dtype for z in state} == {torch.bfloat16}
    assert (state[1] - wanted[1]).norm() < 0.05 * wanted[1].norm()
    assert model.readout(state)[1].dtype == torch.float32


def test_tokens():
    assert tokens(parse("1.3." + "." * 12)[None])[0, :4].tolist() == [2, 1, 4, 1]


def test_a_device_too_small_for_the_model_is_told_so(monkeypatch):
    small = RecursiveModel(SMALL["trm-mlp"])

    def full(device):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")

    monkeypatch.setattr(small, "to", full)
    with pytest.raises(
        ModelError,
        match=r"'cuda' cannot be used \(CUDA out of memory.*\); try --device cpu",
    ):
        on_device(small, "cuda")
