#!/usr/bin/env bash
# A contraction with one fixed point, z -> tanh(.8 Q z + b) in 256 dimensions, iterated in bfloat16 by
# torch 2.13. One expects it to come to rest, or to go round a short cycle. After 1,000 steps 18 % of
# the coordinates still change at every step, no state comes back within 1,024 steps, and two states
# are as far apart after 1 step as after 32: a velocity that adds up to nothing. In float64 the same
# map rests. A "residual motion" measured in bfloat16 may therefore be rounding about a point; the
# distance at several lags tells the two apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy torch==2.13.0 2>/dev/null
"$folder/v/bin/python" - <<'P'
import torch

torch.manual_seed(0)
torch.set_num_threads(1)
n, starts, lags = 256, 24, (1, 2, 8, 32)
q, _ = torch.linalg.qr(torch.randn(n, n, dtype=torch.float64))
bias = torch.randn(n, dtype=torch.float64)
begin = torch.randn(starts, n, dtype=torch.float64)

for dtype in (torch.float64, torch.bfloat16):
    matrix, b, z = (0.8 * q).to(dtype), bias.to(dtype), begin.to(dtype)
    for _ in range(1_000):
        z = torch.tanh(z @ matrix.T + b)
    states = [z]
    for _ in range(1_024):
        states.append(torch.tanh(states[-1] @ matrix.T + b))
    path = torch.stack(states).double()
    changed = (path[1] != path[0]).double().mean().item()
    returns = (path[1:] == path[0]).all(-1).any().item()
    apart = [(path[lag:] - path[:-lag]).norm(dim=-1).mean().item() for lag in lags]
    print(f"torch {torch.__version__} {dtype}: {changed:.0%} of coordinates change in a step, comes "
          f"back: {returns}, distance at lags {lags}: {', '.join(f'{d:.2g}' for d in apart)}")
    if dtype == torch.float64:
        assert max(apart) < 1e-12, "float64: the map rests at its fixed point"
    else:
        assert changed > 0.1 and not returns, "changed: bfloat16 now comes to rest or cycles"
        assert max(apart) < 1.1 * min(apart), "changed: the distance now depends on the lag"
P
