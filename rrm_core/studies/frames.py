"""What early growth owes to the start frame: single tangents from five draws, six segments.

The first is the run's own first tangent. Each is followed by itself, as the first of a frame is
in effect: the others are made orthogonal to it, and not it to them. Our own question.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import torch

from rrm_core.dynamics.contract import pushes_of
from rrm_core.dynamics.exponents import grow, start_frame
from rrm_core.runs.measure import named
from rrm_core.studies import LARGE, Subject, Units, batches
from rrm_core.sudoku import sets

WRONG_AT, SEGMENTS, FRAMES, EACH = 4, 6, 5, 192  # EACH: solved later, and never
SETTINGS = {"wrong_at": WRONG_AT, "segments": SEGMENTS, "frames": FRAMES, "each": EACH}
SETTINGS |= {"large": LARGE}


def grown(subject: Subject, puzzles: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle and frame: idx, frame (0: the run's own), growth of segments 1 to 6."""
    model, seed, k, rows = subject.model, subject.meta["seed"], max(1, subject.meta["k"]), []
    with torch.inference_mode() if hasattr(model, "pushes") else torch.no_grad():
        x = model.embed(model.encode(sets.boards(puzzles)[0]))
        start, pushes = model.initial_state(x), pushes_of(model, x)
        for i in range(FRAMES):
            first, growth = tuple(part[:1] for part in start_frame(start, k, seed + i)), []
            state = start
            for _ in range(SEGMENTS):
                state, first, made = grow(pushes, state, first, every=len(pushes))
                growth.append(made[:, 0].cpu().numpy())
            data = {"idx": puzzles.idx, "frame": i} | named("growth_1", np.stack(growth, 1))
            rows.append(pd.DataFrame(data))
    return pd.concat(rows, ignore_index=True)


def units(subject: Subject) -> Units:
    """One unit for every 8 puzzles: the first that are still wrong after segment 4."""
    wrong = subject.table[~subject.table[f"correct_{WRONG_AT:02d}"]]
    each = subject.fewer(EACH)
    return batches(partial(grown, subject), replace(subject, table=wrong).chosen(each, each), 8)
