"""TRM and HRM as published, at any width, depth, cycle count and board size.

Shape letters: B puzzles, P positions (prefix + cells), D width, K tangents, V vocabulary.
Token ids: 0 padding, 1 blank, d + 1 the digit d. A state is the pair ``(z_H, z_L)``, each
(B, P, D); one *update* assigns one of the two, and a segment is a schedule such as "LLHLLH".

Sources: Wang et al. 2025 (arXiv 2506.21734) and Jolicoeur-Martineau 2025 (arXiv 2510.04871) with
their official code; parameter names follow the official checkpoints.
"""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rrm_core.models.config import Config, ModelError
from rrm_core.models.ops import DUAL, PLAIN, at_least_float32, linear, linear_over_positions

ROPE_THETA = 10_000.0
Q_BIAS = -5.0

State = tuple[Tensor, Tensor]


def truncated_normal(tensor: Tensor, std: float) -> Tensor:
    """`tensor`, filled from a normal cut at two deviations whose own deviation is `std`."""
    cut = std / 0.87962566103423978  # the standard deviation of a unit normal cut at +-2
    return nn.init.trunc_normal_(tensor, std=cut, a=-2 * cut, b=2 * cut)


class Linear(nn.Linear):
    """A linear layer without bias; weights drawn with deviation 1/sqrt(fan-in)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(n_in, n_out, bias=False)

    def reset_parameters(self) -> None:
        truncated_normal(self.weight, self.in_features**-0.5)

    def forward(self, v: Tensor) -> Tensor:  # (..., n_in) -> (..., n_out)
        return linear(v, self.weight)


class SwiGLU(nn.Module):
    """down(silu(gate) * up); inner = round(expansion h 2/3), rounded up to a multiple of 256.

    Along axis `dim`: -1 the channels, -2 the positions.
    """

    def __init__(self, h: int, expansion: float, dim: int = -1) -> None:
        super().__init__()
        self.dim, self.product = dim, linear if dim == -1 else linear_over_positions
        inner = -(-round(expansion * h * 2 / 3) // 256) * 256
        self.gate_up_proj = Linear(h, 2 * inner)
        self.down_proj = Linear(inner, h)

    def forward(self, v: Tensor, ops=PLAIN) -> Tensor:  # (..., P, D) -> (..., P, D)
        gate, up = self.product(v, self.gate_up_proj.weight).chunk(2, self.dim)
        return self.product(ops.silu_gate(gate, up), self.down_proj.weight)


class Attention(nn.Module):
    """Non-causal multi-head attention with rotary positions (halves rotated) on all positions."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, d = config.heads, config.width // config.heads
        self.qkv_proj = Linear(config.width, 3 * config.width)
        self.o_proj = Linear(config.width, config.width)
        rates = ROPE_THETA ** (-torch.arange(0, d, 2, device="cpu").float() / d)
        angles = torch.outer(torch.arange(config.positions, device="cpu").float(), rates)
        angles = torch.cat([angles, angles], -1)  # (P, d)
        self.cos, self.sin = angles.cos(), angles.sin()

    def _apply(self, fn: Callable, recurse: bool = True) -> "Attention":
        """Cast and move the layer; its tables move with it, but stay float32."""
        super()._apply(fn, recurse)
        device = self.o_proj.weight.device
        self.cos, self.sin = self.cos.to(device), self.sin.to(device)
        return self

    def rotate(self, v: Tensor) -> Tensor:
        """Rotary embedding of (..., P, d), computed in at least float32."""
        first, second = v.chunk(2, -1)
        return (v * self.cos + torch.cat([-second, first], -1) * self.sin).to(v.dtype)

    def forward(self, v: Tensor, ops=PLAIN) -> Tensor:  # (..., P, D) -> (..., P, D)
        heads = self.qkv_proj(v).unflatten(-1, (3 * self.heads, -1)).transpose(-2, -3)
        q, k, w = heads.chunk(3, -3)  # (..., heads, P, d)
        mixed = ops.attend(self.rotate(q), self.rotate(k), w)
        return self.o_proj(mixed.transpose(-2, -3).flatten(-2))


class Block(nn.Module):
    """v = rms(v + mix(v)); v = rms(v + SwiGLU(v)). MLP mixing works, and norms, along positions."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        if config.mixing == "mlp":
            self.mlp_t = SwiGLU(config.positions, config.expansion, dim=-2)
        else:
            self.self_attn = Attention(config)
        self.mlp = SwiGLU(config.width, config.expansion)

    def forward(self, v: Tensor, ops=PLAIN) -> Tensor:  # (..., P, D) -> (..., P, D)
        if hasattr(self, "mlp_t"):
            v = ops.rms(v + self.mlp_t(v, ops), dim=-2)
        else:
            v = ops.rms(v + self.self_attn(v, ops))
        return ops.rms(v + self.mlp(v, ops))


class Level(nn.Module):
    """A stack of blocks."""

    def __init__(self, config: Config, n_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(n_layers))

    def forward(self, v: Tensor, ops=PLAIN) -> Tensor:  # (..., P, D) -> (..., P, D)
        for layer in self.layers:
            v = layer(v, ops)
        return v


class Inner(nn.Module):
    """Everything that an official checkpoint stores below ``inner.``."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        d, vocabulary = config.width, config.side + 2
        self.embed_tokens = nn.Module()
        embedding = truncated_normal(torch.empty(vocabulary, d), d**-0.5)
        self.embed_tokens.embedding_weight = nn.Parameter(embedding)
        self.lm_head = Linear(d, vocabulary)
        self.q_head = nn.Linear(d, 2)
        nn.init.zeros_(self.q_head.weight)
        nn.init.constant_(self.q_head.bias, Q_BIAS)
        self.puzzle_emb = nn.Module()
        self.puzzle_emb.register_buffer("weights", torch.zeros(1, d))
        if config.H_layers:
            self.H_level = Level(config, config.H_layers)
        self.L_level = Level(config, config.L_layers)
        self.register_buffer("H_init", truncated_normal(torch.empty(d), 1.0))
        self.register_buffer("L_init", truncated_normal(torch.empty(d), 1.0))


