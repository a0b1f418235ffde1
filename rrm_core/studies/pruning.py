"""Early pruning: give up what looks worst after h segments; compute saved against answers lost.

Computed from the measurement table. Scores point the way the paper says (lower exponent, more
drift, higher q_halt: likelier to be solved); nothing is fitted, only the share given up is varied.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from rrm_core.runs.tables import SEGMENTS, signals_at
from rrm_core.studies import Subject, Units

SHARES = tuple(np.round(np.arange(0, 1.0001, 0.05), 2))
SETTINGS = {"shares": list(SHARES), "horizons": list(range(1, SEGMENTS))}


def at(df: pd.DataFrame, h: int, updates: int) -> list[dict]:
    """A row for each signal and share of the puzzles still wrong at segment `h` given up."""
    wrong, final = ~df[f"correct_{h:02d}"].to_numpy(), df.correct.to_numpy()
    scores = signals_at(df, h, updates) | {"random": np.random.default_rng(h).random(len(df))}
    rows, count = [], {"solved": int(final.sum()), "n": len(df)}
    for signal, score in scores.items():
        order = np.flatnonzero(wrong)[np.argsort(score[wrong], kind="stable")]
        for share in SHARES:
            lost = final[order[: round(share * len(order))]]
            saved = len(lost) * (SEGMENTS - h) / (len(df) * SEGMENTS)
            row = {"signal": signal, "h": h, "share": share, "n_wrong_at_h": len(order), **count}
            rows.append(row | {"given_up": len(lost), "lost": int(lost.sum()), "saved": saved})
    return rows


def curve(subject: Subject) -> pd.DataFrame:
    """One row a signal, horizon and share given up: segments saved, answers lost."""
    updates = len(subject.model.schedule)
    return pd.DataFrame([row for h in range(1, SEGMENTS) for row in at(subject.table, h, updates)])


def units(subject: Subject) -> Units:
    """One unit: it takes seconds."""
    return {"curve": partial(curve, subject)}
