"""The command line: ``rrm puzzles | train | import | measure | checkpoints | study | ...``.

A mistake of the user's ends with one line on standard error and exit status 2; nothing that was
there is lost.
"""

import contextlib
import io
import math
import os
import shlex
import sys
import tempfile
import textwrap
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch; two are slower for small models

import click

from rrm_core.store import manifest, memory, paths
from rrm_core.store.files import read_json


class Location(click.Path):
    """A path; an empty one is refused, as it would read as the working folder."""

    def convert(self, value, param, ctx):
        return super().convert(value, param, ctx) if str(value) else self.fail("'' is no path")


FOLDER = Location(path_type=Path)
COUNT = click.IntRange(1)
AGAIN: dict = {"nargs": 2, "multiple": True, "metavar": "NAME VALUE"}
FIELDS = click.option("-p", "values", **AGAIN, help="a field of the recipe; may be repeated")
VALUES = click.option("-p", "values", **AGAIN, help="a parameter of the chapter; may be repeated")
RUN = click.option("--run", required=True, help="name of the run in data/runs")
DEVICE = click.option("--device", default="cpu")
QUIET = click.option("--progress/--quiet", default=True)
REPLACE_SETS = click.option("--replace", is_flag=True, help="replace sets that hold other puzzles")


def once(values: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The values of -p by name; a name given twice is refused."""
    names = [name for name, _ in values]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"-p {twice} is given twice; give it once")
    return dict(values)


def command_line() -> str:
    """This command as one could type it again."""
    return shlex.join(["rrm", *sys.argv[1:]])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="rrm-core", prog_name="rrm")
def app() -> None:
    """Train, measure and read recursive reasoning models."""


@app.group()
def puzzles() -> None:
    """Make Sudoku puzzles, or read those of others."""


def write_sets(tables: dict, replace: bool) -> None:
    """Write puzzle sets into data/puzzles, recorded in the MANIFEST."""
    from rrm_core.sudoku import sets

    files = sets.write(tables, replace)
    manifest.record(files, command_line())
    print(*files, sep="\n")


def refuse_others(names: list[str], replace: bool) -> None:
    """Refuse, before the work, sets that are there already, made with other options than these."""
    from rrm_core.sudoku import sets

    context, root, other = click.get_current_context(), paths.data_dir(), []
    known = manifest.entries(root).command
    for path in map(sets.path_of, names):
        words = shlex.split(known.get(path.relative_to(root).as_posix(), ""))
        same = not words  # a killed command recorded none: the sets are looked at later
        if words[1:3] == ["puzzles", context.info_name]:
            with contextlib.suppress(click.ClickException):  # of a version with other options
                asked = context.command.make_context(words[2], words[3:]).params
                same = asked | {"replace": replace} == context.params
        other += [str(path)] if path.exists() and not same else []
    if other and not replace:
        mend = "add --replace to lose them, or set RRM_DATA to another folder"
        raise ValueError(f"{', '.join(other)}: there already, with other puzzles; {mend}")


@puzzles.command("make")
@click.option("--side", default=6, help="board side: 4, 6 or 9")
@click.option("--train", default=15_000, type=click.IntRange(0), help="puzzles to train on")
@click.option("--test", default=2_048, type=click.IntRange(0), help="held-out puzzles to measure")
@click.option("--seed", default=0)
@REPLACE_SETS
def puzzles_make(side: int, train: int, test: int, seed: int, replace: bool) -> None:
    """Generate minimal puzzles, split into train, test and validation."""
    from rrm_core.sudoku import sets

    refuse_others([f"{side}x{side}-{split}" for split in sets.SPLITS], replace)
    made = sets.make(side, train, test, seed)
    write_sets({f"{side}x{side}-{split}": table for split, table in made.items()}, replace)


@puzzles.command("hard")
@click.option("--train", default=1_000, type=COUNT, help="puzzles to train on")
@click.option("--test", default=8_192, type=COUNT, help="held-out puzzles to measure")
@click.option("--seed", default=0)
@REPLACE_SETS
def puzzles_hard(train: int, test: int, seed: int, replace: bool) -> None:
    """Generate hard 9x9 puzzles: about a quarter of a second a puzzle."""
    from rrm_core.sudoku import hard, sets

    refuse_others([f"9x9-hard-{split}" for split in sets.SPLITS], replace)
    made = hard.make({"train": train, "test": test, "validation": sets.VALIDATION}, seed)
    write_sets({f"9x9-hard-{split}": table for split, table in made.items()}, replace)


@puzzles.command("import")
@click.argument("file", type=FOLDER)
@click.option("--name", required=True, help="name of the set in data/puzzles")
@click.option("--limit", type=COUNT, help="read no more than this many good rows")
@REPLACE_SETS
def puzzles_import(file: Path, name: str, limit: int | None, replace: bool) -> None:
    """Read puzzles of others from FILE, whatever its columns are called.

    A table (CSV, Parquet, JSON) of puzzles and, or they are computed, solutions; a text with one a
    line; an array of boards. Packed (gzip, bzip2, xz, zip) or not.
    """
    from rrm_core.sudoku import foreign

    paths.safe_name(name, "puzzle set")
    table, notes = foreign.read(file, limit)
    print(*notes, sep="\n")
    write_sets({name: table}, replace)


@app.command()
@click.argument("preset")
@click.option("--out", type=FOLDER, required=True, help="folder of the training")
@click.option("--resume", is_flag=True, help="go on from the folder's last save, if any")
@click.option("--start", type=FOLDER, help="begin with the weights of this checkpoint folder")
@click.option("--steps", type=int, help="train to this step")
@click.option("--minutes", default=math.inf, help="stop and save after about this long")
@click.option("--seed", type=int, help="seed of weights and data")
@click.option("--compile", is_flag=True, default=None, help="compile first: a minute, then faster")
@FIELDS
@DEVICE
@QUIET
def train(preset, out, resume, start, minutes, values, device, progress, **changes) -> None:
    """Train a preset, saving checkpoints and a resumable state.

    PRESET: smoke (seconds, to try things), trm-6x6, trm-6x6-attention, hrm-6x6; for hours
    trm-9x9-small, hrm-9x9-small; for a GPU trm-9x9-brief, hrm-9x9-brief; published trm-9x9, hrm-9x9
    """
    from rrm_core.models.weights import load_model
    from rrm_core.training import recipes, saving, trainer

    saved = (out / saving.STATE_FILE).exists()
    if saved and not resume:
        mend = "add --resume to go on, or choose another folder"
        raise recipes.TrainingError(f"{out} already holds a training; {mend}")
    given = ((name, str(value)) for name, value in changes.items() if value is not None)
    recipe = recipes.preset(preset, **recipes.parsed(once((*values, *given))))
    training = trainer.Trainer(*recipe, out, device)
    if start:
        training.start_from(load_model(start))
    if saved:
        training.resume()
    training.run(minutes, progress)


@app.command("import")
@click.option("--checkpoint", type=FOLDER, required=True, help="file of the official code")
@click.option("--config", type=FOLDER, help="the all_config.yaml beside it")
@click.option("--weights", help="which set, where the file holds several")
@click.option("--name", required=True, help="name of the run in data/runs")
def import_(checkpoint: Path, config: Path | None, weights: str | None, name: str) -> None:
    """Read an official HRM or TRM checkpoint into data/runs/NAME, ready to be measured."""
    from rrm_core.models import official
    from rrm_core.runs.folder import run_files

    folder, notes = official.import_checkpoint(checkpoint, name, config, weights)
    manifest.record(run_files(folder), command_line())
    print(*notes, sep="\n", end="\n" * bool(notes))
    print(f"{folder}\nnext: rrm measure {folder} --run {name} --puzzles SET")


MODEL = "package.module:function that makes the model, of CHECKPOINT if given"


@app.command()
@click.argument("checkpoint", type=FOLDER, required=False)
@click.option("--model", required=True, help=MODEL)
@click.option("--puzzles", default="6x6-test", help="a set whose first boards are looked at")
def check(checkpoint: Path | None, model: str, puzzles: str) -> None:
    """Check that a model of your own keeps the contract, before it is measured."""
    from rrm_core.dynamics import check
    from rrm_core.models import factory
    from rrm_core.sudoku import sets

    boards, _ = sets.boards(sets.table(puzzles).head(check.ENOUGH))
    found = check.checked(factory.made(model, checkpoint), boards)
    count = f"faults: {len(found.faults)}, notes: {len(found.notes)}"
    print(*found.notes, *found.faults, count, sep="\n")
    sys.exit(1 if found.faults else 0)


@app.command()
@click.argument("checkpoint", type=FOLDER, required=False)
@RUN
@click.option("--model", help=MODEL)
@click.option("--puzzles", default="6x6-test", help="a held-out puzzle set")
@click.option("--n", default=2_048, help="number of puzzles")
@click.option("--k", default=8, help="tangents")
@click.option("--seed", default=0, help="seed of the start frame")
@click.option("--extra-givens", default=0, help="solution digits put into every puzzle first")
@click.option("--dtype", default="float32", help="arithmetic: float32, bfloat16 (--k 0) or float64")
@click.option("--segments", default=16, help="segments of the rollout")
@click.option("--shard", default="0/1", help="i/n: measure this share of the parts")
@click.option("--replace", is_flag=True, help="replace a run of other settings, and its studies")
@DEVICE
def measure(checkpoint, run, model, shard, replace, device, **settings) -> None:
    """Measure CHECKPOINT, a step_NNNNNN folder or an import, into data/runs/RUN.

    With --model, the model that your own code makes. Killed, it goes on where it stopped when
    called again; finished, it does nothing.
    """
    from rrm_core.models import factory
    from rrm_core.runs import folder

    i, _, n = shard.partition("/")
    if not (i.isdigit() and n.isdigit() and int(i) < int(n)):
        raise ValueError(f"--shard {shard!r}: expected i/n with 0 <= i < n, for example 0/2")
    out, asked = paths.data_dir() / "runs" / paths.new_name(run), folder.Settings(**settings)
    share, command = (int(i), int(n)), command_line()
    if not (model or checkpoint):
        raise ValueError("CHECKPOINT is missing: expected a folder with weights, or --model")
    with tempfile.TemporaryDirectory() as made:
        source = factory.store(Path(made), model, checkpoint) if model else checkpoint
        done = folder.make(source, out, asked, share, replace, device, command)
    if done:
        manifest.record(folder.run_files(done), command)
        trained = (read_json(done / "run.json").get("recipe") or {}).get("puzzles")
        if asked.puzzles == f"{trained}-train":
            print(f"note: these weights were trained on {asked.puzzles}; nothing here is held out")
    print(done or "this shard is measured; the run is written when the others are there too")


@app.command()
@click.argument("training", type=FOLDER)
@RUN
@click.option("--count", default=10, help="how many, evenly spaced")
@click.option("--to", type=int, help="the step of the last one; default the last of the training")
def checkpoints(training: Path, run: str, count: int, to: int | None) -> None:
    """Keep evenly spaced checkpoints of TRAINING with its run, rounded to bfloat16."""
    from rrm_core.runs import folder

    out = paths.run_dir(run)
    folder.keep_checkpoints(training, out, count, to)
    manifest.record([*folder.run_files(out / "checkpoints"), out / "run.json"], command_line())
    print(out / "checkpoints")


@app.command()
@click.argument("name")
@RUN
@DEVICE
def study(name: str, run: str, device: str) -> None:
    """Make a further experiment on a run; a killed one goes on where it stopped.

    NAME: evolution, long, fates, restarts, numerics, precision, rounding, recurrence, lags,
    elsewhere, recorded, multi4 or frames.
    """
    from rrm_core import studies

    files = studies.run(name, run, command_line(), device)
    manifest.record(files, command_line())
    print(files[0])


@app.command()
@click.argument("name")
@VALUES
@click.option("--out", type=FOLDER, help="executed notebook; default NAME.out.ipynb here")
@QUIET
def chapter(name: str, values: tuple, out: Path | None, progress: bool) -> None:
    """Re-execute chapter NAME (3_1 or 3_1_decomposition); unknown parameters are refused."""
    from rrm_companion import chapters

    print(chapters.execute(name, once(values), out, progress))


@app.command()
@click.option("--run", help="one run; default all of them")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
def claims(run: str | None, form: str) -> None:
    """Print the ledger: the paper's claims beside what each run shows, with verdicts."""
    from rrm_core.analysis.claims import ledger
    from rrm_core.runs import tables

    found = ledger(tables.load_runs(None if run is None else [run]).values())
    if form == "json":
        return print(found.to_json(orient="records", indent=2))
    names = ["id", "says", "paper", "measured here", "n", "verdict"]
    found["says"] = [textwrap.shorten(text, 44, placeholder=" …") for text in found.says]
    found["verdict"] += (": " + found.reason).where(found.reason != "", "")
    for name, rows in found.groupby("run", sort=False):
        table = [names, *rows[names].to_numpy()]
        print(name, *("{:6}{:45}{:21}{:26}{:>5}  {}".format(*row) for row in table), "", sep="\n")


@app.command()
@click.option("--recompute", default=0, help="measure this many random rows of every run again")
@click.option("--seed", default=0, help="which rows")
def verify(recompute: int, seed: int) -> None:
    """Check every file in data/ against its digest; optionally measure rows again."""
    root = paths.data_dir()
    if not (root / "MANIFEST").exists():
        raise ValueError(f"{root}: no MANIFEST; expected the folder data of a clone ($RRM_DATA)")
    wrong = manifest.verify()
    print("\n".join(wrong) or f"{len(manifest.entries(root))} files in {root}: all as recorded")
    for run in paths.run_names() if recompute else []:
        from rrm_core.runs import folder

        try:
            table = folder.recompute(run, recompute, seed)
        except ValueError as error:  # its package is not installed here, or it has fewer rows
            print(f"\n{run}: not measured again ({error})")
            continue
        print(f"\n{run}\n{table.to_string(index=False)}")
        if not table.agrees.all():
            wrong.append(f"{run}: rows {list(table.idx[~table.agrees])} differ")
    sys.exit(1 if wrong else 0)


def mended() -> str:
    """This command with every ``-p NAME=VALUE`` as ``-p NAME VALUE``; empty where there is none."""
    words, right = sys.argv[1:], list[str]()
    for word in words:
        joined = right[-1:] == ["-p"] and "=" in word
        right += word.split("=", 1) if joined else [word]
    return shlex.join(["rrm", *right]) if right != words else ""


def main() -> None:
    """Entry point of ``rrm``."""
    for stream in (sys.stdout, sys.stderr):  # λ on a terminal without it is no reason to stop
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    memory.keep_freed()
    if data := os.environ.get("RRM_DATA"):
        os.environ["RRM_DATA"] = os.path.abspath(data)  # a chapter's kernel works in another folder
    try:
        app(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except (click.ClickException, ValueError, OSError) as error:
        text = error.format_message() if isinstance(error, click.ClickException) else str(error)
        if isinstance(error, OSError) and error.strerror:
            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        if right := mended():
            text = f"{text.rstrip('.')}; -p takes two words: {right}"
        print(f"rrm: {' '.join(text.split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
