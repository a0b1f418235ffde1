"""How fast training and rollouts are, in both precisions, and how much compiling gains.

    python benchmarks/training.py [--rounds 5] [--presets trm-6x6 hrm-6x6 ...] [--compile]

Prints which precision this processor is given and why. Rounds are paired: each times a training
step in float32 and in bfloat16, a rollout without exponents in float32, and the product of two
matrices of 1,024, the peak of float32. Operations are those of matrix products, counted by torch,
forward and backward; everything else counts as waste. An example is one segment of one puzzle.
``--compile`` prints instead what `rrm train --compile` gains in the precision that is chosen.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import tempfile
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from rrm_core.training import precision, recipes
from rrm_core.training.trainer import Trainer

SIZE = 1024
PRESETS = ["trm-6x6", "hrm-6x6", "trm-9x9-small", "hrm-9x9-small"]


def seconds(work, times=1):
    """Wall-clock seconds of one call of `work`, mean of `times`."""
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def operations(work):
    """Floating-point operations of the matrix products of one call."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def medians(works, rounds):
    """{name: median seconds} of works timed in turn, in `rounds` rounds."""
    took = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            took[name].append(seconds(work))
    return {name: statistics.median(times) for name, times in took.items()}


def segment_of(trainer):
    """A plain segment of as many puzzles as a step has, as a function."""
    model, tokens = trainer.average, trainer.tokens.clone()

    @torch.no_grad()
    def segment():
        x, state = model.embed(tokens), model.initial_state(tokens)
        model.readout(model.segment(state, x))

    return segment


def precisions(preset, rounds):
    """Print a row: examples a second in both precisions, and the shares of the float32 peak."""
    square = torch.randn(SIZE, SIZE)
    with tempfile.TemporaryDirectory() as folder:
        wide, narrow = (Trainer(*recipes.preset(preset, bf16=b), folder) for b in (False, True))
        works = {
            "float32": wide.advance,
            "bfloat16": narrow.advance,
            "rollout": segment_of(wide),
            "peak": lambda: square @ square,
        }
        flops = {name: operations(works[name]) for name in ("float32", "rollout")}  # warms up too
        narrow.advance()
        took, n = medians(works, rounds), len(wide.tokens)
    peak = 2 * SIZE**3 / took["peak"]
    shares = [flops[name] / took[name] / peak for name in flops]
    print(
        f"| {preset} | {n / took['float32']:,.0f} | {n / took['bfloat16']:,.0f} "
        f"| {took['bfloat16'] / took['float32']:.2f} | {shares[0]:.0%} "
        f"| {n / took['rollout']:,.0f} | {shares[1]:.0%} |",
        flush=True,
    )


def compiled(preset, rounds):
    """Print a row: examples a second plain and compiled, and what compiling costs first."""
    with tempfile.TemporaryDirectory() as folder:
        plain, fast = (Trainer(*recipes.preset(preset, compile=c), folder) for c in (False, True))
        start = [seconds(trainer.advance, 3) * 3 for trainer in (plain, fast)]
        took = medians({"plain": plain.advance, "fast": fast.advance}, rounds)
        drawing = seconds(lambda: plain.draw(len(plain.tokens)), 3)
        n = len(plain.tokens)
    print(
        f"| {preset} | {n / took['plain']:,.0f} | {n / took['fast']:,.0f} "
        f"| {took['plain'] / took['fast']:.2f} | {start[1]:.0f} | {drawing / took['fast']:.2%} |",
        flush=True,
    )


def main():
    """Print the table that was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--presets", nargs="+", default=PRESETS)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bf16, why = precision.choose(torch.device("cpu"))
    print(f"chosen here: {'bfloat16' if bf16 else 'float32'} ({why})\n")
    heads = "float32, examples/s | bfloat16 | bfloat16 over float32, time | share of the peak"
    heads += " | rollout, examples/s | share of the peak"
    if options.compile:
        heads = "plain, examples/s | compiled | ratio | s until it runs | drawing over a step"
    print(f"| preset | {heads} |\n|---{'|---' * (1 + heads.count('|'))}|")
    for preset in options.presets:
        (compiled if options.compile else precisions)(preset, options.rounds)


if __name__ == "__main__":
    main()
