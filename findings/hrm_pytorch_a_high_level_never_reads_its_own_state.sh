#!/usr/bin/env bash
# In hrm-pytorch 0.1.6 a level combines "its own and all higher states" by concatenation. The states
# are cut to that list for a length check, but the norms are zipped with the list before it was cut:
# so the high one of two levels reads the puzzle and the low state, and never its own. The block of
# the Jacobian that carries a high state into the next one is exactly zero, in every model of the
# package; published HRMs have it. Whoever compares exponents of the two compares two maps.
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
model = HRM([dict(dim=32, depth=1, heads=2, attn_dim_head=32)] * 2, dim=32, num_tokens=6).eval()
seq = torch.randint(6, (1, 16))
low, high, other = torch.randn(3, 1, 16, 32)


def after_a_high_update(puzzle, low, high):
    mixed = model.hidden_combiners[1]((puzzle, low, high), 1)
    return model.networks[1](mixed)


with torch.no_grad():
    puzzle = model.to_input_embed(seq)
    one, two = after_a_high_update(puzzle, low, high), after_a_high_update(puzzle, low, other)
    three = after_a_high_update(torch.randn_like(puzzle), low, high)
print(f"torch {torch.__version__}: another high state changes the update by {(one - two).norm():.3g}, "
      f"another puzzle by {(one - three).norm():.3g}")
assert torch.equal(one, two), "changed: the high level now reads its own state"
assert not torch.allclose(one, three), "changed: the high level no longer reads the puzzle"
P
