"""Kill a command (SIGKILL) at seeded instants, call it again, compare with an undisturbed run.

Run by test_kills.py as ``python kills.py JOB FOLDER KILLS SEED``; prints one JSON object. A JOB is
one of :data:`JOBS`.
Processes are forked from this one, so that an instant falls into the work and not into the import
of torch. Two kinds of instants: by the clock, anywhere; and at a file operation, because the
writes, where a kill can hurt, take a thousandth of the time.
"""

import csv
import functools
import gzip
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load_file
from torch.utils._pytree import tree_map

from rrm_core import cli
from rrm_core.store import manifest
from rrm_core.studies import long
from rrm_core.training import recipes, saving
from rrm_core.training.trainer import Trainer

STEPS = 24
SETTINGS = ["--puzzles", "4x4-test", "--n", "64", "--k", "2"]
OPERATIONS = ((os, "fsync"), (os, "replace"), (os, "unlink"), (os, "rmdir"))


def training(folder):
    """What ``rrm train --resume`` does, with a recipe small enough to be killed often."""
    recipe = recipes.preset(
        "smoke",
        steps=STEPS,
        batch=8,
        eval_every=12,
        eval_puzzles=8,
        checkpoint_every=8,
        log_every=4,
    )
    trainer = Trainer(*recipe, folder / "training")
    if (folder / "training" / saving.STATE_FILE).exists():
        trainer.resume()
    trainer.run(progress=False)


def rrm(folder, *arguments):
    """A command on the data of `folder`, from the command line to the MANIFEST."""
    os.environ["RRM_DATA"] = str(folder / "data")
    sys.argv = ["rrm", *map(str, arguments)]
    cli.main()


def measuring(folder):
    """``rrm measure``, in two parts."""
    rrm(folder, "measure", folder.parent / "trained", "--run", "mine", *SETTINGS)


def studying(folder):
    """``rrm study long`` of a measured run, in two units, cut short."""
    long.HORIZON = 32
    rrm(folder, "study", "long", "--run", "mine")


def importing(folder):
    """``rrm import``: an official checkpoint becomes a run, or is that one already."""
    rrm(folder, "import", "--checkpoint", folder.parent / "step_3", "--name", "official")


def reading(folder):
    """``rrm puzzles import``: a set is written, or there already with these puzzles."""
    rrm(folder, "puzzles", "import", folder.parent / "puzzles.csv", "--name", "mine")


JOBS = {
    "train": training,
    "measure": measuring,
    "study": studying,
    "import": importing,
    "puzzles": reading,
}


def count_operations(die_at, halves):
    """Die at the `die_at`-th file operation: before it, after it, or (fsync) half written."""
    seen = 0

    def counted(original, name, *arguments, **options):
        nonlocal seen
        seen += 1
        if seen == die_at and halves == "half" and name == "fsync":
            os.ftruncate(arguments[0], os.fstat(arguments[0]).st_size // 2)
        if seen == die_at and halves != "after":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*arguments, **options)
        if seen == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    for module, name in OPERATIONS:
        setattr(module, name, functools.partial(counted, getattr(module, name), name))
    return lambda: seen


def attempt(job, folder, seconds=None, die_at=0, halves="before"):
    """(exit status, -9 when killed; seconds; file operations) of `job` in a process of its own."""
    start, (mine, theirs) = time.monotonic(), os.pipe()
    pid = os.fork()
    if pid == 0:
        status, operations = 1, count_operations(die_at, halves)
        try:
            with open(folder / "output.txt", "a") as out:
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
            job(folder)
            status = 0
        except SystemExit as stop:
            status = stop.code or 0
        except BaseException:
            import traceback

            traceback.print_exc()
        os.write(theirs, str(operations()).encode())
        os._exit(status)
    os.close(theirs)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    operations = os.read(mine, 20).decode()
    os.close(mine)
    return status, time.monotonic() - start, int(operations or 0)


