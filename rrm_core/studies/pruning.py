"""Early pruning: give up the puzzles that look worst after h segments; compute saved against answers lost.

Computed from the measurement table. Scores point the way the paper says (lower exponent, more drift, higher q_halt: likelier
to be solved); nothing is fitted, only the share given up is varied.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.runs.tables import SEGMENTS, signals_at
from rrm_core.studies import Subject, Units

SHARES = tuple(np.round(np.arange(0, 1.0001, 0.05), 2))
SETTINGS = {"shares": list(SHARES), "horizons": list(range(1, SEGMENTS))}


def curve(subject: Subject) -> pd.DataFrame:
    """One row a signal, horizon and share given up among puzzles still wrong at h: segments saved, answers lost."""
    df, updates, rows = subject.table, len(subject.model.schedule), []
    final, n = df.correct.to_numpy(), len(df)
    for h in range(1, SEGMENTS):
        wrong = ~df[f"correct_{h:02d}"].to_numpy()
        scores = signals_at(df, h, updates) | {"random": np.random.default_rng(h).random(n)}
        for signal, score in scores.items():
            order = np.flatnonzero(wrong)[np.argsort(score[wrong], kind="stable")]
            for share in SHARES:
                given_up = order[: round(share * len(order))]
                rows.append(
                    {
                        "signal": signal,
                        "h": h,
                        "share": share,
                        "n_wrong_at_h": len(order),
                        "given_up": len(given_up),
                        "lost": int(final[given_up].sum()),
                        "solved": int(final.sum()),
                        "n": n,
                        "saved": len(given_up) * (SEGMENTS - h) / (n * SEGMENTS),
                    }
                )
    return pd.DataFrame(rows)


def units(subject: Subject) -> Units:
    """One unit: it takes seconds."""
    return {"curve": lambda: curve(subject)}
