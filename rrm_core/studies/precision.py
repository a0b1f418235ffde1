"""What the arithmetic and the batch do to outcome and drift: the same weights, the same puzzles.

In bfloat16 a state at rest still moves, by rounding about one point; in float32 and float64 it
does not. The official code runs in bfloat16, the paper prints no dtype. Our own question.
"""

from functools import partial

import pandas as pd

from rrm_core.runs import folder
from rrm_core.runs.measure import CHUNK
from rrm_core.studies import Subject, Units, batches, observed
from rrm_core.sudoku import sets

MANY, FEW = 512, 64  # the first puzzles of the run: for bfloat16, for every other variant
VARIANTS = {  # name: arithmetic, puzzles pushed together, puzzles
    "bfloat16": ("bfloat16", CHUNK, MANY),
    "float32": ("float32", CHUNK, FEW),
    "float64": ("float64", CHUNK, FEW),
    "float32, alone": ("float32", 1, FEW),
    "float32, by 8": ("float32", 8, FEW),
    "float32, by 64": ("float32", 64, FEW),
}
SETTINGS = {"variants": {name: list(how) for name, how in VARIANTS.items()}}


def variant(subject: Subject, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle of `frame`: outcome, halting, late drift."""
    dtype, chunk, _ = VARIANTS[name]
    model = folder.load(subject.folder, dtype, subject.device)
    seen, _ = observed(model, *sets.boards(frame), k=0, chunk=chunk, segments=subject.segments)
    kept = seen[["correct", "token_acc", "halted_at", "halts", "late"]]
    return pd.concat([pd.DataFrame({"variant": name, "idx": frame.idx}), kept], axis=1)


def units(subject: Subject) -> Units:
    """A unit for every 64 puzzles of a variant, or for all where they are fewer."""
    found = Units()
    for name, (_, _, n) in VARIANTS.items():
        pieces = batches(partial(variant, subject, name), subject.inputs.head(n), 2 * CHUNK)
        label = name.replace(", ", "_").replace(" ", "_")
        found |= {f"{label}_{piece}": work for piece, work in pieces.items()}
    return found
