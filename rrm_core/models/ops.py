"""What the models compute with: matrix products, and three non-linear operations.

``PLAIN`` acts on values (B, ..., D), ``DUAL`` on stacks (1 + K, B, ..., D): row 0 is the value, the
others are tangents, and each operation gives the value and its directional derivatives. Linear
layers have no bias and act on a stack unchanged, so a block that is written once serves both.

In bfloat16, norms, rotations and attention weights are computed in float32 and rounded, as in the
official code of Wang et al. 2025 and Jolicoeur-Martineau 2025; the derivatives are ours.
"""

from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor

RMS_EPS = 1e-5
CAN = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
AMD, WIDE = CAN.get("sse4a", False), CAN.get("avx512_f", False)  # only AMD has SSE4a
ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
SMALL = 2**14  # numbers in a factor, below which a call of oneDNN costs more than it saves


def at_least_float32(v: Tensor) -> Tensor:
    """`v` in float32, or in float64 where it is."""
    return v if v.dtype == torch.float64 else v.float()


def emulated(v: Tensor) -> bool:
    """Whether products of `v` are made in float32 and rounded once: those in bfloat16 on a CPU.

    That is what bfloat16 units do, and much faster than torch on a CPU that has none.
    """
    rounded = v.dtype == torch.bfloat16 and v.device.type == "cpu"
    return rounded and not torch.is_autocast_enabled("cpu")


def onednn(v: Tensor) -> bool:
    """Whether products of `v` go to oneDNN, which knows no derivatives: in inference mode.

    On AMD with AVX-512 alone: torch gives float32 to MKL, which makes no use of it there.
    """
    quick = torch.is_inference_mode_enabled() and ONEDNN and AMD and WIDE and v.numel() >= SMALL
    return quick and v.dtype == torch.float32 and v.device.type == "cpu"


def product(v: Tensor, weight: Tensor) -> Tensor:
    """:func:`linear` by oneDNN, in float32."""
    return torch.ops.mkldnn._linear_pointwise(v, weight, None, "none", [], "")


def linear(v: Tensor, weight: Tensor) -> Tensor:
    """v W^T: (..., n_in) and (n_out, n_in) -> (..., n_out)."""
    if emulated(weight):
        return linear(v.float(), weight.float()).to(v.dtype)
    return product(v, weight) if onednn(v) else F.linear(v, weight)


def linear_over_positions(v: Tensor, weight: Tensor) -> Tensor:
    """W v: (..., P, D) and (n_out, P) -> (..., n_out, D).

    From the left, as D fills a processor's registers and P = 97 or 37 does not. By oneDNN as one
    product, positions first in memory; else by `bmm`, as `matmul` would turn `v` over and back.
    """
    if emulated(weight):
        return linear_over_positions(v.float(), weight.float()).to(v.dtype)
    rows = v.flatten(0, -3)  # (N, P, D)
    if onednn(v):
        first = rows.transpose(0, 1).reshape(v.shape[-2], -1)  # (P, N D)
        out = product(weight, first.T).view(-1, *rows.shape[::2]).transpose(0, 1)
    else:
        out = torch.bmm(weight.expand(len(rows), -1, -1), rows)
    return out.unflatten(0, v.shape[:-2])


def rms(v: Tensor, dim: int = -1) -> Tensor:
    """v / sqrt(mean(v^2 over axis `dim`) + 1e-5), in at least float32; no learned scale."""
    w = at_least_float32(v)
    return (w * torch.rsqrt(w.square().mean(dim, keepdim=True) + RMS_EPS)).to(v.dtype)


def silu_gate(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) * up."""
    return F.silu(gate) * up


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v over the position axis, non-causal; (..., heads, P, d).

    Written out: at these lengths torch's fused kernel is 8 times slower backwards on a CPU
    (bfloat16, P = 37), and it has no forward-mode rule.
    """
    scores = at_least_float32(q) @ at_least_float32(k).mT * q.shape[-1] ** -0.5
    weights = torch.softmax(scores, -1).to(v.dtype)
    return (weights.float() @ v.float()).to(v.dtype) if emulated(v) else weights @ v


def rms_dual(s: Tensor, dim: int = -1) -> Tensor:
    """:func:`rms` of a stack (1 + K, ...): v/n, and with m = mean(v dv) (dv - v m/n^2) / n."""
    v = s[:1]
    m = (s * v).mean(dim, keepdim=True)  # mean(v^2) in row 0
    scale = torch.rsqrt(m[:1] + RMS_EPS)
    m[:1].zero_()
    return torch.addcmul(s, v, m.mul_(scale).mul_(scale), value=-1.0).mul_(scale)


def silu_gate_dual(gate: Tensor, up: Tensor) -> Tensor:
    """:func:`silu_gate` of stacks (1 + K, ...); silu's backward gives its derivative times up."""
    g, u = gate[:1], up[:1]
    out = up * F.silu(g)
    out[1:].addcmul_(gate[1:], torch.ops.aten.silu_backward(u, g))
    return out


def attend_dual(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """:func:`attend` of stacks (1 + K, ...): with weights a, da = a (ds - sum(a ds))."""
    scale = q.shape[-1] ** -0.5
    a = torch.softmax(q[:1] @ k[:1].mT * scale, -1)
    ds = (q[1:] @ k[:1].mT + q[:1] @ k[1:].mT) * scale
    da = a * (ds - (a * ds).sum(-1, keepdim=True))
    return torch.cat([a @ v[:1], da @ v[:1] + a @ v[1:]])


PLAIN = SimpleNamespace(rms=rms, silu_gate=silu_gate, attend=attend)
DUAL = SimpleNamespace(rms=rms_dual, silu_gate=silu_gate_dual, attend=attend_dual)
