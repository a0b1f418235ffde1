"""The ledger: each claim of the paper beside what a run shows, with interval and verdict.

Rows and rules stand in ``data/published/claims.yml``. A direction holds when the 95 % interval lies
wholly on the claimed side of its null, fails when wholly on the other, and is undecided otherwise.
An equivalence holds when the interval lies within a margin of its null and fails when it leaves the
null out; where it is too wide ever to hold, the puzzles are too few. Existence holds when one was
seen. A magnitude agrees when the intervals overlap. What cannot be measured has a reason that was
computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict
from functools import cache

import numpy as np
import pandas as pd
import yaml
from scipy.special import ndtr, ndtri

from rrm_core.analysis import cells
from rrm_core.analysis.measures import measured
from rrm_core.analysis.stats import EQUIVALENT, Estimate, Z, proportion, unmeasured
from rrm_core.runs import tables
from rrm_core.runs.tables import Run
from rrm_core.store import paths

POWER = Z / (Z + ndtri(0.95))  # of a margin: the half width that holds nine times in ten


@cache
def rows() -> tuple[dict, ...]:
    """The rows of ``claims.yml``."""
    return tuple(yaml.safe_load((paths.data_dir() / "published" / "claims.yml").read_text()))


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
    growth = row["measure"].startswith("median_growth")
    scale = tables.printed(model, "qr_steps_per_segment") if growth else 1
    value, *ends = (found[name] * scale for name in ("value", "low", "high"))
    low, high = (value if np.isnan(end) else end for end in ends)
    low, high = (low, high) if low <= value <= high else (value, value)  # of another estimate
    return Estimate(value, low, high, int(found.n), found.source)


def cause(row: dict, run: Run, band: cells.Band) -> str:
    """Why a run cannot bear on a claim before anything is computed; empty when it can."""
    if row.get("only") not in (None, run.meta["model"]):
        return f"about {row['only'].upper()} only"
    if row.get("tied") not in (None, run.meta["side"]):
        return f"tied to {row['tied']}x{row['tied']}"
    if "needs" in row and not band.exists:
        return f"no band: {band.reason}"
    return band.strict_reason if row.get("needs") == "strict" else ""


def puzzles_needed(row: dict, here: Estimate) -> int:
    """Puzzles with which an equivalence would hold nine times in ten if its null were true.

    An interval narrows with the root of n: about 860 an outcome for an AUC within 0.05 of one half.
    """
    half, margin = (here.high - here.low) / 2, row.get("within", EQUIVALENT)
    return int(np.ceil(here.n * (half / (POWER * margin)) ** 2))


def verdict(row: dict, here: Estimate, paper: Estimate) -> str:
    """What the row's rule says of an estimate, beside the paper's."""
    rule, null, margin = row["rule"], row.get("null", 0.0), row.get("within", EQUIVALENT)
    printed = rule != "magnitude" or not np.isnan(paper.value)
    if np.isnan([here.value, here.low, here.high]).any() or not printed:
        return "cannot be measured"
    if rule == "magnitude":
        return "agrees" if here.low <= paper.high and paper.low <= here.high else "differs"
    if rule == "existence":
        return "holds" if here.value > 0 else "undecided"
    if rule == "equivalence" and null - margin <= here.low and here.high <= null + margin:
        return "holds"
    if here.low <= null <= here.high:
        short = rule == "equivalence" and puzzles_needed(row, here) > here.n
        return "too few to hold" if short else "undecided"
    beyond = "above" if here.low > null else "below"
    return "holds" if beyond == row.get("side") else "fails"


def judged(run: Run, claims: Collection[str] | None = None) -> pd.DataFrame:
    """One row of the ledger each, of those in `claims` or of all, in numbers.

    Columns: run, id, claim, says, measure, rule, null; value, low, high, n, method, reason of the
    run; paper, paper_low, paper_high, printed (how); verdict; needed (puzzles, of an equivalence).
    """
    band, out = cells.band_of(run), []
    alone = band.exists and not band.dip_p <= cells.DIP
    asked = [row for row in rows() if claims is None or row["claim"] in claims]
    reasons = [cause(row, run, band) for row in asked]
    names = {row["measure"] for row, reason in zip(asked, reasons, strict=True) if not reason}
    found = measured(run, sorted(names))
    for row, reason in zip(asked, reasons, strict=True):
        refused = unmeasured(len(run.table), "", reason)
        here = refused if reason else Estimate(**found.loc[row["measure"]])
        paper = published(row, run.meta["model"])
        told = {k: row.get(k) for k in ("id", "claim", "says", "measure", "rule", "null")}
        told |= {"run": run.name, **asdict(here), "verdict": verdict(row, here, paper)}
        told |= {"paper": paper.value, "paper_low": paper.low, "paper_high": paper.high}
        equivalence = row["rule"] == "equivalence" and not np.isnan(here.value)
        told["needed"] = puzzles_needed(row, here) if equivalence else np.nan
        if told["verdict"] == "cannot be measured" and not here.reason:
            told["reason"] = paper.reason or "its interval cannot be drawn"
        if alone and "needs" in row and not here.reason:
            told["reason"] = "band by separability alone"
        out.append(told | {"printed": paper.method})
    return pd.DataFrame(out)


def false_discovery(found: pd.DataFrame) -> pd.Series:
    """q of each direction among :func:`judged` rows: its two-sided p after Benjamini & Hochberg.

    p is 0.05 where a bound stands on the null; the error is taken for normal. NaN elsewhere.
    """
    from scipy.stats import false_discovery_control  # slow to load, and only the ledger wants it

    off = found.value - found.null
    half = np.where(off > 0, found.value - found.low, found.high - found.value)
    tested = (found.rule == "direction") & found.value.notna() & (half > 0)
    p = 2 * ndtr(-Z * off[tested].abs() / half[tested])
    return pd.Series(false_discovery_control(p), found.index[tested]).reindex(found.index)


def shown(value: float, low: float, high: float) -> str:
    """ "0.984 [0.982, 0.987]", the value alone where it has no interval; four digits near zero."""
    digits = 4 if any(0 < abs(x) < 0.0005 for x in (low, high)) else 3
    texts = [f"{x:.{digits}f}" for x in (value, low, high)]
    return "–" if np.isnan(value) else texts[0] if low == high else "{} [{}, {}]".format(*texts)


def ledger(
    runs: Iterable[Run], claims: Collection[str] | None = None, corrected: bool = True
) -> pd.DataFrame:
    """One row a run and claim (of those in `claims`, such as C1; by default all), as one reads it.

    Columns: id, claim, says, measure, run, paper, measured here, n, verdict, q (of all rows and
    runs, :func:`false_discovery`; NaN unless `corrected`), reason.
    """
    if not (each := [judged(run, None if corrected else claims) for run in runs]):
        mend = f"measure one with `rrm measure` first, into {paths.data_dir() / 'runs'}"
        raise tables.TableError(f"no run to judge: {mend}")
    found = pd.concat(each, ignore_index=True)
    found = found.assign(q=false_discovery(found) if corrected else np.nan)
    found = found if claims is None else found[found.claim.isin(claims)]
    paper = [shown(*x) for x in found[["paper", "paper_low", "paper_high"]].to_numpy()]
    words = zip(paper, found.paper, found.printed == "in words", strict=True)
    paper = [f"about {value:g}" if said else text for text, value, said in words]
    here = [shown(*x) for x in found[["value", "low", "high"]].to_numpy()]
    told = ["paper", "measured here", "n", "verdict", "q", "reason"]
    found = found.assign(paper=paper, **{"measured here": here})
    return found[["id", "claim", "says", "measure", "run", *told]]
