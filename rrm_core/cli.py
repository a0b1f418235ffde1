"""The command line: ``rrm puzzles | train | import | measure | checkpoints | study | chapter | claims | verify``.

A mistake of the user's ends with one line on standard error and exit status 2; nothing that was there is lost.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch: these models are small, and two threads are slower than one

import click

FOLDER = click.Path(path_type=Path)
REPLACE = click.option(
    "--replace", is_flag=True, help="replace sets of the same name that hold other puzzles"
)


def command_line() -> str:
    """This command as one could type it again."""
    return shlex.join(["rrm", *sys.argv[1:]])


def one_thread() -> None:
    """Give torch one thread: measured here, a second one slows models of this size down."""
    import torch

    torch.set_num_threads(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
def app() -> None:
    """Train, measure and read recursive reasoning models."""


@app.group()
def puzzles() -> None:
    """Make and check Sudoku puzzles."""


@puzzles.command("make")
@click.option("--side", default=6, help="board side: 4, 6 or 9")
@click.option("--train", default=15_000, type=click.IntRange(0), help="base puzzles for training")
@click.option("--test", default=2_048, type=click.IntRange(0), help="held-out puzzles to measure")
@click.option("--seed", default=0)
@REPLACE
def puzzles_make(side: int, train: int, test: int, seed: int, replace: bool) -> None:
    """Generate a seeded set of minimal puzzles, split into train, test and validation, into data/puzzles."""
    from rrm_core.store import manifest
    from rrm_core.sudoku import sets

    files = sets.write(
        {
            f"{side}x{side}-{split}": table
            for split, table in sets.make(side, train, test, seed).items()
        },
        replace,
    )
    manifest.record(files, command_line())
    print(*files, sep="\n")


@puzzles.command("hard")
@click.option("--train", default=1_000, type=click.IntRange(1), help="base puzzles for training")
@click.option("--test", default=8_192, type=click.IntRange(1), help="held-out puzzles to measure")
@click.option("--seed", default=0)
@REPLACE
def puzzles_hard(train: int, test: int, seed: int, replace: bool) -> None:
    """Generate hard 9x9 puzzles into data/puzzles/9x9-hard-*: about a quarter of a second a puzzle."""
    from rrm_core.store import manifest
    from rrm_core.sudoku import hard, sets

    made = hard.make({"train": train, "test": test, "validation": sets.VALIDATION}, seed)
    files = sets.write({f"9x9-hard-{split}": table for split, table in made.items()}, replace)
    manifest.record(files, command_line())
    print(*files, sep="\n")


@puzzles.command("import")
@click.argument("file", type=FOLDER)
@click.option("--name", required=True, help="name of the set in data/puzzles")
@click.option("--limit", type=int, help="read no more than this many good rows")
@REPLACE
def puzzles_import(file: Path, name: str, limit: int | None, replace: bool) -> None:
    """Read puzzles of others from FILE: Sudoku-Extreme's CSV, a tdoku text file, or one puzzle a line."""
    from rrm_core.store import manifest, paths
    from rrm_core.sudoku import sets

    paths.safe_name(name)
    table, problems = sets.import_file(file, limit)
    print(*problems[:20], sep="\n", end="\n" if problems else "")
    if len(problems) > 20:
        print(f"... and {len(problems) - 20} more bad rows")
    (written,) = sets.write({name: table}, replace)
    manifest.record([written], command_line())
    print(f"{written}: {len(table)} puzzles kept, {len(problems)} rows refused")


@puzzles.command("fetch")
def puzzles_fetch() -> None:
    """Download Sudoku-Extreme's test set; then import it."""
    from rrm_core.sudoku import sets

    print(sets.fetch())


@puzzles.command("solve")
@click.argument("board")
def puzzles_solve(board: str) -> None:
    """Solve one puzzle ('.' or '0' blank): its solution, whether it is the only one, and the difficulty counts."""
    from rrm_core.sudoku import board as sudoku

    parsed = sudoku.parse(board)
    solved = sudoku.solve(parsed)
    print(sudoku.to_text(solved.solution))
    unique = sudoku.count_solutions(parsed, 2) == 1
    print(
        f"unique: {unique}, backtracks: {solved.backtracks}, naked_backtracks: {solved.naked_backtracks}"
    )


