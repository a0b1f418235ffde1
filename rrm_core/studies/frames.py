"""What early growth owes to the start frame: single tangents from five draws, six segments.

The first is the run's own first tangent. Tangents are not orthonormalised against one another, so
each grows as the first of a frame does. Our own question.
"""

from dataclasses import replace
from functools import partial

import pandas as pd
import torch
from torch import Tensor

from rrm_core.dynamics.contract import Reasoner, pushes_of
from rrm_core.dynamics.exponents import State, start_frame
from rrm_core.runs.measure import named
from rrm_core.studies import LARGE, Subject, Units, batches
from rrm_core.sudoku import sets

WRONG_AT, SEGMENTS, FRAMES, EACH = 4, 6, 5, 192  # EACH: solved later, and never
SETTINGS = {"wrong_at": WRONG_AT, "segments": SEGMENTS, "frames": FRAMES, "each": EACH}
SETTINGS |= {"large": LARGE}


def single_growth(model: Reasoner, x: Tensor, frame: State, segments: int) -> Tensor:
    """(B, K, T) nats a segment of each tangent of `frame` by itself, from the model's start."""
    state, pushes, growth = model.initial_state(x), pushes_of(model, x), []
    for _ in range(segments):
        for pushed in pushes:
            state, frame = pushed(state, frame)
        squares = [part.double().flatten(2).square().sum(-1) for part in frame]
        norm = torch.stack(squares).sum(0).sqrt()  # (K, B)
        frame = tuple(part / norm.view(*norm.shape, *[1] * (part.ndim - 2)) for part in frame)
        frame = tuple(part.to(z.dtype) for part, z in zip(frame, state, strict=True))
        growth.append(norm.log().T)
    return torch.stack(growth, -1)


def grown(subject: Subject, puzzles: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle and frame: idx, frame (0: the run's own), growth of segments 1 to 6."""
    model, seed, k = subject.model, subject.meta["seed"], max(1, subject.meta["k"])
    with torch.inference_mode() if hasattr(model, "pushes") else torch.no_grad():
        x = model.embed(model.encode(sets.boards(puzzles)[0]))
        drawn = [start_frame(model.initial_state(x), k, seed + i) for i in range(FRAMES)]
        first = tuple(torch.cat([part[:1] for part in parts]) for parts in zip(*drawn, strict=True))
        growth = single_growth(model, x, first, SEGMENTS).numpy()
    rows = [
        pd.DataFrame({"idx": puzzles.idx, "frame": i} | named("growth_1", growth[:, i]))
        for i in range(FRAMES)
    ]
    return pd.concat(rows, ignore_index=True)


def units(subject: Subject) -> Units:
    """One unit for every 8 puzzles: the first that are still wrong after segment 4."""
    wrong = subject.table[~subject.table[f"correct_{WRONG_AT:02d}"]]
    each = subject.fewer(EACH)
    return batches(partial(grown, subject), replace(subject, table=wrong).chosen(each, each), 8)
