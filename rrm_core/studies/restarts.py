"""Restart and select: the same puzzles from perturbed starts, with what a selector could see.

Restart r adds sigma times a fixed normal draw to z_H and z_L, the same draw for every puzzle, as
the stored start is the same. The stored start vectors have a standard deviation of about one, so
sigma = 1 is about as far away as another start. (A pilot on 64 puzzles of each 6x6 run: 0.01
changes next to nothing, 1 and 2 free the most failures.)
"""

from functools import partial

import numpy as np
import pandas as pd
import torch

from rrm_core.runs.measure import CHUNK
from rrm_core.studies import LARGE, Subject, Units, batches, observed
from rrm_core.sudoku import sets

PUZZLES, RESTARTS, SIGMA = 256, 16, 1.0  # half of the puzzles failures
SETTINGS = {"puzzles": PUZZLES, "large": LARGE, "restarts": RESTARTS, "sigmas": [SIGMA]}
KEPT = ["correct", "token_acc", "q_halt", "halts", "late"]


def restarted(subject: Subject, restart: int, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle of `frame`, at most one chunk: outcome, halting, late drift.

    Restart 0 is the stored start. The others are drawn on the CPU, whatever the device.
    """
    boards, solutions = sets.boards(frame)
    model, rows = subject.model, np.minimum(np.arange(CHUNK), len(boards) - 1)
    state = model.initial_state(model.embed(model.encode(boards[rows])))
    if restart:
        seeded = torch.Generator().manual_seed(restart)
        draws = [torch.randn(z.shape[1:], generator=seeded).to(z) for z in state]
        state = tuple(z + SIGMA * draw for z, draw in zip(state, draws, strict=True))
    seen, _ = observed(model, boards, solutions, k=0, state=state, segments=subject.segments)
    return seen[KEPT].assign(sigma=SIGMA if restart else 0.0, restart=restart, idx=frame.idx)


def units(subject: Subject) -> Units:
    """One unit a start and chunk, the stored start first; failures and successes alternate."""
    each = subject.fewer(PUZZLES) // 2
    frame, found = subject.chosen(each, each), Units()
    for restart in range(RESTARTS + 1):
        pieces = batches(partial(restarted, subject, restart), frame, CHUNK)
        found |= {f"start_{restart:02d}_{piece}": work for piece, work in pieces.items()}
    return found