@app.command()
@click.argument("preset")
@click.option("--out", type=FOLDER, required=True, help="folder of the training")
@click.option("--resume", is_flag=True, help="go on from the folder's last save")
@click.option(
    "--start",
    type=FOLDER,
    help="begin with the weights of this checkpoint folder; the optimiser starts anew",
)
@click.option("--steps", type=int, help="train to this step")
@click.option("--minutes", type=float, help="stop and save after about this long")
@click.option("--seed", type=int, help="seed of weights and data")
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="set a field of the recipe, as lr or batch; may be repeated",
)
@click.option(
    "--compile",
    is_flag=True,
    help="compile the model first: about a minute, then faster; needs a C++ compiler",
)
@click.option("--device", default="cpu")
@click.option("--progress/--quiet", default=True)
def train(
    preset: str,
    out: Path,
    resume: bool,
    start: Path | None,
    steps: int | None,
    minutes: float | None,
    seed: int | None,
    parameters: tuple[tuple[str, str], ...],
    compile: bool,
    device: str,
    progress: bool,
) -> None:
    """Train a preset, saving checkpoints and a resumable state."""
    from rrm_core.models.weights import load_model
    from rrm_core.training import trainer as training

    one_thread()
    changes = training.parsed(dict(parameters)) | {
        k: v
        for k, v in {"steps": steps, "seed": seed, "compile": compile or None}.items()
        if v is not None
    }
    if (out / training.STATE_FILE).exists() and not resume:
        raise training.TrainingError(
            f"{out} already holds a training; add --resume to go on, or choose another folder"
        )
    trainer = training.Trainer(*training.preset(preset, **changes), out, device)
    if start:
        trainer.start_from(load_model(start))
    if resume and (out / training.STATE_FILE).exists():
        trainer.resume()
    elif resume:
        print(f"{out} holds no save yet: starting at step 0")
    trainer.run(minutes, progress)


@app.command("import")
@click.option(
    "--checkpoint",
    type=FOLDER,
    required=True,
    help="safetensors or torch file of the official code",
)
@click.option("--config", type=FOLDER, help="the all_config.yaml beside it")
@click.option("--name", required=True, help="name of the run in data/runs")
def import_(checkpoint: Path, config: Path | None, name: str) -> None:
    """Read an official HRM or TRM checkpoint into data/runs/NAME, ready to be measured."""
    from rrm_core.models import official
    from rrm_core.store import manifest

    folder, assumed = official.import_checkpoint(checkpoint, name, config)
    manifest.record(sorted(folder.iterdir()), command_line())
    if assumed:
        print(
            f"not in the checkpoint, taken as published: {', '.join(assumed)} (give --config to be sure)"
        )
    print(f"{folder}\nnext: rrm measure {folder} --run {name} --puzzles SET")


@app.command()
@click.argument("checkpoint", type=FOLDER)
@click.option("--run", required=True, help="name of the run in data/runs")
@click.option("--puzzles", "puzzle_set", default="6x6-test", help="a held-out puzzle set")
@click.option("--n", default=2_048, help="number of puzzles")
@click.option("--k", default=8, help="tangents")
@click.option("--seed", default=0, help="seed of the start frame")
@click.option("--extra-givens", default=0, help="solution digits put into every puzzle first")
@click.option("--shard", default="0/1", help="i/n: measure this share of the parts")
@click.option("--part", default=256, help="puzzles a part, a multiple of 32")
@click.option(
    "--keep",
    type=click.Choice(["none", "parts", "only"]),
    default="none",
    help="parts too once the run is written; only parts, no run",
)
@click.option(
    "--replace",
    is_flag=True,
    help="replace a run that was measured with other settings, its studies and checkpoints if of other weights",
)
@click.option("--device", default="cpu")
def measure(
    checkpoint: Path,
    run: str,
    puzzle_set: str,
    n: int,
    k: int,
    seed: int,
    extra_givens: int,
    shard: str,
    part: int,
    keep: str,
    replace: bool,
    device: str,
) -> None:
    """Measure CHECKPOINT (a step_NNNNNN folder, or a run made by rrm import): 16 segments, exponents, drift, halting; writes data/runs/RUN.

    Killed, it goes on where it stopped when called again; finished, it does nothing.
    """
    from rrm_core.runs import measure as measuring
    from rrm_core.store import manifest, paths

    one_thread()
    index, _, count = shard.partition("/")
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise measuring.MeasureError(
            f"--shard {shard!r}: expected i/n with 0 <= i < n, for example 0/2"
        )
    out = paths.data_dir() / "runs" / paths.safe_name(run)
    before = measuring.measured_at(out)
    done = measuring.run(
        checkpoint,
        out,
        puzzle_set,
        n,
        k,
        seed,
        (int(index), int(count)),
        command_line(),
        device,
        extra_givens,
        part,
        keep,
        replace,
    )
    if done is None:
        print(
            "this shard is measured"
            + ("" if keep == "only" else "; the run is written when the others are there too")
        )
        return
    manifest.record(manifest.unrecorded(measuring.run_files(done)), command_line())
    print(
        f"{done} was measured already with these settings: nothing to do"
        if before and before == measuring.measured_at(done)
        else done
    )


