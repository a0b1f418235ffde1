"""The two published sizes rebuilt from section 2 of the book alone: torch and pandas, no rrm_core.

A reader who follows the page must come out at the shipped numbers. The first segments are compared;
to all sixteen, solved puzzles agreed to a relative 1e-5 when this was first tried.
"""

import json
import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

RUNS = Path(__file__).parents[2] / "data" / "runs"
SEGMENTS, PUZZLES = 3, 2


class Model:
    """Networks and updates, read off the fold "The networks, for a rebuild"."""

    def __init__(self, folder):
        files = sorted(folder.glob("model*.safetensors"))
        stored = {k: v for file in files for k, v in load_file(file).items()}
        self.w = {k.removeprefix("inner."): v.float() for k, v in stored.items()}
        self.size = json.loads((folder / "run.json").read_text())["architecture"]
        self.D, self.P = self.size["width"], self.size["prefix"] + self.size["side"] ** 2
        half = torch.arange(0, self.D // self.size["heads"], 2) / (self.D // self.size["heads"])
        angles = torch.outer(torch.arange(self.P).float(), 10_000.0**-half).repeat(1, 2)[:, None]
        self.cos, self.sin = angles.cos(), angles.sin()

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"].T

    def swiglu(self, x, name):
        a, b = self.linear(x, f"{name}.gate_up_proj").chunk(2, -1)
        return self.linear(torch.nn.functional.silu(a) * b, f"{name}.down_proj")

    def attention(self, x, name):
        qkv = self.linear(x, f"{name}.qkv_proj").view(self.P, 3, self.size["heads"], -1)
        q, k, v = qkv.unbind(1)
        q, k = (t * self.cos + turned(t) * self.sin for t in (q, k))
        weights = torch.einsum("phd,qhd->hpq", q, k) / math.sqrt(q.shape[-1])
        mixed = torch.einsum("hpq,qhd->phd", weights.softmax(-1), v).reshape(self.P, self.D)
        return self.linear(mixed, f"{name}.o_proj")

    def level(self, which, x):
        for i in range(self.size[f"{which}_layers"]):
            layer = f"{which}_level.layers.{i}"
            if self.size["mixing"] == "mlp":
                x = norm(x.T + self.swiglu(x.T, f"{layer}.mlp_t")).T
            else:
                x = norm(x + self.attention(x, f"{layer}.self_attn"))
            x = norm(x + self.swiglu(x, f"{layer}.mlp"))
        return x

    def updates(self, puzzle):
        tokens = torch.tensor([1 if c == "." else int(c) + 1 for c in puzzle])
        before = torch.zeros(self.size["prefix"], self.D)
        before[:1] = self.w["puzzle_emb.weights"]
        x = torch.cat([before, self.w["embed_tokens.embedding_weight"][tokens]]) * math.sqrt(self.D)
        high = "H" if self.size["H_layers"] else "L"

        def fast(z):
            return z[0], self.level("L", z[1] + z[0] + x)

        def slow(z):
            return self.level(high, z[0] + z[1]), z[1]

        return ([fast] * self.size["L_cycles"] + [slow]) * self.size["H_cycles"]

    def start(self):
        return (self.w[name].expand(self.P, -1).contiguous() for name in ("H_init", "L_init"))


def norm(x):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)


def turned(x):
    a, b = x.chunk(2, -1)
    return torch.cat([-b, a], -1)


def growth(updates, z_H, z_L, segments, k=1, seed=0):
    """Growth (segments, k) and z_H after the first segment: the listing of section 2."""
    gaussian = torch.Generator().manual_seed(seed)
    frame = torch.randn(2 * z_H.numel(), 8, generator=gaussian, dtype=torch.float64)
    frame = torch.linalg.qr(frame).Q.T[:k].to(z_H)
    z, out, early = torch.stack([z_H, z_L]), [], []
    for _ in range(segments):
        out.append(torch.zeros(k))
        for update in updates:
            z, frame = pushed(update, z, frame)
            q, r = torch.linalg.qr(frame.flatten(1).T)
            frame, out[-1] = q.T, out[-1] + r.diagonal().abs().log()
        early.append(z[0])
    return torch.stack(out), early[0]


def pushed(update, z, frame):
    """The state after an update, and the tangents of `frame` behind it."""

    def step(z):
        return torch.stack(update(tuple(z)))

    def push(v):
        return torch.func.jvp(step, (z,), (v.reshape(z.shape),))

    return torch.func.vmap(push, out_dims=(None, 0))(frame)


@pytest.mark.parametrize("name", ["hrm-9x9-brief", "trm-9x9-brief"])
def test_section_2_is_enough_to_come_out_at_the_shipped_numbers(name):
    model, table = Model(RUNS / name), pd.read_parquet(RUNS / name / "measurements.parquet")
    for row in table[table.correct].head(PUZZLES).itertuples():
        with torch.no_grad():
            found, early = growth(model.updates(row.puzzle), *model.start(), SEGMENTS)
            halting = model.linear(early[0], "q_head") + model.w["q_head.bias"]
        shipped = [getattr(row, f"growth_1_{t:02d}") for t in range(1, SEGMENTS + 1)]
        assert found[:, 0].tolist() == pytest.approx(shipped, rel=0.01, abs=0.01)
        assert float(halting[0]) == pytest.approx(row.q_halt_01, rel=1e-3)
