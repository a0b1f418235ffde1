#!/usr/bin/env bash
# F.linear in float32 on a CPU, torch 2.13 (PyPI and CPU wheels carry both MKL 2024.2 and oneDNN 3.12).
# One expects that torch gives a product to the quicker of the two libraries it carries. For float32 it
# always takes MKL (oneDNN serves bfloat16 and float16). MKL has no AVX-512 kernels for AMD: on Zen 5,
# whose units are 512 bits wide, a product reaches half of what torch.ops.mkldnn._linear_pointwise gives,
# the call that a compiled model makes, with the same digits to rounding. So an eager float32 model of
# matrix products takes twice the time it could there. On Zen 4, which has AVX-512 in two halves, it
# takes 1.1 times as long. Other processors are only shown.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy torch==2.13.0 2>/dev/null
OMP_NUM_THREADS=1 "$folder/v/bin/python" - <<'P'
import re
import statistics
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F

torch.manual_seed(0)
torch.set_num_threads(1)
x, weight = torch.randn(1_746, 512), torch.randn(3_072, 512)
calls = {
    "F.linear": lambda: F.linear(x, weight),
    "oneDNN": lambda: torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], ""),
}


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


with torch.inference_mode():
    assert torch.allclose(calls["F.linear"](), calls["oneDNN"](), atol=1e-3)
    rounds = [{name: seconds(call) for name, call in calls.items()} for _ in range(25)][5:]
ratio = statistics.median(r["F.linear"] / r["oneDNN"] for r in rounds)
rates = {n: 2e-9 * x.numel() * len(weight) / statistics.median(r[n] for r in rounds) for n in calls}
told = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
family = re.search(r"cpu family\s*: (\d+)", told)
zen_5 = "AuthenticAMD" in told and family is not None and family[1] == "26"
print(f"torch {torch.__version__}, {'AMD Zen 5' if zen_5 else 'another processor'}, GFLOP/s of one core: "
      f"{ {n: round(r) for n, r in rates.items()} }; F.linear takes {ratio:.1f} times as long")
changed = zen_5 and ratio < 1.4
print("changed: float32 products are as quick as oneDNN's" if changed else "", end="")
sys.exit(changed)
P
