"""How fast training and rollouts are: share of this machine's matrix peak, and two processes against one.

    python benchmarks/training.py [--rounds 5] [--presets trm-6x6 hrm-6x6 trm-9x9-small hrm-9x9-small] [--compile]

``--compile`` prints instead how much `rrm train --compile` gains, how long it takes to begin, and what drawing puzzles costs beside a step.

Peak: the product of two square matrices of 2,048, one thread, in the dtype of the work, timed in the same rounds. Floating-point
operations are those of the matrix products, counted by torch, forward and backward; everything else counts as waste. A training example
is one segment of one puzzle; a rollout example likewise, without exponents, float32.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import statistics
import subprocess
import sys
import tempfile
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from rrm_core.training import trainer as train

SIZE, STEPS = 2048, 6


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


def cases(preset, folder):
    """{name: (one step, dtype, examples a step)} of a preset: a training step, and a plain segment of as many puzzles."""
    trainer = train.Trainer(*train.preset(preset), folder)
    for _ in range(3):
        trainer.advance()
    model, tokens = trainer.average, trainer.tokens.clone()
    with torch.no_grad():
        x = model.embed(tokens)
        state = tuple(z.contiguous() for z in model.initial_state(len(tokens)))

    def segment():
        with torch.no_grad():
            model.readout(model.segment(state, x))

    dtype = torch.bfloat16 if trainer.recipe.bf16 else torch.float32
    return {
        "training": (trainer.advance, dtype, len(tokens)),
        "rollout": (segment, torch.float32, len(tokens)),
    }


def compiled(preset, rounds):
    """(examples a second plain and compiled, median ratio of paired rounds, seconds of the first three compiled steps, drawing a batch over a step)."""
    with tempfile.TemporaryDirectory() as folder:
        plain, fast = (
            train.Trainer(*train.preset(preset, compile=c), folder) for c in (False, True)
        )
        start = [seconds(trainer.advance, 3) * 3 for trainer in (plain, fast)]
        pairs = [
            (seconds(plain.advance, STEPS), seconds(fast.advance, STEPS)) for _ in range(rounds)
        ]
        drawing = seconds(lambda: plain.draw(len(plain.tokens)), STEPS)
        a, b = (statistics.median(column) for column in zip(*pairs, strict=True))
        n = len(plain.tokens)
        return n / a, n / b, statistics.median(x / y for x, y in pairs), start[1], drawing / b


def work_alone(preset, steps):
    """What a worker process does: `steps` training steps after a warm-up; prints examples a second."""
    with tempfile.TemporaryDirectory() as folder:
        step, _, n = cases(preset, folder)["training"]
        print("ready", flush=True)
        sys.stdin.readline()
        print(n / seconds(step, steps), flush=True)


def together(preset, count, steps):
    """Examples a second of `count` processes that train at the same time, added up."""
    command = [sys.executable, __file__, "--worker", preset, "--steps", str(steps)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(count)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return sum(float(worker.communicate()[0]) for worker in workers)


def main():
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--presets", nargs="+", default=["trm-6x6", "hrm-6x6", "trm-9x9-small", "hrm-9x9-small"]
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--worker")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.worker:
        work_alone(options.worker, options.steps)
        return
    if options.compile:
        print(
            "| preset | plain, examples/s | compiled | ratio | s until it runs | a whole batch drawn, share of a step |\n|---|---|---|---|---|---|"
        )
        for preset in options.presets:
            plain, fast, ratio, start, drawing = compiled(preset, options.rounds)
            print(
                f"| {preset} | {plain:,.0f} | {fast:,.0f} | {ratio:.2f} | {start:.0f} | {drawing:.2%} |",
                flush=True,
            )
        return
    squares = {
        dtype: torch.randn(SIZE, SIZE).to(dtype) for dtype in (torch.bfloat16, torch.float32)
    }
    print(
        "| preset | work | examples/s | GFLOP an example | GFLOP/s | peak GFLOP/s | share of peak |\n|---|---|---|---|---|---|---|"
    )
    for preset in options.presets:
        with tempfile.TemporaryDirectory() as folder:
            for name, (step, dtype, n) in cases(preset, folder).items():
                flops, square, rounds = operations(step), squares[dtype], []
                for _ in range(options.rounds):
                    rounds.append((seconds(step, STEPS), seconds(lambda a=square: a @ a)))
                took, product = (
                    statistics.median(a for a, _ in rounds),
                    statistics.median(b for _, b in rounds),
                )
                peak = 2 * SIZE**3 / product
                print(
                    f"| {preset} | {name}, {str(dtype).removeprefix('torch.')} | {n / took:,.0f} | {flops / n / 1e9:.3f} | {flops / took / 1e9:.1f} | {peak / 1e9:.1f} | {flops / took / peak:.0%} |",
                    flush=True,
                )
    print("\n| preset | one process, examples/s | two, together | ratio |\n|---|---|---|---|")
    for preset in options.presets:
        pairs = [
            (together(preset, 1, options.steps), together(preset, 2, options.steps))
            for _ in range(max(1, options.rounds // 2))
        ]
        one, two = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(
            f"| {preset} | {one:,.0f} | {two:,.0f} | {statistics.median(b / a for a, b in pairs):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
