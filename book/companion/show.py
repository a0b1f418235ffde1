"""What every chapter begins with, and its tables: the two models by name, a frame as an accessible table.

A chapter has two slots, ``hrm`` and ``trm``; either may be empty. The text of a page says "HRM" and
"TRM"; which runs these are is said once, where a chapter opens.
"""

from __future__ import annotations

from html import escape

import pandas as pd

from rrm_companion.embed import HTML
from rrm_core.runs import tables
from rrm_core.runs.tables import Run


def models(hrm: str = "", trm: str = "") -> dict[str, Run]:
    """{"HRM": run, "TRM": run} of the names given; an empty name leaves that model out.

    A run of the other architecture is refused, an unknown one as :func:`tables.load_run` refuses it.
    """
    found = {}
    for slot, name in (("HRM", hrm), ("TRM", trm)):
        if not isinstance(name, str):
            raise TypeError(f"{slot.lower()}={name!r}: expected the name of one run, or '' for none")
        if name:
            found[slot] = tables.load_run(name)
            if (kind := found[slot].meta["model"].upper()) != slot:
                raise ValueError(
                    f"{slot.lower()}={name!r}: this run is a {kind}; give it as {kind.lower()}="
                )
    if not found:
        raise ValueError("hrm='' and trm='': expected the name of one run at least")
    return found


def table(frame: pd.DataFrame, caption: str, digits: int = 2) -> HTML:
    """`frame` as an HTML table in a scroll box: `caption` above, floats to `digits`, NaN as a dash."""
    whole = [c for c in frame.select_dtypes("number") if (frame[c].dropna() % 1 == 0).all()]
    styled = (
        frame.style.hide(axis="index")
        .format(precision=digits, na_rep="–", thousands=",")
        .format(lambda v: "–" if pd.isna(v) else f"{v:,.0f}", subset=whole)
        .format_index(escape, axis="columns")
        .format(
            lambda v: escape(str(v)),
            subset=[c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])],
        )
        .set_caption(escape(caption))

    )
    body = styled.to_html(exclude_styles=True, table_attributes='class="rrm-table"')
    label = escape(caption, quote=True)
    return HTML(
        f'<div class="rrm-scroll" tabindex="0" role="region" aria-label="{label}">{body}</div>'
    )
