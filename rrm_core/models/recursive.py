"""TRM and HRM as published, at any width, depth, cycle count and board size.

Shape letters: B puzzles, P positions (prefix + cells), D width, K tangents, V vocabulary (side + 2).
Token ids: 0 padding, 1 blank, d + 1 the digit d.

A state is the pair ``(z_H, z_L)``, each (B, P, D). One *update* assigns one of the two; ``Model.schedule`` spells the
updates of one segment, for instance ``"LLLHLLLH"``. Sources: Wang et al. 2025 (arXiv 2506.21734) and
Jolicoeur-Martineau 2025 (arXiv 2510.04871) with their official code; parameter names follow the official checkpoints.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrm_core.models.config import Config, ModelError
from rrm_core.models.ops import DUAL, PLAIN, at_least_float32

ROPE_THETA = 10_000.0
Q_BIAS = -5.0

State = tuple[Tensor, Tensor]


# --- layers ------------------------------------------------------------------------------------------------------


def truncated_normal(tensor: Tensor, std: float) -> Tensor:
    """Fill in place from a normal cut at two deviations, rescaled so that its standard deviation is `std`; returns it."""
    if std == 0:
        return tensor.zero_()
    keep = 0.87962566103423978  # standard deviation of a unit normal cut at +-2
    return nn.init.trunc_normal_(tensor, std=std / keep, a=-2 * std / keep, b=2 * std / keep)


def linear(n_in: int, n_out: int) -> nn.Linear:
    """A bias-free linear layer, truncated normal with std 1/sqrt(fan-in)."""
    layer = nn.utils.skip_init(nn.Linear, n_in, n_out, bias=False)
    with torch.no_grad():
        truncated_normal(layer.weight, n_in**-0.5)
    return layer


class SwiGLU(nn.Module):
    """down(silu(gate) * up) over the last axis of width h; inner = round(expansion h 2/3) rounded up to a multiple of 256."""

    def __init__(self, h: int, expansion: float) -> None:
        super().__init__()
        inner = -(-round(expansion * h * 2 / 3) // 256) * 256
        self.gate_up_proj = linear(h, 2 * inner)
        self.down_proj = linear(inner, h)

    def forward(self, v: Tensor, ops=PLAIN) -> Tensor:
        """(..., h) -> (..., h)."""
        return self.down_proj(ops.silu_gate(*self.gate_up_proj(v).chunk(2, -1)))


class Attention(nn.Module):
    """Non-causal multi-head attention with rotary positions (theta 10000, halves rotated) on all positions."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, d = config.heads, config.width // config.heads
        self.qkv_proj = linear(config.width, 3 * config.width)
        self.o_proj = linear(config.width, config.width)
        angles = torch.outer(
            torch.arange(config.positions).float(),
            ROPE_THETA ** (-torch.arange(0, d, 2).float() / d),
        )
        angles = torch.cat([angles, angles], -1)  # (P, d)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def rotate(self, v: Tensor) -> Tensor:
        """Rotary embedding of (..., P, d)."""
        first, second = v.chunk(2, -1)
        return (v * self.cos + torch.cat([-second, first], -1) * self.sin).to(v.dtype)

    def forward(self, v: Tensor, ops=PLAIN) -> Tensor:
        """(..., P, D) -> (..., P, D)."""
        q, k, w = (
            self.qkv_proj(v).unflatten(-1, (3 * self.heads, -1)).transpose(-2, -3).chunk(3, -3)
        )  # (..., heads, P, d)
        mixed = ops.attend(self.rotate(q), self.rotate(k), w)
        return self.o_proj(mixed.transpose(-2, -3).flatten(-2))


class Block(nn.Module):
    """Post-norm block: v = rms(v + mix(v)); v = rms(v + SwiGLU(v)). MLP mixing works, and normalises, along positions."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.mixing == "mlp":
            self.mlp_t = SwiGLU(config.positions, config.expansion)
        else:
            self.self_attn = Attention(config)
        self.mlp = SwiGLU(config.width, config.expansion)

    def forward(self, v: Tensor, ops=PLAIN) -> Tensor:
        """(..., P, D) -> (..., P, D)."""
        if hasattr(self, "mlp_t"):
            w = v.mT.contiguous()
            v = ops.rms(w + self.mlp_t(w, ops)).mT.contiguous()
        else:
            v = ops.rms(v + self.self_attn(v, ops))
        return ops.rms(v + self.mlp(v, ops))


class Level(nn.Module):
    """A stack of blocks: f(z + injection)."""

    def __init__(self, config: Config, n_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(n_layers))

    def forward(self, v: Tensor, ops=PLAIN) -> Tensor:
        """(..., P, D) -> (..., P, D)."""
        for layer in self.layers:
            v = layer(v, ops)
        return v


class Inner(nn.Module):
    """Everything that an official checkpoint stores below ``inner.``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        d = config.width
        self.embed_tokens = nn.Module()
        self.embed_tokens.embedding_weight = nn.Parameter(
            truncated_normal(torch.empty(config.vocabulary, d), d**-0.5)
        )
        self.lm_head = linear(d, config.vocabulary)
        self.q_head = nn.Linear(d, 2)
        with torch.no_grad():
            self.q_head.weight.zero_()
            self.q_head.bias.fill_(Q_BIAS)
        self.puzzle_emb = nn.Module()
        self.puzzle_emb.register_buffer("weights", torch.zeros(1, d))
        if config.H_layers:
            self.H_level = Level(config, config.H_layers)
        self.L_level = Level(config, config.L_layers)
        self.register_buffer("H_init", truncated_normal(torch.empty(d), 1.0))
        self.register_buffer("L_init", truncated_normal(torch.empty(d), 1.0))


