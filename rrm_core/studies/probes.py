"""Two probes after Ren & Liu 2026: a solved board with one blank, and with one row masked.

Both have one solution. Their exact sampling was not seen; here the blank cell and the row are drawn
from seed 0, on the solutions of the run's first puzzles.
"""

from functools import partial

import numpy as np
import pandas as pd

from rrm_core.studies import Subject, Units, observed
from rrm_core.sudoku import sets

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


def probed(subject: Subject, probe: str) -> pd.DataFrame:
    """One row a board: outcome, when right first, whether it stayed so, halting, late drift."""
    frame = subject.inputs.head(PUZZLES).reset_index(drop=True)
    _, solutions = sets.boards(frame)
    boards = masked(solutions, probe, np.random.default_rng(0))
    seen, _ = observed(subject.model, boards, solutions, k=0)
    stayed = (seen.solved_at > 0) & (seen.left == 0)
    kept = seen[["correct", "solved_at", "halted_at", "q_halt", "late"]]
    return kept.assign(probe=probe, idx=frame.idx, stayed=stayed)


def units(subject: Subject) -> Units:
    """One unit a probe."""
    return {probe.replace(" ", "_"): partial(probed, subject, probe) for probe in PROBES}
