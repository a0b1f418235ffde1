"""Rows of the claims ledger as a chapter shows them, and which of them go against the paper. Like :mod:`rrm_companion.report`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rrm_core.analysis import claims
from rrm_core.runs.tables import Run

SHORT = {
    "^no band.*": "no band",
    "^missing table studies/(.*).parquet": r"no study \1",
    "^missing column (.*)": r"no \1",
    "^n < (\\d+) .*": r"fewer than \1",
    ".*checkpoints? with a band.*": "few checkpoints with a band",
}


def table(runs: list[Run], of: list[str]) -> pd.DataFrame:
    """The ledger's rows of some claims: what the paper prints, and a column a run with verdict and figure.

    A row about the other architecture has a dash there; a row about none of the runs' is left out.
    """
    found = pd.concat(
        [claims.ledger(run, of).assign(model=run.meta["model"].upper()) for run in runs]
    )
    found = found[~found.reason.str.startswith("about ")]
    reason = found.reason.replace(SHORT, regex=True)
    figure = np.where(
        found.verdict == "cannot be measured",
        "– " + reason,
        found.verdict + ": " + found["measured here"] + ("; " + reason).where(reason != "", ""),
    )
    found = found.assign(shown=figure)
    rows = []
    for key, part in found.groupby("id"):
        printed = part.drop_duplicates("model").query("paper != '–'")
        paper = "; ".join(f"{m} {p}" for m, p in zip(printed.model, printed.paper, strict=True))
        rows.append(
            {
                "id": key,
                "says": part.says.iloc[0],
                "paper": paper or "–",
                **{run.name: "–" for run in runs},
            }
            | dict(zip(part.run, part.shown, strict=True))
        )
    return pd.DataFrame(rows)


def against(runs: list[Run], of: list[str]) -> str:
    """Which rows of some claims fail or differ, and on which runs; Markdown, for the end of a chapter."""
    found = pd.concat([claims.ledger(run, of) for run in runs])
    found = found[found.verdict.isin(["fails", "differs"])]
    told = [
        f"{key} on {', '.join(f'`{name}`' for name in part.run)}"
        for key, part in found.groupby("id")
    ]
    return (
        f"Of the rows above, these already go against the paper: {'; '.join(told)}."
        if told
        else "None of the rows above goes against the paper on these runs."
    )
