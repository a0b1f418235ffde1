"""The ledger: each claim of the paper beside what a run shows, with interval and verdict.

Rows and rules stand in ``data/published/claims.yml``. A direction holds when the 95 % interval lies
wholly on the claimed side of its null, fails when wholly on the other, and is undecided otherwise.
An equivalence holds when the interval lies within a margin of its null and fails when it leaves the
null out; where it is too wide ever to hold, the puzzles are too few. Existence holds when one was
seen. A magnitude agrees when the intervals overlap. What cannot be measured has a reason that was
computed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from functools import cache

import numpy as np
import pandas as pd
import yaml
from scipy.stats import norm

from rrm_core.analysis import cells
from rrm_core.analysis.measures import MEASURES, measured
from rrm_core.analysis.stats import EQUIVALENT, Estimate, Z, proportion, unmeasured
from rrm_core.runs import tables
from rrm_core.runs.tables import Run
from rrm_core.store import paths

RULES = {
    "direction": {"side", "null"},
    "equivalence": {"null"},
    "magnitude": set(),
    "existence": set(),
}
VERDICTS = (
    *("holds", "agrees", "fails", "differs"),
    *("undecided", "too few to hold", "cannot be measured"),
)
NEEDED = {"id", "claim", "says", "measure", "rule", "published"}
FIELDS = NEEDED | {"side", "null", "within", "only", "needs", "tied"}
POWER = Z / (Z + norm.ppf(0.95))  # of a margin: the half width that holds nine times in ten


class ClaimError(ValueError):
    """A ledger row that breaks the rules of the ledger."""


@cache
def rows() -> tuple[dict, ...]:
    """The rows of ``claims.yml``, each checked."""
    found = yaml.safe_load((paths.data_dir() / "published" / "claims.yml").read_text())
    for row in found:
        wrong = (set(row) - FIELDS) | (
            NEEDED | RULES.get(row.get("rule"), {f"rule {row.get('rule')}"})
        ) - set(row)
        if (
            wrong
            or row["measure"] not in MEASURES
            or row.get("side") not in (None, "above", "below")
        ):
            found = sorted(wrong) or row["measure"]
            raise ClaimError(f"claims.yml, row {row.get('id')}: wrong or missing {found}")
    return tuple(found)


def published(row: dict, architecture: str) -> Estimate:
    """The paper's figure for an architecture; growth is exponent times steps of a segment."""
    source = row["published"]
    if "value" in source and source.get("of") in (None, architecture):
        value, n = source["value"], source.get("n", 0)
        return Estimate(value, value, value, n, "printed" if n else "in words")
    model = source.get(architecture)
    if model is None:
        return unmeasured(0, "printed", "the paper prints no figure")
    table = tables.published(source["table"]).query("model == @model").set_index("quantity")
    if "share" in source:
        inside, outside = (int(table.value[name]) for name in source["share"])
        return proportion(inside, inside + outside)
    quantity = source.get("quantity")
    if "least" in source:
        quantity = table.value[table.index.str.startswith(source["least"])].idxmin()
    found = table.loc[quantity].fillna({"n": 0})
    if row["measure"].startswith("median_growth"):
        steps = tables.printed(model, "qr_steps_per_segment")
        found[["value", "low", "high"]] = found[["value", "low", "high"]] * steps
    low, high = (found.value if np.isnan(x) else x for x in (found.low, found.high))
    return Estimate(found.value, low, high, int(found.n), found.source)


def cause(row: dict, run: Run) -> str:
    """Why a run cannot bear on a claim before anything is computed; empty when it can."""
    band, tied = cells.band_of(run), row.get("tied")
    if row.get("only") not in (None, run.meta["model"]):
        return f"about {row['only'].upper()} only"
    if tied not in (None, run.meta["side"]):
        return f"tied to {tied}x{tied}"
    if "needs" in row and not band.exists:
        return f"no band: {band.reason}"
    return band.strict_reason if row.get("needs") == "strict" else ""


