#!/usr/bin/env bash
# hrm-pytorch 0.1.6 starts every state at exactly zero and hands it to the RMSNorm of x-transformers
# 2.31.10, which divides by max(norm, 1e-12). At zero that map is not smooth: forward mode gives the
# slope of the branch taken, 1e12 times the learned scale, where a difference of any usable step gives
# a slope of about 1 / step. One expects exponents of such a model to be of order one; the first
# update alone adds some 27 nats to every tangent. Measure from the state after one step instead.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy torch==2.13.0 2>/dev/null
"$folder/v/bin/pip" install -q hrm-pytorch==0.1.6 x-transformers==2.31.10 2>/dev/null
"$folder/v/bin/python" - 2>/dev/null <<'P'
import torch
from HRM import HRM

torch.manual_seed(0)
model = HRM([dict(dim=32, depth=1, heads=2, attn_dim_head=32)] * 2, dim=32, num_tokens=6)
model = model.double().eval()
tokens = model.to_input_embed(torch.randint(6, (1, 16)))
tangent = torch.randn_like(tokens)
tangent /= tangent.norm()


def combined(low):
    return model.hidden_combiners[0]((tokens, low, torch.zeros_like(tokens)), 0)


def stretch(start):
    return torch.func.jvp(combined, (start,), (tangent,))[1].norm().item()


with torch.no_grad():
    at_zero, beside = stretch(torch.zeros_like(tokens)), stretch(torch.randn_like(tokens))
    step = 1e-3
    slope = (combined(step * tangent) - combined(-step * tangent)).norm().item() / (2 * step)
print(f"torch {torch.__version__}: a tangent at zero is stretched by {at_zero:.1e}, elsewhere by "
      f"{beside:.2f}; a central difference of 1e-3 at zero says {slope:.1e}")
assert at_zero > 1e11 and beside < 100, "changed: zero is now a smooth start"
assert slope < 1e5, "changed: differences now see the same slope"
P
