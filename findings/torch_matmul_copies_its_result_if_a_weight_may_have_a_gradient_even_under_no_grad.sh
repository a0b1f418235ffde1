#!/usr/bin/env bash
# W @ x in torch 2.13 under no_grad, W a matrix (n, p), x a batch (b, p, d). One expects that without
# gradients it does not matter whether W is a parameter: the same batched product. It is not: where
# W.requires_grad is set, torch turns the batch over, multiplies from the right and turns the result
# back (to spare a backward pass that will not come an expanded weight), with a copy as large as the
# result; where it is not set, one batched product and no copy. torch.bmm(W.expand(b, n, p), x) never
# copies. A token-mixing layer (p positions, d channels), as in MLP-Mixer or a TRM, is such a product;
# so a model of frozen parameters infers faster. Copies are counted, the time is only shown.
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

torch.manual_seed(0)
torch.set_num_threads(1)
b, p, d, n = 8, 97, 512, 1_024
frozen, x = torch.randn(n, p), torch.randn(b, p, d)
weight = torch.nn.Parameter(frozen.clone())
calls = {
    "parameter @ x": lambda: weight @ x,
    "tensor @ x": lambda: frozen @ x,
    "bmm": lambda: torch.bmm(weight.expand(b, n, p), x),
}


def copied(call):
    """Elements written by copies during one call."""
    with torch.profiler.profile(record_shapes=True) as seen:
        call()
    copies = [e for e in seen.events() if e.name == "aten::copy_"]
    return sum(torch.Size(e.input_shapes[0]).numel() for e in copies)


def seconds(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


with torch.no_grad():
    assert torch.allclose(calls["parameter @ x"](), calls["bmm"](), atol=1e-3)
    moved = {name: copied(call) for name, call in calls.items()}
    rounds = [{name: seconds(call) for name, call in calls.items()} for _ in range(25)][5:]
ratio = statistics.median(r["parameter @ x"] / r["tensor @ x"] for r in rounds)
print(f"torch {torch.__version__}, no_grad, a result of {b * n * d:,} elements: copied {moved}; "
      f"with the parameter it takes {ratio:.1f} times as long")
changed = []
if moved["tensor @ x"] or moved["bmm"]:
    changed.append("a product without a parameter copies")
if moved["parameter @ x"] < b * n * d:
    changed.append("a parameter's product no longer copies its result")
print(*[f"changed: {what}" for what in changed], sep="\n", end="")
sys.exit(bool(changed))
P
