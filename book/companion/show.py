"""What every chapter begins with, and its tables: two models by name, frames as accessible HTML.

A chapter has two slots, ``hrm`` and ``trm``; either may be empty. The text of a page says "HRM" and
"TRM"; which runs these are is said once, where a chapter opens.
"""

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from html import escape
from numbers import Integral, Real

import numpy as np
import pandas as pd
from rrm_companion.embed import HTML, minus, say

from rrm_core.analysis import cells, claims, fates
from rrm_core.analysis.stats import SMALLEST, Estimate
from rrm_core.runs import tables
from rrm_core.runs.tables import Run

HRM, TRM = "hrm-9x9-brief", "trm-9x9-brief"  # the runs of the published sizes, which lead
OTHERS = "- Figures and numbers are of the runs you chose. What the text concludes is of our two."


def models(hrm: str = HRM, trm: str = TRM) -> dict[str, Run]:
    """{"HRM": run, "TRM": run} of the names given; an empty name leaves that model out.

    A model of one's own goes into either. A run of the other architecture is refused, an unknown
    one as :func:`tables.load_run` does. In a notebook the :func:`remarks` on them are shown.
    """
    from IPython import display, get_ipython

    found = chosen(hrm, trm)
    if get_ipython() and (said := remarks(found)):
        display.display(say("\n".join(said)))
    return found


def remarks(models: dict[str, Run]) -> list[str]:
    """What to know of a page on these runs, a line each: whose the words are, and its gaps."""
    lines = [OTHERS] * (not {run.name for run in models.values()} <= {HRM, TRM})
    for slot, run in models.items():
        n, solved, band = len(run.table), int(run.table.correct.sum()), cells.band_of(run)
        why = [f"{n} puzzles are few"] * (n < SMALLEST)
        why += [f"it solves {'all' if solved else 'none'} of {n}"] * (solved in (0, n))
        seen = f"{cells.smallest_share(8):.0%} of the puzzles, eight widths away, would be seen"
        why += [f"it has no settled band ({band.reason}; {seen})"] * (not band.exists)
        why += ["it was measured without exponents (k = 0)"] * (run.meta["k"] == 0)
        why += ["its model never halts"] * (run.meta.get("scores") == [])
        why += [f"no `rrm study long --run {run.name}` yet"] * (fates.study(run, "long") is None)
        if why:
            lines.append(f"- **{slot}**, the run `{run.name}`, leaves gaps: {'; '.join(why)}.")
    return lines and ["Before you read on:", "", *lines]


def chosen(hrm: str, trm: str) -> dict[str, Run]:
    """The runs of :func:`models`, :func:`completed`."""
    found = {}
    for slot, name in (("HRM", hrm), ("TRM", trm)):
        if not isinstance(name, str):
            mend = f"papermill: give it as -r {slot.lower()} {name}"
            raise TypeError(f"{slot.lower()}={name!r}: expected the name of one run, or ''; {mend}")
        if name:
            found[slot] = completed(tables.load_run(name))
            kind = found[slot].meta["model"].upper()
            if kind in ("HRM", "TRM") and kind != slot:
                raise ValueError(f"{slot.lower()}={name!r} is a {kind}: give it as {kind.lower()}=")
    if not found:
        raise ValueError("hrm='' and trm='': expected the name of one run at least")
    return found


def completed(run: Run) -> Run:
    """`run`, with NaN for the exponents and halting scores that it was measured without."""
    segments, names = run.meta.get("segments", tables.SEGMENTS), []
    if not run.meta["k"]:
        names += ["lambda_1", *tables.columns("growth_1", segments)]
    if run.meta.get("scores") == []:
        names += tables.columns("q_halt", segments)
    return replace(run, table=run.table.assign(**dict.fromkeys(names, np.float32("nan"))))


def cell(value: object, digits: int = 2) -> str:
    """`value` as a cell of a table: numbers to `digits`, estimates with interval, nothing as –."""
    if isinstance(value, Estimate):
        told = f"{value:.{digits}f}" if pd.notna(value.value) else f"– ({value.reason})"
    elif value is None or (not isinstance(value, str) and pd.isna(value)):
        return "–"
    elif isinstance(value, bool) or not isinstance(value, Real):
        told = str(value)
    else:
        told = f"{value:,}" if isinstance(value, Integral) else f"{value:z,.{digits}f}"
    return minus(told)


def table(frame: pd.DataFrame, caption: str, digits: int = 2) -> HTML:
    """`frame` in a box that scrolls: `caption` above, floats to `digits`, whole columns whole."""
    whole = [c for c in frame.select_dtypes("float") if (frame[c].dropna() % 1 == 0).all()]
    kinds = {c: partial(cell, digits=0 if c in whole else digits) for c in frame}
    styled = frame.reset_index(drop=True).style.hide(axis="index").format(kinds, escape="html")
    styled = styled.format_index(lambda name: escape(str(name)), axis="columns")
    styled = styled.set_caption(label := escape(caption))
    body = styled.to_html(exclude_styles=True).replace("<table>", '<table class="rrm-table">')
    body = body.replace("<th ", '<th scope="col" ')
    return HTML(
        f'<div class="rrm-scroll" tabindex="0" role="region" aria-label="{label}">{body}</div>'
    )


def folded(summary: str, inside: HTML) -> HTML:
    """`inside` behind a line that the reader unfolds."""
    return HTML(f"<details><summary>{escape(summary)}</summary>{inside.html}</details>")


def ledger(models: dict[str, Run], of: Collection[str]) -> HTML:
    """The ledger's rows of the claims `of`, folded: what the paper prints, each model's verdict."""
    measured = [replace(r, table=r.table.dropna(axis=1, how="all")) for r in models.values()]
    every = claims.ledger(measured, of, corrected=False).set_index("id")
    found = {slot: every[every.run == run.name] for slot, run in models.items()}
    out = pd.concat([rows[["says"]] for rows in found.values()]).groupby(level=0).first()
    for slot, rows in found.items():
        of_this = rows[~rows.reason.str.startswith("about ")]
        out[f"paper, {slot}"] = of_this.paper
        here = of_this["measured here"].where(of_this.verdict != "cannot be measured")
        out[slot] = of_this.verdict + ", " + here.fillna(of_this.reason)
    out = out.loc[out[list(found)].notna().any(axis=1)].rename_axis("row").reset_index()
    caption = f"{', '.join(of)}: what the paper says and prints, what is measured here"
    return folded(f"The ledger: {len(out)} rows of this section", table(out, caption))
