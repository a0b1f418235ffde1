"""How fast the exponents are: ratios of interleaved, paired runs on one thread.

    python benchmarks/exponents.py [--rounds 7] [--jax PYTHON] [--profile]
    python benchmarks/exponents.py --share [--rounds 3]

Cost model: tangents cannot be cheaper than the plain forward passes that carry as many rows, so the floor is one segment
without exponents over (1 + k) x B rows. Each method makes one segment with k tangents and a QR after every update, from
the same state and frame, and must give the growths of the explicit loop to 1e-6 in float64; times are taken in float32.
`--jax`: an interpreter with JAX, to time exponents_jax.py in the same rounds. It and this process are held to one core by
affinity: JAX ignores the flags that should hold it to one thread. `--share`: for both published sizes, the matrix products
of a segment with eight exponents, QR included in the time, over the float32 peak of the core, measured in the same rounds.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from rrm_core.dynamics import exponents as ftle
from rrm_core.models import ops, weights
from rrm_core.models import recursive as models
from rrm_core.models.config import PUBLISHED, Config
from rrm_core.store import memory, paths
from rrm_core.sudoku import sets as puzzles

K = 8


def loop(updates, state, frame):
    """(a) One ``torch.func.jvp`` per tangent, then ``torch.linalg.qr``."""
    growth = 0
    for update in updates:
        pushed = [
            torch.func.jvp(
                lambda *z, f=update: tuple(f(z)), state, tuple(part[i] for part in frame)
            )[1]
            for i in range(len(frame[0]))
        ]
        state = tuple(z.contiguous() for z in update(state))
        frame, log_r = ftle.orthonormalise(
            tuple(torch.stack(parts) for parts in zip(*pushed, strict=True))
        )
        growth = growth + log_r
    return growth


def jacobian(updates, state, frame):
    """(c) The full Jacobian of each puzzle's joint state by ``jacfwd``, times the frame, then ``torch.linalg.qr``."""
    shape, batch = state[0].shape[1:], state[0].shape[0]
    size, growth = shape.numel(), 0
    joint = torch.cat([part.flatten(2) for part in frame], -1).permute(1, 2, 0)  # (B, N, K)
    for update in updates:

        def flat(v, f=update):
            return torch.cat(
                [z.flatten() for z in f((v[:size].view(1, *shape), v[size:].view(1, *shape)))]
            )

        v = torch.cat([z.flatten(1) for z in state], -1)
        jacobians = torch.stack(
            [torch.func.jacfwd(flat)(v[b]) for b in range(batch)]
        )  # a puzzle at a time: x belongs to it
        q, r = torch.linalg.qr(jacobians @ joint)
        joint, state = q, tuple(z.contiguous() for z in update(state))
        growth = growth + r.diagonal(dim1=-2, dim2=-1).abs().double().log()
    return growth


def measured(call):
    """`call` as a measurement makes it: in inference mode, where large products go to oneDNN."""
    return torch.inference_mode()(call)


def case(model, batch, boards, dtype):
    """Everything a method needs: the updates, the state after one segment (not the symmetric start) and a frame."""
    model = model.to(dtype).eval()
    with torch.no_grad():
        x = model.embed(models.tokens(boards[:batch]))
        state = model.segment(tuple(z.contiguous() for z in model.initial_state(x)), x)
        wide = tuple(z.repeat(1 + K, 1, 1) for z in state)
        x_wide = x.repeat(1 + K, 1, 1)
    frame, updates = ftle.start_frame(state, K), model.updates(x)

    def orthonormalise_only():
        for _ in updates:
            ftle.orthonormalise(frame)

    methods = {
        "ours": measured(lambda: ftle.grow(model.pushes(x), state, frame)[2]),
        "(a) loop of jvp": lambda: loop(updates, state, frame),
        "(b) vmap(jvp)": lambda: ftle.grow(
            [partial(ftle.push, update) for update in updates], state, frame
        )[2],
        "(c) jacfwd": lambda: jacobian(updates, state, frame),
        "forward, B rows": measured(lambda: model.segment(state, x)),
        "floor": measured(lambda: model.segment(wide, x_wide)),
        "QR alone": orthonormalise_only,
    }
    return model, state, frame, x, methods


def cases():
    """{name: (model, puzzles at a time, boards, with the full Jacobian?)}; trained weights where a run ships them."""
    torch.manual_seed(0)
    sets = {
        side: puzzles.boards(puzzles.table(f"{side}x{side}-test").head(64))[0] for side in (4, 6, 9)
    }
    one = replace(PUBLISHED["trm"], L_layers=1, H_cycles=1, L_cycles=1)
    full = models.RecursiveModel(one)  # one full-size block, an update of z_L and one of z_H
    tiny = models.RecursiveModel(Config("trm", "mlp", 4, 32, 1, 0, 2, 2, heads=8, prefix=1))
    return {
        "TRM 6x6, B = 8": (weights.load_model(paths.run_dir("trm-6x6")), 8, sets[6], False),
        "HRM 6x6, B = 8": (weights.load_model(paths.run_dir("hrm-6x6")), 8, sets[6], False),
        "one block of width 512, 9x9, B = 2": (full, 2, sets[9], False),
        "TRM 4x4 (smoke), B = 1": (
            tiny,
            1,
            sets[4],
            True,
        ),
    }


