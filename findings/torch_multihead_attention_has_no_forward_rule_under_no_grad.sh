#!/usr/bin/env bash
# no_grad turns the backward pass off; forward mode needs none, so one expects a Jacobian-vector product
# to be the same inside it. In torch 2.13.0 an nn.MultiheadAttention (and an encoder layer) in eval mode
# looks whether anything asks for a gradient. Where nothing does it takes a fused kernel, and does not look
# whether a tangent is pushed: the kernel has no forward rule, and the same call that gave a tangent raises.
# torch.backends.mha.set_fastpath_enabled(False) gives it back. Seen on a CPU.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy torch==2.13.0 2>/dev/null
"$folder/v/bin/python" - 2>/dev/null <<'P'
import torch
from torch import nn

torch.manual_seed(0)
attend = nn.MultiheadAttention(8, 2, batch_first=True).eval()
z, tangent = torch.randn(2, 1, 5, 8)


def pushed():
    """Length of the tangent after the layer, or what it raised."""
    try:
        _, out = torch.func.jvp(lambda z: attend(z, z, z, need_weights=True)[0], (z,), (tangent,))
        return f"{out.norm():.4f}"
    except NotImplementedError as error:
        return f"NotImplementedError, {str(error).split(' that ')[0]}"


plain = pushed()
with torch.no_grad():
    inside = pushed()
    torch.backends.mha.set_fastpath_enabled(False)
    slow = pushed()
print(f"torch {torch.__version__}: {plain}; under no_grad: {inside}; without the fast path: {slow}")
assert plain == slow != inside and "_native_multi_head_attention" in inside, "changed"
P
