"""Two probes after Ren & Liu 2026: a solved board with one blank, and with one row masked. Both have one solution.

Their exact sampling was not seen; here the blank cell and the row are drawn from seed 0, on the solutions of the run's first puzzles.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from rrm_core.runs.measure import first, rolled
from rrm_core.runs.tables import late
from rrm_core.studies import Subject, Units
from rrm_core.sudoku import sets as puzzles

PUZZLES = 256
SETTINGS = {"puzzles": PUZZLES, "seed": 0}
PROBES = ("one blank", "one row masked")


def masked(solutions: np.ndarray, probe: str, rng: np.random.Generator) -> np.ndarray:
    """`solutions` (B, cells) with the probe's cells blank."""
    out, side = solutions.copy(), int(np.sqrt(solutions.shape[1]))
    for board in out:
        if probe == "one blank":
            board[rng.integers(len(board))] = 0
        else:
            row = rng.integers(side)
            board[row * side : (row + 1) * side] = 0
    return out


def probed(subject: Subject, frame: pd.DataFrame, probe: str) -> pd.DataFrame:
    """One row a board: right at 16, first right segment, whether it stayed right from there, halting, late drift."""
    _, solutions = puzzles.boards(frame)
    boards = masked(solutions, probe, np.random.default_rng(0))
    out = rolled(subject.model, boards, k=0)
    right = (out["digits"] == solutions[:, None]).all(-1)
    left = (right[:, :-1] & ~right[:, 1:]).any(1)
    return pd.DataFrame(
        {
            "probe": probe,
            "idx": frame.idx,
            "correct": right[:, -1],
            "solved_at": first(right),
            "stayed": right.any(1) & ~left,
            "halted_at": first(out["halts"]),
            "q_halt": out["q"][:, -1, 0],
            "late": late(out["drift_h"]),
        }
    )


def units(subject: Subject) -> Units:
    """One unit a probe."""
    frame = subject.inputs.head(PUZZLES).reset_index(drop=True)
    return {probe.replace(" ", "_"): partial(probed, subject, frame, probe) for probe in PROBES}
