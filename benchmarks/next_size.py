"""What 16,384 puzzles with eight exponents take: one core, one GPU, an array of workers.

    python benchmarks/next_size.py --measure    # minutes: this machine's rates, into next_size.json
    python benchmarks/next_size.py              # the tables, from next_size.json and the runs

One core: CPU time of one segment of one part, 32 puzzles, times 16. One GPU: what the two runs of
the published sizes took. An array cannot be tried here, so it is simulated: worker i of n measures
parts i, i + n, ... (`rrm measure --shard i/n`), workers differ in speed, and one in a hundred is
killed on the way; what it had not finished is measured when the workflow is called again.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
PUZZLES, CHUNK, K, SEGMENTS = 16_384, 32, 8, 16
NAMES = {"HRM": "hrm-9x9-brief", "TRM": "trm-9x9-brief"}
WORKERS = [1, 4, 16, 64, 256, 512, 1024]
SPREAD, SLOW, SLOWER, KILLED = 0.1, 0.03, 2.0, 0.01  # of log speed; share and factor of stragglers
START = 60.0  # seconds until a worker measures: queue, imports, weights
CORE, GPU = 0.04, 3.0  # assumed price of an hour, in a currency of your own


def one_part(name: str, k: int) -> dict:
    """CPU seconds of a segment of one part, and the peak memory of a process that does only this."""
    from rrm_core.runs import folder, measure, tables
    from rrm_core.sudoku import sets

    run = tables.load_run(name)
    from rrm_core.store import paths

    model = folder.load(paths.run_dir(name), "float32")
    boards, _ = sets.boards(run.table.head(CHUNK))
    start = time.process_time()
    measure.roll(model, boards, k=k, segments=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": time.process_time() - start, "peak_MB": peak}


def measured() -> dict:
    """Rates of this machine, each in a process of its own."""
    rates = {}
    for model, name in NAMES.items():
        call = f"import next_size as n, json; print(json.dumps(n.one_part({name!r}, {K})))"
        done = subprocess.run(
            [sys.executable, "-c", call], cwd=HERE, capture_output=True, check=True
        )
        rates[model] = json.loads(done.stdout)
    return {"processor": processor(), "rates": rates}


def processor() -> str:
    """The processor's name, where Linux tells it."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def made(name: str) -> dict:
    """run.json of a shipped run, and the bytes of its tables."""
    folder = HERE.parent / "data" / "runs" / name
    size = sum((folder / f"{t}.parquet").stat().st_size for t in ("measurements", "trajectories"))
    return json.loads((folder / "run.json").read_text()) | {"bytes": size}


def single(kept: dict) -> pd.DataFrame:
    """One row a model: what one core and one GPU take for all puzzles; measured rates, scaled."""
    rows = []
    for model, rate in kept["rates"].items():
        meta = made(NAMES[model])
        core = rate["seconds"] * SEGMENTS * PUZZLES / CHUNK / 3600
        gpu = meta["wall_s"] * PUZZLES / meta["n"] / 3600
        rows.append(
            {
                "model": model,
                "core hours": core,
                "memory, GB": rate["peak_MB"] / 1024,
                "GPU hours": gpu,
                "GPU": meta["device"].partition("(")[2].rstrip(")"),
                "tables, MB": meta["bytes"] * PUZZLES / meta["n"] / 1e6,
                "cost, cores": core * CORE,
                "cost, GPU": gpu * GPU,
            }
        )
    return pd.DataFrame(rows)


def array(part: float, workers: int, rng: np.random.Generator) -> tuple[float, float, int]:
    """(hours until all is measured, core hours, workers killed) of one simulated array."""
    share = np.bincount(np.arange(PUZZLES // CHUNK) % workers, minlength=workers)
    speed = np.exp(rng.normal(0, SPREAD, workers)) * np.where(rng.random(workers) < SLOW, SLOWER, 1)
    took = part * speed
    killed = (rng.random(workers) < KILLED) & (share > 0)
    done = np.where(killed, np.floor(share * rng.random(workers)), share)  # whole parts are kept
    first = np.where(share > 0, START + took * np.where(killed, done + 0.5, share), 0)
    left = np.where(killed, share - done, 0)
    again = np.where(left > 0, START + part * np.exp(rng.normal(0, SPREAD, workers)) * left, 0)
    return (first.max() + again.max()) / 3600, (first.sum() + again.sum()) / 3600, int(killed.sum())


def arrays(kept: dict, model: str, draws: int = 200) -> pd.DataFrame:
    """One row a number of workers: hours (median and 95th percentile of `draws`), core hours."""
    part, rows = kept["rates"][model]["seconds"] * SEGMENTS, []
    for workers in WORKERS:
        rng = np.random.default_rng(workers)
        hours, core, killed = zip(*(array(part, workers, rng) for _ in range(draws)), strict=True)
        rows.append(
            {
                "workers": workers,
                "hours": np.median(hours),
                "hours, 95 %": np.percentile(hours, 95),
                "core hours": np.mean(core),
                "killed": np.mean(killed),
                "gain": np.nan,
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(gain=table.hours[0] / table.hours)


def kept_rates() -> dict:
    """What ``--measure`` wrote."""
    return json.loads((HERE / "next_size.json").read_text())


def main() -> None:
    """Measure, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    if parser.parse_args().measure:
        (HERE / "next_size.json").write_text(json.dumps(measured(), indent=2) + "\n")
    kept = kept_rates()
    print(
        f"{PUZZLES:,} puzzles, k = {K}, on: {kept['processor']}\n{single(kept).round(2).to_string()}\n"
    )
    for model in NAMES:
        print(
            f"{model}, an array of workers (simulated)\n{arrays(kept, model).round(2).to_string()}\n"
        )


if __name__ == "__main__":
    main()
