"""Rows of the measurement table, from a model and puzzles.

Puzzles go through in chunks of one size, the last one padded, so that a row does not depend on how
puzzles are ordered or sharded (on a CPU: a GPU adds in an order of its own, and trajectories that
part fast end elsewhere).
"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from rrm_core.dynamics.contract import Reasoner, device_of
from rrm_core.dynamics.rollout import Rollout, unroll
from rrm_core.runs.schema import columns, drift_name
from rrm_core.store import memory
from rrm_core.sudoku import board, sets

CHUNK = 32  # puzzles pushed together; part of a run's definition, as wandering amplifies round-off


class MeasureError(ValueError):
    """A measurement that cannot be made; the message says why and how to mend it."""


def roll(model: Reasoner, boards: np.ndarray, chunk: int = CHUNK, **options: Any) -> Rollout:
    """The :func:`unroll` of up to `chunk` boards, padded to `chunk` by repeating the last one."""
    rows = np.minimum(np.arange(chunk), len(boards) - 1)
    memory.keep_freed()  # as `rrm` does: without it a stack of tangents takes 1.4 times as long
    try:
        return unroll(model, model.encode(boards[rows]), **options)
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and "allocate" not in str(error):
            raise
        wanted = f"not enough memory for {chunk} puzzles and k={options.get('k', 8)} tangents"
        mend = "measure with fewer (--k) or on another device"
        raise MeasureError(f"{device_of(model)} has {wanted}; {mend}") from None


def rolled(
    model: Reasoner, boards: np.ndarray, chunk: int = CHUNK, **options: Any
) -> dict[str, np.ndarray]:
    """{name: (B, T, ...)} of all `boards`: digits, q, halts, drift of every part, drift_h, growth.

    Chunk by chunk; a start `state` must be that of one chunk.
    """
    names = ("answer", "q", "halts", "drift", "drift_h", "growth")
    starts = range(0, len(boards), chunk)
    out = [roll(model, boards[i : i + chunk], chunk, **options) for i in starts]
    joined = {name: torch.cat([getattr(r, name) for r in out])[: len(boards)] for name in names}
    answer = joined.pop("answer")
    return {"digits": model.decode(answer)} | {name: x.numpy() for name, x in joined.items()}


def named(prefix: str, values: np.ndarray, dtype: str = "float32") -> dict[str, np.ndarray]:
    """{"prefix_01": values[:, 0], ...} of a (B, T) array."""
    return dict(zip(columns(prefix, values.shape[1]), values.T.astype(dtype), strict=True))


def first(flags: np.ndarray) -> np.ndarray:
    """(B,) the first true column of (B, T) counted from 1, 0 where there is none."""
    return np.where(flags.any(1), flags.argmax(1) + 1, 0)


def spectra(growth: np.ndarray, updates: int) -> np.ndarray:
    """(B, K) exponents in nats per update, descending, of growth (B, T, K) in so many updates."""
    return -np.sort(-growth.sum(1), axis=1) / (growth.shape[1] * updates)


def rows(
    model: Reasoner, frame: pd.DataFrame, k: int = 8, seed: int = 0, **options: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(measurements, decoded boards) of the puzzles in `frame`, as :func:`subset` makes one.

    Columns as in the data dictionary. Drift is the Euclidean norm over the whole state.
    """
    boards, solutions = sets.boards(frame)
    out = rolled(model, boards, k=k, seed=seed, **options)
    right, blank = out["digits"] == solutions[:, None], boards == 0  # (B, T, cells), (B, cells)
    data = {
        "correct": right[:, -1].all(-1),
        "token_acc": right[:, -1].mean(-1).astype("float32"),
        "blank_acc": ((right[:, -1] & blank).sum(-1) / blank.sum(-1)).astype("float32"),
        "halted_at": first(out["halts"][:, :-1]).astype("int8"),
        **named("correct", right.all(-1), "bool"),
    }
    for i, name in enumerate(model.scores):
        data |= named(name, out["q"][..., i])
    for i in range(len(model.parts)):
        data |= named(drift_name(i), out["drift"][..., i])
    for i in range(out["growth"].shape[-1]):
        data |= named(f"growth_{i + 1}", out["growth"][..., i])
    exponents = spectra(out["growth"], model.updates_per_segment).T.astype("float32")
    data |= {f"lambda_{i}": values for i, values in enumerate(exponents, 1)}
    table = pd.concat([frame.reset_index(drop=True), pd.DataFrame(data)], axis=1)
    texts = {"idx": table["idx"]}
    for t, column in enumerate(columns("answer", right.shape[1])):
        texts[column] = [board.to_text(cells) for cells in out["digits"][:, t]]
    return table, pd.DataFrame(texts)


def subset(puzzle_set: str, n: int, extra_givens: int = 0) -> pd.DataFrame:
    """The first `n` puzzles of a set: ``idx`` (their row there), puzzle, solution, difficulty.

    ``extra_givens`` solution digits are put into each, drawn from seed 0: held-out puzzles that a
    small model can solve some of.
    """
    frame = sets.table(puzzle_set)
    if not 0 < n <= len(frame):
        most = len(frame)
        raise MeasureError(f"n={n}: {puzzle_set!r} has {most} puzzles; ask for 1..{most}")
    frame = frame[[c for c in (*board.COLUMNS, "grid", "rating") if c in frame]].head(n)
    if extra_givens:
        boards, solutions = sets.boards(frame)
        if extra_givens >= (least := int((boards == 0).sum(1).min())):
            why = f"a puzzle of {puzzle_set!r} has {least} blanks: ask for fewer"
            raise MeasureError(f"extra_givens={extra_givens}: {why}")
        counts = np.full(n, extra_givens)
        boards = board.add_givens(boards, solutions, counts, np.random.default_rng(0))
        grid = frame[[c for c in frame if c == "grid"]]  # stays; a rating was of the puzzle before
        frame = board.described(boards, solutions).join(grid)
    return frame.assign(givens=frame.givens.astype("int16")).rename_axis("idx").reset_index()