class RecursiveModel(nn.Module):
    """A recursive reasoner: two states, updated by one network (TRM) or two (HRM), read out after each segment."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.schedule = config, config.schedule
        self.inner = Inner(config)

    def level(self, which: str) -> Level:
        """The network that makes update `which` ("L" or "H")."""
        return self.inner.H_level if which == "H" and self.config.H_layers else self.inner.L_level

    def initial_state(self, batch: int) -> State:
        """(z_H, z_L), each (batch, P, D): the stored start vectors repeated over all positions."""
        shape = (batch, self.config.positions, self.config.width)
        return self.inner.H_init.expand(shape), self.inner.L_init.expand(shape)

    def embed(self, tokens: Tensor) -> Tensor:
        """x (B, P, D) of token ids (B, cells): sqrt(D) * [puzzle embedding padded with zeros to the prefix, tokens]."""
        cells = self.inner.embed_tokens.embedding_weight[tokens]
        width, prefix = self.config.width, self.config.prefix
        puzzle = F.pad(self.inner.puzzle_emb.weights, (0, prefix * width - width)).view(
            1, prefix, width
        )
        return width**0.5 * torch.cat([puzzle.expand(len(tokens), -1, -1), cells], 1)

    def update(self, which: str, state: State, x: Tensor) -> State:
        """One update: "L" sets z_L = f(z_L + z_H + x), "H" sets z_H = f(z_H + z_L)."""
        z_h, z_l = state
        if which == "L":
            return z_h, self.level("L")(z_l + (z_h + x))
        return self.level("H")(z_h + z_l), z_l

    def updates(self, x: Tensor) -> list:
        """The updates of one segment as functions state -> state, in order; what rollout and exponents need."""
        return [lambda state, which=which: self.update(which, state, x) for which in self.schedule]

    def tangents(self, which: str, state: State, frame: State, x: Tensor) -> tuple[State, State]:
        """(new state, new frame): one update pushed together with K tangents, frame parts (K, B, P, D).

        Exact, like a Jacobian-vector product for each tangent, at the cost of about 1 + K forward passes: values and
        tangents travel as one stack through every matrix product.
        """
        (z_h, z_l), (d_h, d_l) = state, frame
        injected = z_h + x if which == "L" else z_l
        own, d_own, d_injected = (z_l, d_l, d_h) if which == "L" else (z_h, d_h, d_l)
        stack = torch.cat([(own + injected)[None], d_own + d_injected])
        new = self.level(which)(stack, DUAL)
        return ((z_h, new[0]), (d_h, new[1:])) if which == "L" else ((new[0], z_l), (new[1:], d_l))

    def segment(self, state: State, x: Tensor, grad_from: int = 0) -> State:
        """The state after one segment. Updates before index `grad_from` run without gradient (deep supervision)."""
        for i, which in enumerate(self.schedule):
            with torch.set_grad_enabled(torch.is_grad_enabled() and i >= grad_from):
                state = self.update(which, state, x)
        return state

    def readout(self, state: State) -> tuple[Tensor, Tensor]:
        """logits (B, cells, V) from z_H at the cells, and q (B, 2) = (q_halt, q_continue) from z_H at position 0."""
        z_h = state[0]
        logits = self.inner.lm_head(z_h)[:, self.config.prefix :]
        return logits, at_least_float32(self.inner.q_head(z_h[:, 0]))

    def would_halt(self, q: Tensor) -> Tensor:
        """(B,) bool: q_halt > q_continue for an HRM, q_halt > 0 for a TRM."""
        return q[:, 0] > (q[:, 1] if self.config.model == "hrm" else 0)


def TRM(
    mixing: str = "mlp",
    side: int = 9,
    width: int = 512,
    layers: int = 2,
    H_cycles: int = 3,
    L_cycles: int = 6,
    heads: int = 8,
    prefix: int = 16,
    expansion: float = 4.0,
) -> RecursiveModel:
    """A Tiny Recursive Model; the defaults are the published sizes (Jolicoeur-Martineau 2025)."""
    return RecursiveModel(
        Config("trm", mixing, side, width, layers, 0, H_cycles, L_cycles, heads, prefix, expansion)
    )


def HRM(
    side: int = 9,
    width: int = 512,
    H_layers: int = 4,
    L_layers: int = 4,
    H_cycles: int = 2,
    L_cycles: int = 2,
    heads: int = 8,
    prefix: int = 1,
    expansion: float = 4.0,
) -> RecursiveModel:
    """A Hierarchical Reasoning Model; the defaults are the published sizes (Wang et al. 2025)."""
    return RecursiveModel(
        Config(
            "hrm",
            "attention",
            side,
            width,
            L_layers,
            H_layers,
            H_cycles,
            L_cycles,
            heads,
            prefix,
            expansion,
        )
    )


def tokens(boards: np.ndarray) -> Tensor:
    """Token ids (B, cells) int64 of boards (B, cells) with 0 = blank: digit + 1."""
    return torch.from_numpy(np.asarray(boards, dtype=np.int64) + 1)


def digits(answer: Tensor) -> np.ndarray:
    """Boards (..., cells) uint8 of token ids; what is no digit becomes 0."""
    return np.clip(answer.numpy() - 1, 0, None).astype(np.uint8)


def on_device(model: RecursiveModel, device: str) -> RecursiveModel:
    """`model` on `device`; an unknown or absent one is named."""
    try:
        return model.to(device)
    except torch.OutOfMemoryError:
        size = sum(p.nbytes for p in model.parameters()) / 2**20
        raise ModelError(
            f"{device} has not enough memory for the model ({size:,.0f} MiB of weights); try --device cpu"
        ) from None
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device {device!r} cannot be used ({str(error).splitlines()[0]}); try --device cpu"
        ) from None