class Jax:
    """exponents_jax.py in its own interpreter, called once a round."""

    def __init__(self, python, model, state, frame, x, growth):
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "case.npz"
        weights = {name: t.numpy() for name, t in model.state_dict().items()}
        arrays = {
            "z_h": state[0],
            "z_l": state[1],
            "d_h": frame[0],
            "d_l": frame[1],
            "x": x,
            "growth": growth,
        }
        np.savez(
            path,
            schedule=model.schedule,
            layers=model.config.L_layers,
            **weights,
            **{k: v.numpy() for k, v in arrays.items()},
        )
        script = str(Path(__file__).with_name("exponents_jax.py"))
        self.process = subprocess.Popen(
            [python, script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.difference = json.loads(self.process.stdout.readline())["largest difference"]

    def ask(self, what):
        """Seconds that one call of `what` took over there."""
        print(what, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())


def share(rounds, batch=2):
    """Print, for both published sizes, what part of the core's float32 peak a segment with exponents reaches."""
    square = torch.randn(1024, 1024)
    print(
        "| model | s a segment and puzzle, k = 8 | x floor | share of the peak |\n|---|---|---|---|"
    )
    for name in ("hrm-9x9-brief", "trm-9x9-brief"):
        boards = puzzles.boards(puzzles.table("9x9-hard-test").head(batch))[0]
        with torch.no_grad():
            model = weights.load_model(paths.run_dir(name))
            methods = case(model, batch, boards, torch.float32)[4]
            known, ops.ONEDNN = ops.ONEDNN, False  # whose products the counter does not know
            with FlopCounterMode(display=False) as counter:
                methods["ours"]()
            ops.ONEDNN = known
            calls = {"peak": measured(lambda: [ops.linear(square, square) for _ in range(20)])}
            calls |= {m: methods[m] for m in ("ours", "floor")}
            took = [{m: timed(call) for m, call in calls.items()} for _ in range(rounds)]
        done = counter.get_total_flops() / (20 * 2 * 1024**3)
        parts = statistics.median(done * t["peak"] / t["ours"] for t in took)
        floor = statistics.median(t["ours"] / t["floor"] for t in took)
        seconds = statistics.median(t["ours"] for t in took) / batch
        print(f"| {name} | {seconds:.2f} | {floor:.2f} | {parts:.0%} |", flush=True)


def timed(function):
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main():
    """Print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--jax", help="a Python interpreter with jax installed")
    parser.add_argument(
        "--profile", action="store_true", help="also print where our time goes, for the 6x6 TRM"
    )
    parser.add_argument("--share", action="store_true", help="the published sizes, over the peak")
    options = parser.parse_args()
    torch.set_num_threads(1)
    memory.keep_freed()  # as `rrm` does
    if options.share:
        return share(options.rounds)
    print(
        "medians of paired rounds; x floor = times one plain segment of (1 + k) x B rows, x forward = times one of B rows; k = 8\n"
    )
    print(
        "| model | method | x floor | x forward | largest difference, float64 |\n|---|---|---|---|---|"
    )
    for name, (model, batch, boards, with_jacobian) in cases().items():
        with torch.no_grad():
            reference = case(model, batch, boards, torch.float64)
            truth = reference[4]["(a) loop of jvp"]()
            compared = [
                m
                for m in reference[4]
                if m == "ours" or (m[0] == "(" and (with_jacobian or "(c)" not in m))
            ]
            differences = {m: float((reference[4][m]() - truth).abs().max()) for m in compared}
            jax = None
            if options.jax and name.startswith(("TRM 6x6", "one block")):
                jax = Jax(options.jax, *reference[:4], truth)
                differences |= dict.fromkeys(["(d) JAX jvp"], jax.difference)
            assert max(differences.values()) < 1e-6, differences
            methods = case(model, batch, boards, torch.float32)[4]
            calls = {
                m: (lambda m=m: timed(methods[m])) for m in methods if m in compared or m[0] != "("
            }
            if jax:
                calls |= {
                    "(d) JAX jvp": lambda: jax.ask("exponents"),
                    "JAX floor": lambda: jax.ask("floor"),
                }
            rounds = []
            for i in range(options.rounds + 1):
                order = (
                    list(calls)[i % len(calls) :] + list(calls)[: i % len(calls)]
                )  # nobody is always first
                rounds.append({m: calls[m]() for m in order})
            rounds = rounds[1:]  # the first warms up
            for m in calls:
                ratios = [
                    statistics.median(r[m] / r[unit] for r in rounds)
                    for unit in ("floor", "forward, B rows")
                ]
                print(
                    f"| {name} | {m} | {ratios[0]:.2f} | {ratios[1]:.2f} | {f'{differences[m]:.0e}' if m in differences else ''} |",
                    flush=True,
                )
            if jax:
                print(
                    f"| {name} | (d) against JAX's own floor | {statistics.median(r['(d) JAX jvp'] / r['JAX floor'] for r in rounds):.2f} | | |"
                )
            if options.profile and name.startswith("TRM 6x6"):
                with torch.profiler.profile() as profile:
                    methods["ours"]()
                print(
                    profile.key_averages().table(
                        sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=40
                    )
                )


if __name__ == "__main__":
    main()
