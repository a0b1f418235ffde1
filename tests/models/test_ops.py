"""The operations: norms keep float64, tangents are derivatives, bfloat16 rounds once."""

from pathlib import Path

import pytest
import torch

from rrm_core.models import ops


def test_rms_keeps_float64_and_has_a_floor():
    v = torch.zeros(1, 4, dtype=torch.float64)
    assert ops.rms(v).dtype == torch.float64 and not ops.rms(v).any()
    assert ops.rms(torch.tensor([[3.0, 4.0]])).pow(2).mean().item() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize(("name", "count"), [("rms", 1), ("silu_gate", 2), ("attend", 3)])
def test_tangents_of_an_operation_are_its_derivatives(name, count):
    torch.manual_seed(0)
    stacks = [torch.randn(3, 2, 2, 5, 4, dtype=torch.float64) for _ in range(count)]
    found = getattr(ops.DUAL, name)(*stacks)
    values = tuple(s[0] for s in stacks)
    for k in (1, 2):
        tangents = tuple(s[k] for s in stacks)
        value, exact = torch.func.jvp(getattr(ops.PLAIN, name), values, tangents)
        assert torch.allclose(found[0], value, atol=1e-12)
        assert torch.allclose(found[k], exact, atol=1e-12)


def test_products_in_bfloat16_are_those_of_float32_rounded_once():
    torch.manual_seed(0)
    v, weight = torch.randn(2, 5, 64).bfloat16(), torch.randn(32, 64).bfloat16()
    found = ops.linear(v, weight)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, (v.float() @ weight.float().mT).bfloat16())


def test_products_over_positions_are_those_of_the_other_side_without_a_copy():
    torch.manual_seed(0)
    v, weight = torch.randn(3, 2, 5, 64), torch.nn.Parameter(torch.randn(9, 5))
    with torch.no_grad(), torch.profiler.profile() as seen:
        found = ops.linear_over_positions(v, weight)
    assert torch.allclose(found, ops.linear(v.mT, weight).mT, atol=1e-5)
    # torch 2.13: `weight @ v` copies the result, as the weight is a parameter (see findings)
    assert not [e.name for e in seen.events() if e.name == "aten::copy_"]
    rounded, rough = v.bfloat16(), weight.bfloat16()
    found = ops.linear_over_positions(rounded, rough)
    assert torch.equal(found, (rough.float() @ rounded.float()).bfloat16())


@pytest.mark.parametrize("dim", [-1, -2])
def test_a_norm_along_either_axis_and_its_tangents(dim):
    torch.manual_seed(0)
    s = torch.randn(3, 2, 5, 4, dtype=torch.float64)
    found = ops.rms_dual(s, dim)
    assert torch.allclose(found[0].square().mean(dim), torch.ones(()).double(), atol=1e-3)
    for k in (1, 2):
        value, exact = torch.func.jvp(lambda v: ops.rms(v, dim), (s[0],), (s[k],))
        assert torch.allclose(found[0], value, atol=1e-12)
        assert torch.allclose(found[k], exact, atol=1e-12)


def test_attention_in_bfloat16_weighs_in_float32_and_rounds_the_weights():
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 7, 8).bfloat16() for _ in range(3))
    weights = torch.softmax(q.float() @ k.float().mT / 8**0.5, -1).bfloat16()
    found = ops.attend(q, k, v)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, (weights.float() @ v.float()).bfloat16())


def mkldnn_products(call):
    """How many products a call gives to oneDNN, and how many copies it makes."""
    with torch.profiler.profile() as seen:
        found = call()
    names = [event.name for event in seen.events()]
    return found, names.count("mkldnn::_linear_pointwise"), names.count("aten::copy_")


@pytest.mark.skipif(not ops.ONEDNN, reason="torch was built without oneDNN")
def test_in_inference_mode_large_products_go_to_onednn_and_no_others(monkeypatch):
    monkeypatch.setattr(ops, "AMD", True)
    monkeypatch.setattr(ops, "WIDE", True)
    torch.manual_seed(0)
    v, weight = torch.randn(4, 64, 128), torch.nn.Parameter(torch.randn(32, 128))
    mixing = torch.nn.Parameter(torch.randn(9, 64))
    for call, exact in (
        (lambda: ops.linear(v, weight), v.double() @ weight.double().T),
        (lambda: ops.linear_over_positions(v, mixing), mixing.double() @ v.double()),
    ):
        with torch.inference_mode():
            quick, n, _ = mkldnn_products(call)
        with torch.no_grad():
            plain, none, _ = mkldnn_products(call)
        assert (n, none) == (1, 0)
        off = [(found.double() - exact.detach()).abs().max() for found in (quick, plain)]
        assert off[0] < 2 * off[1] + 1e-6, "as exact as the other library"
    with torch.inference_mode():
        assert mkldnn_products(lambda: ops.linear(v[:1, :1], weight))[1] == 0, "too small"
        assert mkldnn_products(lambda: ops.linear(v.double(), weight.double()))[1] == 0
    assert torch.func.jvp(lambda v: ops.linear(v, weight), (v,), (v,))[1].shape == (4, 64, 32)


@pytest.mark.skipif(not ops.ONEDNN, reason="torch was built without oneDNN")
def test_positions_stay_first_in_memory_between_two_products(monkeypatch):
    monkeypatch.setattr(ops, "AMD", True)
    monkeypatch.setattr(ops, "WIDE", True)
    torch.manual_seed(0)
    up, down = torch.randn(32, 17), torch.randn(17, 16)
    v = torch.randn(3, 8, 17, 64)

    def mix():
        gate, value = ops.linear_over_positions(v, up).chunk(2, -2)
        return ops.linear_over_positions(ops.silu_gate_dual(gate, value), down)

    with torch.inference_mode():
        found, n, copies = mkldnn_products(mix)
    with torch.no_grad():
        plain = mix()
    assert n == 2 and copies == 1, "the first product turns its factor over, the second does not"
    assert found.shape == v.shape and torch.allclose(found, plain, atol=1e-3)


@pytest.mark.skipif(not ops.ONEDNN, reason="torch was built without oneDNN")
@pytest.mark.parametrize("lacks", ["AMD", "WIDE"])
def test_on_other_processors_than_amds_with_avx_512_torch_chooses(monkeypatch, lacks):
    for name in ("AMD", "WIDE"):
        monkeypatch.setattr(ops, name, name != lacks)
    v, weight = torch.randn(4, 64, 128), torch.randn(32, 128)
    with torch.inference_mode():
        assert mkldnn_products(lambda: ops.linear(v, weight))[1] == 0
        assert mkldnn_products(lambda: ops.linear_over_positions(v, torch.randn(9, 64)))[1] == 0


CPU = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""


@pytest.mark.skipif("vendor_id" not in CPU, reason="Linux names a processor's maker, on x86")
def test_a_processor_is_amds_where_linux_says_so():
    assert ("AuthenticAMD" in CPU) == ops.AMD