class RecursiveModel(nn.Module):
    """Two states, updated by one network (TRM) or two (HRM), read out after each segment."""

    parts = ("z_H", "z_L")

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config, self.schedule = config, config.schedule
        self.name, self.description = config.model, asdict(config)
        self.scores = ("q_halt", "q_continue") if config.model == "hrm" else ("q_halt",)
        self.updates_per_segment = len(config.schedule)
        self.inner = Inner(config)

    def encode(self, boards: np.ndarray) -> Tensor:
        """Token ids (B, cells), on the model's device, of boards (B, cells)."""
        return tokens(boards).to(self.inner.H_init.device)

    def decode(self, answer: Tensor) -> np.ndarray:
        """Boards (..., cells) uint8 of token ids."""
        return digits(answer)

    def initial_state(self, x: Tensor) -> State:
        """(z_H, z_L), each (B, P, D): the stored start vectors, for each of the B rows of `x`."""
        shape = (len(x), self.config.positions, self.config.width)
        return self.inner.H_init.expand(shape), self.inner.L_init.expand(shape)

    def embed(self, tokens: Tensor) -> Tensor:
        """x (B, P, D) of ids (B, cells): sqrt(D) * [puzzle embedding padded with zeros, tokens]."""
        width, prefix = self.config.width, self.config.prefix
        cells = self.inner.embed_tokens.embedding_weight[tokens]  # (B, cells, D)
        puzzle = F.pad(self.inner.puzzle_emb.weights, (0, prefix * width - width))
        puzzle = puzzle.view(1, prefix, width).expand(len(tokens), -1, -1)  # (B, prefix, D)
        return width**0.5 * torch.cat([puzzle, cells], 1)

    def level(self, which: str) -> Level:
        """The network that makes update `which`."""
        return self.inner.H_level if which == "H" and self.config.H_layers else self.inner.L_level

    def update(self, which: str, x: Tensor, state: State) -> State:
        """One update: "L" sets z_L = f(z_L + z_H + x), "H" sets z_H = f(z_H + z_L)."""
        z_h, z_l = state
        if which == "L":
            return z_h, self.level("L")(z_l + (z_h + x))
        return self.level("H")(z_h + z_l), z_l

    def updates(self, x: Tensor) -> list[Callable[[State], State]]:
        """The updates of one segment, functions state -> state, in order."""
        return [partial(self.update, which, x) for which in self.schedule]

    def push(self, which: str, x: Tensor, state: State, frame: State) -> tuple[State, State]:
        """(new state, new frame): an update with K tangents, parts (K, B, P, D), in one stack."""
        (z_h, z_l), (d_h, d_l) = state, frame
        injected = z_h + x if which == "L" else z_l
        own, d_own, d_injected = (z_l, d_l, d_h) if which == "L" else (z_h, d_h, d_l)
        stack = torch.cat([(own + injected)[None], d_own + d_injected])  # (1 + K, B, P, D)
        new = self.level(which)(stack, DUAL)
        return ((z_h, new[0]), (d_h, new[1:])) if which == "L" else ((new[0], z_l), (new[1:], d_l))

    def pushes(self, x: Tensor) -> list[Callable[[State, State], tuple[State, State]]]:
        """The updates with their tangents, functions (state, frame) -> (state, frame)."""
        return [partial(self.push, which, x) for which in self.schedule]

    def segment(self, state: State, x: Tensor, grad_from: int = 0) -> State:
        """The state after one segment; updates before index `grad_from` run without gradient."""
        for i, update in enumerate(self.updates(x)):
            with torch.set_grad_enabled(torch.is_grad_enabled() and i >= grad_from):
                state = update(state)
        return state

    def readout(self, state: State) -> tuple[Tensor, Tensor]:
        """logits (B, cells, V) of the cells; q (B, 2) = (q_halt, q_continue) at position 0."""
        logits = self.inner.lm_head(state[0])[:, self.config.prefix :]
        return logits, at_least_float32(self.inner.q_head(state[0][:, 0]))

    def would_halt(self, q: Tensor) -> Tensor:
        """(B,) bool: q_halt > q_continue for an HRM, q_halt > 0 for a TRM."""
        return q[:, 0] > (q[:, 1] if self.config.model == "hrm" else 0)


def tokens(boards: np.ndarray) -> Tensor:
    """Token ids (B, cells) int64 of boards (B, cells) with 0 = blank: digit + 1."""
    return torch.from_numpy(np.asarray(boards, dtype=np.int64) + 1)


def digits(answer: Tensor) -> np.ndarray:
    """Boards (..., cells) uint8 of token ids; what is no digit becomes 0."""
    return np.clip(answer.numpy() - 1, 0, None).astype(np.uint8)


def on_device(model: RecursiveModel, device: str) -> RecursiveModel:
    """`model` on `device`; an unknown, absent or full one is named."""
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        why = str(error).splitlines()[0]
        raise ModelError(f"device {device!r} cannot be used ({why}); try --device cpu") from None
