"""What the demo notebooks do: a small training, one puzzle rolled out and restarted, one exponent.

Each function returns a table, boards or a chart; nothing is written to disk.
"""

import tempfile

import numpy as np
import pandas as pd
import torch
from rrm_companion import boards as drawn
from rrm_companion import chapters, embed, playground

from rrm_core.analysis import cells
from rrm_core.dynamics import rollout
from rrm_core.models.recursive import RecursiveModel, digits
from rrm_core.models.weights import load_model
from rrm_core.runs import measure
from rrm_core.runs.tables import SEGMENTS, Run, load_run, log_drift, read_trajectories, segments
from rrm_core.store import paths
from rrm_core.sudoku import board as sudoku
from rrm_core.sudoku import sets
from rrm_core.training import recipes, trainer

MARKS = (100, 200, 300, 600)  # steps of the 4x4 training at which its puzzles are measured
PUZZLES = 96  # measured there
SHOWN = ["step", "idx", "correct", "late", "lambda_1"]


class DemoError(ValueError):
    """A parameter of a demo out of range, or a puzzle that is not there; says what was expected."""


def within(name: str, value: float, low: int, high: int) -> None:
    """Refuse a `value` that is not between `low` and `high`."""
    if not (isinstance(value, (int, float)) and low <= value <= high):
        raise DemoError(f"{name}={value!r}: expected a number from {low} to {high}")


# --- a 4x4 model is trained ----------------------------------------------------------------------


def recorded() -> tuple[pd.DataFrame, pd.DataFrame]:
    """What :func:`train` gave with its defaults, from the files that lie beside the demo."""
    folder = chapters.folder() / "demos"
    return tuple(pd.read_csv(folder / f"train_4x4_{name}.csv") for name in ("log", "puzzles"))


