"""Why does the accuracy of an HRM's batches fall and recover? One small training, continued in several ways.

    python benchmarks/stability.py [--start 800] [--steps 700] [--ways "as it is" "a third of the rate" ...]

`hrm-6x6` is trained at three times its rate, as `hrm-9x9-brief` was at three times the published one. From one and the same state it then goes on
in each way. Printed, over the rows of twenty steps since: the median share solved when a puzzle is left (by halting, or at the last segment), its change
from row to row (median and 90th percentile), that of the share that halts, and the share that the weights as they are solve on validation puzzles in
all 16 segments, where halting plays no part. Some minutes a way on one core.
"""

import argparse
import os
import tempfile

os.environ["OMP_NUM_THREADS"] = "1"

from dataclasses import replace

import pandas as pd
import torch

from rrm_core.dynamics.rollout import unroll
from rrm_core.models.recursive import tokens
from rrm_core.training import recipes
from rrm_core.training.trainer import Trainer

RATE, EVERY, PUZZLES = 0.003, 20, 96  # three times the preset's; steps a row; validation puzzles
WAYS = {  # changes of the recipe; largest norm of the gradient
    "as it is": ({}, None),
    "a third of the rate": ({"lr": RATE / 3}, None),
    "gradients clipped at 0.3": ({}, 0.3),
}


class Clipped(Trainer):
    """A trainer that holds the norm of the gradient below `largest`, and keeps the norms that it saw."""

    largest, norms = None, []

    def learn(self):
        """A step with the gradient as it is allowed."""
        given = [weight for weight in self.model.parameters() if weight.grad is not None]
        self.norms.append(
            float(torch.nn.utils.clip_grad_norm_(given, self.largest or float("inf")))
        )
        super().learn()


def solved(trainer):
    """Share of validation puzzles right after 16 segments, by the weights as they are."""
    boards, solutions = (tokens(part[:PUZZLES]) for part in trainer.validation())
    with trainer.autocast():
        answer = unroll(trainer.model.eval(), boards, k=0).answer[:, -1]
    trainer.model.train()
    return float((answer == solutions).all(-1).double().mean())


def rows(trainer, steps):
    """One row every EVERY of `steps` steps: the log's, the largest norm, and every other time :func:`solved`."""
    end = trainer.step + steps
    while trainer.step < end:
        trainer.attempt()
        if trainer.step % EVERY == 0:
            row, trainer.norms[:] = trainer.summary() | {"norm": max(trainer.norms)}, []
            yield row | {"solved": solved(trainer) if trainer.step % (2 * EVERY) == 0 else None}


def main():
    """Train, go on in each way in a process of its own, print a line each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--start", type=int, default=800)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    config, recipe = recipes.preset("hrm-6x6", lr=RATE, eval_every=0, steps=10**6)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Clipped(config, recipe, folder)
        list(rows(trainer, given.start))
        print(
            f"| from step {trainer.step:,} on | solved when left | change: median, 90 % | of what halts | largest norm | solved in 16 |"
        )
        print("|---|---|---|---|---|---|", flush=True)
        for way in given.ways:
            if (child := os.fork()) == 0:  # each goes on from the same state
                changes, trainer.largest = WAYS[way]
                trainer.recipe = replace(trainer.recipe, **changes)
                found = pd.DataFrame(rows(trainer, given.steps))
                exact, halted = (
                    found[name].diff().abs().quantile([0.5, 0.9])
                    for name in ("exact", "halted_share")
                )
                pairs = [f"{pair[0.5]:.2f}, {pair[0.9]:.2f}" for pair in (exact, halted)]
                print(
                    f"| {way} | {found.exact.median():.2f} | {pairs[0]} | {pairs[1]} | {found.norm.max():.1f} | {found.solved.median():.2f} |",
                    flush=True,
                )
                os._exit(0)
            os.waitpid(child, 0)


if __name__ == "__main__":
    main()
