#!/usr/bin/env bash
# A model cast to float64 is cast to float64, one expects: .double() is how derivatives are checked.
# The default attention of x-transformers 2.31.10 computes its softmax in float32 whatever the model's
# dtype, so the float64 map has steps of 1e-7: the error of a central difference GROWS as the step
# falls, and torch.autograd.gradcheck refuses a gradient that is right. Nothing warns. The tangents of
# forward mode are fine; it is the map that is rough.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy torch==2.13.0 2>/dev/null
"$folder/v/bin/pip" install -q x-transformers==2.31.10 2>/dev/null
"$folder/v/bin/python" - 2>/dev/null <<'P'
import torch
from x_transformers import Encoder

torch.manual_seed(0)
net = Encoder(dim=32, depth=1, heads=2, attn_dim_head=32, rotary_pos_emb=True).double().eval()
x, tangent = torch.randn(2, 1, 16, 32, dtype=torch.float64)
tangent /= tangent.norm()
with torch.no_grad():
    out, exact = torch.func.jvp(net, (x,), (tangent,))
    errors = []
    for step in (1e-3, 1e-4, 1e-5, 1e-6):
        slope = (net(x + step * tangent) - net(x - step * tangent)) / (2 * step)
        errors.append(((slope - exact).norm() / exact.norm()).item())
print(f"torch {torch.__version__}: output {out.dtype}; relative error of a central difference at "
      f"steps 1e-3 to 1e-6: {', '.join(f'{e:.0e}' for e in errors)}")
assert out.dtype == torch.float64
assert errors[3] > 10 * errors[1] > 0 and errors[3] > 1e-3, "changed: the map is smooth in float64"
P
