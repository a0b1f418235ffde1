#!/usr/bin/env bash
# 2 * x in torch 2.13 in forward mode (torch.func.jvp, torch.autograd.forward_ad), x on the CPU. One expects
# two small products: the value, and the tangent times two. But the rule of a product is written for two
# tangents, and the constant's missing one becomes a "zero tensor", whose products are worked out by the
# kernels of the meta device, which are Python. The first one imports torch._dynamo (a second or more), and
# each takes some ten times as long as x * x, or as the same constant with a tangent of zeros, or as
# torch.ops.aten.mul.Scalar(x, 2.0), whose rule has one tangent. So the step of a small map (2x, r x (1 - x))
# in forward mode costs what Python costs. Large tensors do not notice.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy torch==2.13.0 2>/dev/null
OMP_NUM_THREADS=1 "$folder/v/bin/python" - 2>/dev/null <<'P'
import statistics
import sys
import time

import torch
import torch.autograd.forward_ad as forward

torch.set_num_threads(1)
x, tangent = torch.rand(2, 200, 1, dtype=torch.float64)
constant = torch.full_like(x, 2)
calls = {
    "x * x": lambda x: x * x,
    "mul.Scalar(x, 2.0)": lambda x: torch.ops.aten.mul.Scalar(x, 2.0),
    "dual constant * x": lambda x: forward.make_dual(constant, torch.zeros_like(x)) * x,
    "2.0 * x": lambda x: 2.0 * x,
}


def pushed(call):
    with forward.dual_level():
        return forward.unpack_dual(call(forward.make_dual(x, tangent))).tangent


def seconds(call):
    start = time.perf_counter()
    for _ in range(50):
        pushed(call)
    return time.perf_counter() - start


there = {}
for name, call in calls.items():
    pushed(call)
    there[name] = "torch._dynamo" in sys.modules
assert all(torch.equal(pushed(calls[name]), 2 * tangent) for name in list(calls)[1:])
rounds = [{name: seconds(call) for name, call in calls.items()} for _ in range(15)][5:]
ratios = {name: statistics.median(r[name] / r["x * x"] for r in rounds) for name in calls}
print(f"torch {torch.__version__}, times x * x: {({n: round(r, 1) for n, r in ratios.items()})}; torch._dynamo is there after: {there}")
changed = []
if any(there[name] for name in list(calls)[:3]):
    changed.append("torch._dynamo is imported earlier")
if not there["2.0 * x"]:
    changed.append("a product with a constant no longer imports torch._dynamo")
if ratios["2.0 * x"] < 4 or max(ratios["dual constant * x"], ratios["mul.Scalar(x, 2.0)"]) > 3:
    changed.append("the times are no longer that far apart")
print(*[f"changed: {what}" for what in changed], sep="\n", end="")
sys.exit(bool(changed))
P
