#!/usr/bin/env bash
# tiny-recursive-model 0.0.15 (lucidrains' TRM): Trainer(learning_rate = 1e-4), as the TRM paper trains, gives
# AdamW the rate 1e-4 / (batch_size * max_recurrent_steps), 5e-7 at its own batch of 16 and 12 steps. The loss is
# a sum over the batch, and for plain gradient descent that would be a mean. Adam does not know the scale of a
# loss: one step moves a weight by the rate itself, whatever the loss is multiplied with. So a model trained with
# the rate of the paper, or compared at "the same rate" with another code base, moves 192 times less a step; and
# the weight decay, which AdamW multiplies with the rate, is 192 times weaker too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy==2.4.6 torch==2.13.0 tiny-recursive-model==0.0.15 2>/dev/null
"$folder/v/bin/python" - <<'P'
from importlib.metadata import version

import torch
from tiny_recursive_model import MLPMixer1D, TinyRecursiveModel, Trainer
from torch.utils.data import TensorDataset

RATE = 1e-4


def moved(scale: float, rate: float) -> float:
    """How far one step of AdamW takes the median weight, for a loss times `scale`."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(8, 8)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=rate, weight_decay=0)
    before = layer.weight.detach().clone()
    (layer(torch.randn(4, 8)).square().sum() * scale).backward()
    optimizer.step()
    return (layer.weight - before).abs().median().item()


torch.manual_seed(0)
network = MLPMixer1D(dim=16, depth=1, seq_len=16)
model = TinyRecursiveModel(dim=16, num_tokens=5, network=network)
boards = torch.randint(0, 5, (32, 16))
trainer = Trainer(model, TensorDataset(boards, boards), learning_rate=RATE, cpu=True)
rate = trainer.scheduler.scheduler.base_lrs[0]  # the rate after its warm-up

print(f"tiny-recursive-model {version('tiny-recursive-model')}, torch {torch.__version__}")
print(f"asked for {RATE:.1e}; AdamW has {rate:.2e}: {RATE / rate:.0f} times less")
full, summed = moved(1.0, RATE), moved(192.0, RATE)
print(f"AdamW at {RATE:.1e}: a step moves a weight by {full:.2e}, for 192 times the loss by {summed:.2e}")
assert abs(RATE / rate - 16 * 12) < 1e-6, "changed: the rate is another one"
assert abs(summed / full - 1) < 1e-3, "changed: Adam sees the scale of a loss"
P
