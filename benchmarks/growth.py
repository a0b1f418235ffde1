"""How measuring grows: time and memory of ``folder.make`` on the smoke model for n = 256 ... 8192 puzzles.

    python benchmarks/growth.py [--largest 8192] [--rounds 3] [--k 1]

Prints n, median seconds, peak memory, and the slope of log time against log n (1 is linear). The 4x4 test set has 256
puzzles; they repeat. Each measurement is a process of its own, forked after the imports; sizes are interleaved in every round.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import gzip
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from rrm_core.models import recursive as models
from rrm_core.models import weights
from rrm_core.runs import folder as runs
from rrm_core.store import memory, paths
from rrm_core.sudoku import sets as puzzles
from rrm_core.training import recipes


def measured(model, out, n, k):
    """(seconds, peak memory in MB) of one measurement in a forked process."""
    start, pid = time.perf_counter(), os.fork()
    if pid == 0:
        sys.stderr = open(os.devnull, "w")
        runs.make(model, out, runs.Settings("many", n, k))
        os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, f"measuring {n} puzzles failed"
    return time.perf_counter() - start, usage.ru_maxrss / (
        2**20 if sys.platform == "darwin" else 2**10
    )


def main():
    """Print the table and the slope."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--largest", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--k", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory.keep_freed()  # as `rrm` does
    sizes = [256 * 2**i for i in range(20) if 256 * 2**i <= options.largest]
    frame = puzzles.table("4x4-test")
    many = pd.concat([frame] * -(-options.largest // len(frame)), ignore_index=True)
    with tempfile.TemporaryDirectory() as folder:
        data, model = Path(folder) / "data", Path(folder) / "model"
        (data / "puzzles").mkdir(parents=True)
        (data / "puzzles" / "many.csv.gz").write_bytes(
            gzip.compress(many.to_csv(index=False).encode())
        )
        os.environ["RRM_DATA"] = str(data)
        assert paths.data_dir() == data
        torch.manual_seed(0)
        weights.save_model(models.RecursiveModel(recipes.preset("smoke")[0]), model)
        measured(model, data / "runs" / "warm", 32, options.k)
        found = {}
        for i in range(options.rounds):
            for n in sizes[i % len(sizes) :] + sizes[: i % len(sizes)]:
                found.setdefault(n, []).append(
                    measured(model, data / "runs" / f"n{n}-{i}", n, options.k)
                )
    seconds = [statistics.median(s for s, _ in found[n]) for n in sizes]
    print("| n | s | s / 1,000 puzzles | peak MB |\n|---|---|---|---|")
    for n, s in zip(sizes, seconds, strict=True):
        print(f"| {n:,} | {s:.1f} | {1000 * s / n:.1f} | {max(m for _, m in found[n]):.0f} |")
    print(f"\nlog-log slope of time: {np.polyfit(np.log(sizes), np.log(seconds), 1)[0]:.3f}")


if __name__ == "__main__":
    main()