def measure(row: dict, run: Run) -> Estimate:
    """The estimate of a row on a run, or the cause why there is none."""
    reason = cause(row, run)
    return unmeasured(len(run.table), "", reason) if reason else measured(run)[row["measure"]]


def margin(row: dict) -> float:
    """How far from its null a value counts as the null, in an equivalence."""
    return row.get("within", EQUIVALENT)


def puzzles_needed(row: dict, here: Estimate) -> int:
    """Puzzles with which an equivalence would hold nine times in ten if its null were true.

    An interval narrows with the root of n: about 860 an outcome for an AUC within 0.05 of one half.
    """
    return int(np.ceil(here.n * ((here.high - here.low) / 2 / (POWER * margin(row))) ** 2))


def verdict(row: dict, here: Estimate, paper: Estimate) -> str:
    """One of :data:`VERDICTS`, by the row's rule."""
    null, rule = row.get("null"), row["rule"]
    if np.isnan(here.value):
        return "cannot be measured"
    if rule == "magnitude":
        return "agrees" if here.low <= paper.high and paper.low <= here.high else "differs"
    if rule == "existence":
        return "holds" if here.value > 0 else "undecided"
    if rule == "equivalence":
        if null - margin(row) <= here.low and here.high <= null + margin(row):
            return "holds"
        if not here.low <= null <= here.high:
            return "fails"
        return "too few to hold" if puzzles_needed(row, here) > here.n else "undecided"
    if here.low <= null <= here.high:
        return "undecided"
    return "holds" if (here.low > null) == (row["side"] == "above") else "fails"


def judged(run: Run) -> pd.DataFrame:
    """One row a claim of the ledger, in numbers.

    Columns: run, id, claim, says, measure, rule, null; value, low, high, n, method, reason of the
    run; paper, paper_low, paper_high, printed (how); verdict; needed (puzzles, of an equivalence).
    """
    out, shown = [], ("id", "claim", "says", "measure", "rule", "null")
    weak = cells.band_of(run).by == "separability"
    for row in rows():
        here, paper = measure(row, run), published(row, run.meta["model"])
        told = asdict(here) | {"run": run.name} | {k: row.get(k) for k in shown}
        told |= {"paper": paper.value, "paper_low": paper.low, "paper_high": paper.high}
        told |= {"printed": paper.method, "verdict": verdict(row, here, paper), "needed": np.nan}
        if weak and "needs" in row and not here.reason:
            told["reason"] = "band by separability alone"
        if row["rule"] == "equivalence" and not np.isnan(here.value):
            told["needed"] = puzzles_needed(row, here)
        out.append(told)
    return pd.DataFrame(out)


def shown(value: float, low: float, high: float) -> str:
    """ "0.984 [0.982, 0.987]", the value alone where it has no interval; four digits near zero."""
    digits = 4 if any(0 < abs(x) < 0.0005 for x in (low, high)) else 3
    texts = [f"{x:.{digits}f}" for x in (value, low, high)]
    return "–" if np.isnan(value) else texts[0] if low == high else "{} [{}, {}]".format(*texts)


def ledger(run: Run, claims: Collection[str] | None = None) -> pd.DataFrame:
    """One row a claim (of those in `claims`, such as C1; by default all), as a reader sees it.

    Columns: id, claim, says, run, paper, measured here, n, verdict, reason.
    """
    found = judged(run)
    found = found if claims is None else found[found.claim.isin(claims)]
    paper = [shown(*x) for x in zip(found.paper, found.paper_low, found.paper_high, strict=True)]
    here = [shown(*x) for x in zip(found.value, found.low, found.high, strict=True)]
    names = ["id", "claim", "says", "run", "paper", "measured here", "n", "verdict", "reason"]
    return found.assign(paper=paper, **{"measured here": here})[names]
