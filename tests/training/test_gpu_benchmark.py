"""The script that measures a lent GPU runs on a CPU too, so that no minute there is lost to it."""

import importlib
from pathlib import Path

import pytest
import torch

from rrm_core.models import ops
from rrm_core.training.trainer import gradient_start

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    """benchmarks/gpu.py as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu")


def test_every_table_has_its_rows(gpu, capsys):
    card = gpu.Card("cpu")
    peak, peak32, bandwidth = card.peaks()
    gpu.products(card, 1, peak, bandwidth)
    gpu.qr(card, "smoke")
    gpu.exponents(card, ["smoke"], peak32)
    gpu.training(card, ["smoke"], 4, peak, ["plain", "padded"])
    rows = capsys.readouterr().out.splitlines()
    for start in ("channels, down | 1536", "positions, gate and up | 104", "Cholesky, twice"):
        assert any(row.startswith(f"| {start} |") for row in rows)
    assert sum(row.startswith("| smoke |") for row in rows) == 3, "exponents, two trainings"


def test_padded_positions_change_nothing(gpu, smoke, tmp_path):
    torch.manual_seed(0)
    v, up, down = torch.randn(2, 3, 17, 8), torch.randn(32, 17), torch.randn(17, 16)
    assert torch.allclose(gpu.padded_product(v, up), ops.linear_over_positions(v, up), atol=1e-5)
    inner = torch.randn(3, 16, 8)
    found = gpu.padded_product(inner, down)
    assert found.shape == (3, 17, 8) and torch.allclose(found, down @ inner, atol=1e-5)
    trainer = smoke(tmp_path)
    gpu.padded(trainer)
    products = [m.product for m in trainer.model.modules() if hasattr(m, "product")]
    assert products.count(gpu.padded_product) == len(products) / 2, "those over positions"


@pytest.mark.parametrize("model", ["smoke", "small_hrm"])
def test_a_segment_in_pieces_is_the_segment_with_its_gradient(
    gpu, model, tmp_path, request, monkeypatch
):
    pieces = []

    def uncompiled(**_):
        return lambda run: lambda piece, *rest: pieces.append(piece) or run(piece, *rest)

    monkeypatch.setattr(torch, "compile", uncompiled)
    trainer = request.getfixturevalue(model)(tmp_path)
    trainer.refill()
    net, start = trainer.model, gradient_start(trainer.config)
    x, found = net.embed(trainer.tokens), []
    for change in (lambda trainer: None, gpu.segment):
        change(trainer)
        state = net.segment(trainer.state, x.detach(), start)
        net.inner.L_level.zero_grad()
        state[0].square().sum().backward()
        found.append([state[0], net.inner.L_level.layers[0].mlp.down_proj.weight.grad.clone()])
    assert "".join(pieces) == net.schedule and start in (
        sum(map(len, pieces[:i])) for i in range(len(pieces))
    )
    for before, after in zip(*found, strict=True):
        assert torch.equal(before, after)
