"""How much of an exponent is convention: the tangents' start frame, the updates between two QRs.

What arithmetic and batch do is the study :mod:`rrm_core.studies.precision`.
"""

from functools import partial

import pandas as pd

from rrm_core.runs.measure import named, spectra
from rrm_core.studies import Subject, Units, observed
from rrm_core.sudoku import sets

PUZZLES, K, FRAMES = 64, 2, 5  # half of the puzzles failures; draws of a frame
SETTINGS = {"puzzles": PUZZLES, "k": K}


def variant(subject: Subject, name: str, seed: int = 0, every: int = 1) -> pd.DataFrame:
    """One row a puzzle: outcome, late drift, drift and growth by segment, exponents."""
    frame, model = subject.chosen(PUZZLES // 2, PUZZLES // 2), subject.model
    options = {"k": K, "seed": subject.meta["seed"] + seed, "every": every}
    options["segments"] = subject.segments
    seen, out = observed(model, *sets.boards(frame), **options)
    exponents = spectra(out["growth"], model.updates_per_segment).astype("float32")
    data = {"variant": name, "idx": frame.idx, "correct": seen.correct, "late": seen.late}
    data |= named("drift_h", out["drift_h"]) | named("growth_1", out["growth"][..., 0])
    return pd.DataFrame(data | {f"lambda_{i + 1}": exponents[:, i] for i in range(K)})


def units(subject: Subject) -> Units:
    """One unit a variant; "float32" has the run's own seed, with fewer tangents another frame."""
    variants: dict[str, dict] = {"float32": {}}
    variants |= {f"seed {s}": {"seed": s} for s in range(1, FRAMES)}
    variants |= {f"QR every {e}": {"every": e} for e in (2, subject.model.updates_per_segment)}
    work = partial(variant, subject)
    return {name.replace(" ", "_"): partial(work, name, **o) for name, o in variants.items()}
