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

from rrm_core.runs.measure import CHUNK, spectra
from rrm_core.studies import Subject, Units, observed
from rrm_core.sudoku import sets

PUZZLES, WITH_EXPONENT, RESTARTS, SIGMA = 256, 64, 16, 1.0
SETTINGS: dict = {"puzzles": PUZZLES, "with_exponent": WITH_EXPONENT}
SETTINGS |= {"restarts": RESTARTS, "sigmas": [SIGMA]}
KEPT = ["correct", "token_acc", "q_halt", "halts", "late"]


def restarted(subject: Subject, restart: int) -> pd.DataFrame:
    """One row a puzzle: outcome, halting, late drift, and, for the first 64, the exponent.

    Restart 0 is the stored start. The others are drawn on the CPU, whatever the device.
    """
    frame = subject.chosen(PUZZLES // 2, PUZZLES // 2)
    boards, solutions = sets.boards(frame)
    model = subject.model
    state = model.initial_state(model.embed(model.encode(boards[:1].repeat(CHUNK, 0))))
    if restart:
        seeded = torch.Generator().manual_seed(restart)
        draws = [torch.randn(z.shape[1:], generator=seeded).to(z) for z in state]
        state = tuple(z + SIGMA * draw for z, draw in zip(state, draws, strict=True))
    exponent, found = np.full(len(frame), np.nan, "float32"), []
    for rows, k in ((slice(0, WITH_EXPONENT), 1), (slice(WITH_EXPONENT, None), 0)):
        if len(boards[rows]):
            options = {"k": k, "state": state, "seed": subject.meta["seed"]}
            seen, out = observed(subject.model, boards[rows], solutions[rows], **options)
            found.append(seen[KEPT])
            if k:
                exponent[rows] = spectra(out["growth"], subject.model.updates_per_segment)[:, 0]
    table = pd.concat(found, ignore_index=True)
    sigma = SIGMA if restart else 0.0
    return table.assign(sigma=sigma, restart=restart, idx=frame.idx, lambda_1=exponent)


def units(subject: Subject) -> Units:
    """One unit a start, the stored one first. Puzzles: failures and successes, alternating."""
    return {f"start_{r:02d}": partial(restarted, subject, r) for r in range(RESTARTS + 1)}