def train(steps: int = 600, every: int = 25, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(log, puzzles) of a 4x4 TRM trained here, printed as it goes.

    The log has a row every `every` steps; puzzles, a row a puzzle and step of :data:`MARKS`, its
    late drift and λ1 after 16 segments.
    """
    within("steps", steps, 10, 5000)
    within("every", every, 5, 1000)
    torch.set_num_threads(1)  # two threads are slower than one at this size
    changes = {"steps": steps, "lr": 5e-4, "seed": seed, "eval_puzzles": 64, "bf16": False}
    config, recipe = recipes.preset("smoke", **changes)
    student = trainer.Trainer(config, recipe, tempfile.gettempdir())  # nothing is saved
    log, puzzles = [], []
    while student.step < steps:
        student.advance()
        if student.step % min(every, steps) == 0:  # a row at least
            log.append(found := {"step": student.step} | student.evaluate())
            shown = [f"{name} {value:.1%}" for name, value in found.items() if name[0] == "e"]
            print(f"step {student.step:4d}   {', '.join(shown)}")
        if student.step in MARKS:
            table = measure.rows(student.average, measure.subset("4x4-test", PUZZLES), k=1)[0]
            puzzles.append(table.assign(step=student.step, late=cells.late_drift(table))[SHOWN])
    return pd.DataFrame(log), pd.concat(puzzles) if puzzles else pd.DataFrame(columns=SHOWN)


# --- one puzzle ----------------------------------------------------------------------------------


def load(name: str) -> tuple[Run, RecursiveModel]:
    """A run and the weights that were measured, on one thread."""
    torch.set_num_threads(1)
    return load_run(name), load_model(paths.run_dir(name))


def pair(run: Run, puzzle: int) -> list[int]:
    """idx of the `puzzle`, and of the middle one by late drift among those of the other outcome.

    -1 chooses: of the failures that move on (Otsu) while their answer stands still in segments 9
    to 16, the middle one. Of the successes those that settle are taken; of either all, where none.
    """
    df, late = run.table.set_index("idx"), pd.Series(cells.late_drift(run.table), run.table.idx)
    stored = read_trajectories(run.name).set_index("idx").loc[df.index]
    answers = stored.iloc[:, segments(run.table) // 2 :]
    still = answers.eq(answers.iloc[:, 0], 0).all(axis=1)
    settled = late < cells.band_of(run).otsu
    typical = np.where(df.correct, settled, ~settled & still)
    middle: dict[bool, int] = {}
    for outcome in (True, False):
        of = df.correct == outcome
        found = late[of & typical] if (of & typical).any() else late[of]
        if len(found):
            middle[outcome] = int(found.sort_values(kind="stable").index[len(found) // 2])
    idx = (middle[False] if False in middle else middle[True]) if puzzle == -1 else puzzle
    if idx not in df.index:
        known = f"{df.index.min()} to {df.index.max()}"
        raise DemoError(f"puzzle={puzzle}: the run {run.name!r} has the puzzles {known}; or -1")
    return [idx, middle.get(not df.correct[idx], idx)]


def roll(run: Run, model: RecursiveModel, idx: list[int]) -> rollout.Rollout:
    """The rollout of the puzzles `idx`, with eight tangents from the start frame of the run."""
    puzzles, _ = sets.boards(run.table.set_index("idx").loc[idx])
    return rollout.unroll(model, model.encode(puzzles), k=8, seed=run.meta["seed"])


def boards(run: Run, idx: list[int], out: rollout.Rollout, row: int) -> embed.HTML:
    """The decoded board of a row of the rollout after every segment, wrong cells marked."""
    puzzle = run.table.set_index("idx").loc[idx[row]]
    shown = []
    for t, board in enumerate(digits(out.answer[row]), 1):
        text = sudoku.to_text(board)
        caption = f"after segment {t}" + (": solved" if text == puzzle.solution else "")
        shown.append(drawn.board(text, caption, puzzle.puzzle, puzzle.solution))
    body = f'<div class="rrm-boards">{"".join(shown)}</div>'
    return embed.HTML(f"{embed.once('explorer.css')}{body}")


def motion(run: Run, idx: list[int], out: rollout.Rollout) -> pd.DataFrame:
    """One row a puzzle and segment: outcome, segment, log10 drift of z_H, growth so far (nats)."""
    outcome = cells.outcomes(run.table.set_index("idx").correct[idx])
    rows = pd.MultiIndex.from_product([outcome, range(1, out.drift_h.shape[1] + 1)])
    motion = rows.to_frame(False, ["outcome", "segment"])
    growth = out.growth[..., 0].cumsum(1).numpy().ravel()
    return motion.assign(drift=log_drift(out.drift_h.numpy()).ravel(), growth=growth)


def restarted(run: Run, model: RecursiveModel, idx: int, size: float, kicks: int) -> pd.DataFrame:
    """One row a restart and segment of one puzzle: size, restart, segment, drift (log10), outcome.

    Both start states get Gaussian noise of `size` times their root mean square, drawn from seed 0.
    """
    within("kicks", kicks, 2, 64)
    within("sizes", size, 0, 10)
    puzzle, solution = sets.boards(run.table.set_index("idx").loc[[idx] * kicks])
    board, draw = model.encode(puzzle), torch.Generator().manual_seed(0)
    start = tuple(
        z + size * z.float().pow(2).mean().sqrt() * torch.randn(z.shape, generator=draw)
        for z in model.initial_state(model.embed(board))
    )
    out = rollout.unroll(model, board, k=0, state=start)
    solved = (model.decode(out.answer[:, -1]) == solution).all(-1)
    drift = pd.DataFrame(log_drift(out.drift_h.numpy()), columns=range(1, SEGMENTS + 1))
    drift = drift.assign(size=size, restart=range(kicks), outcome=cells.outcomes(solved))
    return drift.melt(["size", "restart", "outcome"], var_name="segment", value_name="drift")


# --- one exponent --------------------------------------------------------------------------------


def frames(run: Run, model: RecursiveModel, n: int, seeds: int) -> pd.DataFrame:
    """λ1 of the first `n` puzzles from `seeds` other start frames: idx, frame, lambda_1."""
    within("n", n, 2, 32)
    within("seeds", seeds, 2, 16)
    board = model.encode(sets.boards(run.table.head(n))[0])
    updates = SEGMENTS * run.updates_per_segment
    parts = []
    for seed in range(seeds):
        growth = rollout.unroll(model, board, k=run.meta["k"], seed=seed).growth.sum(1)
        values = {"idx": run.table.idx.head(n), "lambda_1": growth.max(-1).values / updates}
        parts.append(pd.DataFrame(values).assign(frame=seed))
    return pd.concat(parts, ignore_index=True)


def spread(name: str, horizons: list[int], n: int, **values: float) -> pd.DataFrame:
    """One row a horizon of a map: median of `n` starts, width of their middle 90 %, scaled."""
    within("members", n, 50, 5000)
    found = playground.ensemble(name, n, max(horizons), **values)[..., 0]
    steps = np.array(horizons)
    low, middle, high = np.nanquantile(found[steps - 1], [0.05, 0.5, 0.95], axis=1)
    widths = {"width": high - low, "width × √T": (high - low) * np.sqrt(steps)}
    table = {"steps T": steps, "median": middle} | widths | {"width × T": (high - low) * steps}
    return pd.DataFrame(table)
