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
from rrm_core.studies import Subject, Units, observed
from rrm_core.sudoku import sets

PUZZLES, OF_LARGE, RESTARTS, SIGMA = 256, 64, 16, 1.0
LARGE = 4_000_000  # parameters: from here on a rollout takes seconds
SETTINGS: dict = {"puzzles": PUZZLES, "of_large": OF_LARGE, "large": LARGE}
SETTINGS |= {"restarts": RESTARTS, "sigmas": [SIGMA]}
KEPT = ["correct", "token_acc", "q_halt", "halts", "late"]


def restarted(subject: Subject, restart: int) -> pd.DataFrame:
    """One row a puzzle: outcome, halting, late drift.

    Restart 0 is the stored start. The others are drawn on the CPU, whatever the device.
    """
    each = (OF_LARGE if subject.meta["parameters"] >= LARGE else PUZZLES) // 2
    frame = subject.chosen(each, each)
    boards, solutions = sets.boards(frame)
    model, seen = subject.model, []
    for i in range(0, len(boards), CHUNK):
        rows = np.minimum(np.arange(i, i + CHUNK), len(boards) - 1)
        state = model.initial_state(model.embed(model.encode(boards[rows])))
        if restart:
            seeded = torch.Generator().manual_seed(restart)
            draws = [torch.randn(z.shape[1:], generator=seeded).to(z) for z in state]
            state = tuple(z + SIGMA * draw for z, draw in zip(state, draws, strict=True))
        part = slice(i, i + CHUNK)
        seen.append(observed(model, boards[part], solutions[part], k=0, state=state)[0])
    sigma = SIGMA if restart else 0.0
    seen = pd.concat(seen, ignore_index=True)[KEPT]
    return seen.assign(sigma=sigma, restart=restart, idx=frame.idx)


def units(subject: Subject) -> Units:
    """One unit a start, the stored one first. Puzzles: failures and successes, alternating."""
    return {f"start_{r:02d}": partial(restarted, subject, r) for r in range(RESTARTS + 1)}