@app.command()
@click.argument("training", type=FOLDER)
@click.option("--run", required=True, help="run in data/runs that they belong to")
@click.option("--count", default=10, help="how many, evenly spaced")
@click.option("--to", type=int, help="the step of the last one; default the last of the training")
def checkpoints(training: Path, run: str, count: int, to: int | None) -> None:
    """Keep evenly spaced checkpoints of TRAINING with its run, weights rounded to bfloat16."""
    from rrm_core.runs import measure as measuring
    from rrm_core.store import manifest, paths

    out = paths.run_dir(run)
    measuring.keep_checkpoints(training, out, count, to)
    manifest.record(measuring.run_files(out / "checkpoints") + [out / "run.json"], command_line())
    print(out / "checkpoints")


@app.command()
@click.argument(
    "name", metavar="{evolution|long|fates|restarts|pruning|probes|numerics|recurrence|multi4}"
)
@click.option("--run", required=True, help="a measured run in data/runs")
@click.option("--device", default="cpu")
def study(name: str, run: str, device: str) -> None:
    """Make a further experiment on a run: data/runs/RUN/studies/NAME.parquet; a killed one goes on where it stopped."""
    from rrm_core import studies
    from rrm_core.store import manifest

    one_thread()
    files = studies.run(name, run, command_line(), device)
    manifest.record(files, command_line())
    print(files[0])


@app.command()
@click.argument("name")
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="set a parameter; may be repeated",
)
@click.option("--out", type=FOLDER, help="executed notebook; default NAME.out.ipynb here")
@click.option("--progress/--quiet", default=True)
def chapter(
    name: str, parameters: tuple[tuple[str, str], ...], out: Path | None, progress: bool
) -> None:
    """Re-execute chapter NAME (3_1 or 3_1_decomposition); unknown parameters, runs and wrong types are refused."""
    from rrm_companion import chapters

    print(chapters.execute(name, dict(parameters), out, progress))


@app.command()
@click.option("--run", help="one run; default all of them")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def claims(run: str | None, form: str) -> None:
    """Print the ledger: the paper's claims beside what each run shows, with verdicts."""
    import pandas as pd

    from rrm_core.analysis import claims as ledger
    from rrm_core.runs import tables

    found = pd.concat([ledger.ledger(r) for r in tables.load_runs([run] if run else None).values()])
    print(
        found.to_json(orient="records", indent=2)
        if form == "json"
        else found.drop(columns=["claim", "would change it"]).to_string(
            index=False, max_colwidth=60
        )
    )


@app.command()
@click.option("--recompute", default=0, help="measure this many random rows of every run again")
@click.option("--seed", default=0, help="which rows")
def verify(recompute: int, seed: int) -> None:
    """Check every file in data/ against its digest; optionally measure rows again from the weights."""
    from rrm_core.runs import measure as measuring
    from rrm_core.store import manifest, paths

    wrong = manifest.verify()
    print(
        "\n".join(wrong)
        or f"{len(manifest.entries(paths.data_dir()))} files in {paths.data_dir()}: all as shipped"
    )
    for run in paths.run_names() if recompute else []:
        one_thread()
        table = measuring.recompute(run, recompute, seed)
        print(f"\n{run}\n{table.to_string(index=False)}")
        wrong += (
            [] if table.agrees.all() else [f"{run}: rows {list(table.idx[~table.agrees])} differ"]
        )
    sys.exit(1 if wrong else 0)


def main() -> None:
    """Entry point of ``rrm``."""
    try:
        app(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except (click.ClickException, ValueError, OSError) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        print(f"rrm: {' '.join(text.split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