def contents(folder):
    """{name: what must be equal} of every file, read whole; what times a run is left out."""
    found = {}
    for path in sorted(
        p
        for p in folder.rglob("*")
        if p.is_file()
        and p.name != "output.txt"
        and not p.name.startswith(".")
        and not p.name.startswith("4x4-")
    ):
        name = path.relative_to(folder).as_posix()
        if path.name == saving.STATE_FILE:
            state = torch.load(path, weights_only=True)
            parts = {k: state[k] for k in ("model", "average", "optimiser", "rng")}
            parts |= {k: v for k, v in state["carried"].items() if k not in ("elapsed", "rows")}
            found[name] = tree_map(
                lambda v: v.tolist() if isinstance(v, torch.Tensor) else v, parts
            )
        elif path.suffix == ".json":
            timed = {"elapsed_s", "training_s", "wall_s", "measured", "files"}
            found[name] = {k: v for k, v in json.loads(path.read_bytes()).items() if k not in timed}
        elif path.name == "log.csv":
            with open(path, newline="") as file:
                found[name] = [
                    {k: v for k, v in row.items() if k not in ("elapsed_s", "examples_per_s")}
                    for row in csv.DictReader(file)
                ]
        elif path.suffix == ".parquet":
            pd.read_parquet(path)
            found[name] = path.read_bytes()
        elif path.name == "MANIFEST":
            found[name] = sorted(manifest.entries(path.parent).index)
        else:
            if path.suffix == ".safetensors":
                load_file(path)
            found[name] = path.read_bytes()
    return found


def fresh(template, folder):
    """An empty place to work in: the puzzle sets and nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    return folder


def main(what, place, kills, seed):
    """Kill `kills` times; a job that finishes is compared and begun again."""
    place, job, rng = Path(place), JOBS[what], random.Random(seed)
    template = place / "template"
    (template / "data" / "runs").mkdir(parents=True)
    (template / "data" / "puzzles").mkdir()
    source = Path(os.environ["RRM_DATA"])
    for path in (source / "puzzles").glob("4x4-*"):
        shutil.copy(path, template / "data" / "puzzles")
    (template / "data" / "MANIFEST").write_text("path\tsha256\trows\tcommand\n")
    if what in ("measure", "study", "import"):
        config, recipe = recipes.preset(
            "smoke", steps=3, batch=8, eval_every=3, eval_puzzles=4, checkpoint_every=3
        )
        trainer = Trainer(config, recipe, place / "training")
        trainer.run(progress=False)
        shutil.copytree(place / "training" / "checkpoints" / "step_000003", place / "trained")
        named = trainer.average.state_dict().items()  # as the official code names its tensors
        torch.save({f"model.{name}": tensor for name, tensor in named}, place / "step_3")
    if what == "study":
        status = attempt(measuring, template)[0]
        assert status == 0, (template / "output.txt").read_text()
    if what == "puzzles":
        with gzip.open(source / "puzzles" / "4x4-test.csv.gz") as file:
            (place / "puzzles.csv").write_bytes(b"".join(file.readlines()[:40]))
    attempt(job, fresh(template, place / "warm"))
    status, duration, operations = attempt(job, fresh(template, place / "undisturbed"))
    assert status == 0, (place / "undisturbed" / "output.txt").read_text()
    expected = contents(place / "undisturbed")
    landed, finished, work = [], 0, fresh(template, place / "work")
    while True:
        last = len(landed) >= kills
        clock = len(landed) % 2 == 0
        instant = (
            {}
            if last
            else {"seconds": rng.uniform(0, duration)}
            if clock
            else {
                "die_at": rng.randint(1, max(operations // 2, 1)),
                "halves": rng.choice(["before", "half", "after"]),
            }
        )
        for left in work.rglob(".*.tmp"):
            os.utime(left, (0, 0))  # as if the next attempt came an hour later
        status = attempt(job, work, **instant)[0]
        found = contents(work)  # raises where a file is not whole
        if status == -signal.SIGKILL:
            landed.append(instant)
            continue
        assert status == 0, (work / "output.txt").read_text()[-2000:]
        different = [
            name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name)
        ]
        assert not different, f"after {landed}: {different}"
        left = [p for p in work.rglob(".*.tmp")]
        assert not left, f"after {landed}: {left}"
        finished += 1
        if last:
            break
        work = fresh(template, work)
    print(
        json.dumps(
            {
                "kills": len(landed),
                "by the clock": sum("seconds" in i for i in landed),
                "finished and equal": finished,
                "seconds a run": round(duration, 2),
                "file operations a run": operations,
            }
        )
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
