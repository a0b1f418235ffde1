"""The first page's account of the book: what the measurements say, a sentence a section. Like :mod:`rrm_companion.study_report`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from rrm_companion import fate_report

from rrm_core.analysis import claims, motion
from rrm_core.analysis.stats import Estimate
from rrm_core.runs import tables
from rrm_core.runs.tables import SEGMENTS, Run


def brief(runs: list[Run]) -> str:
    """What was found, as a Markdown list: a question a line, answered by :mod:`rrm_core.analysis.claims` and the modules behind it.

    Over `runs` and their repeats from other seeds. A question that no run can answer is left out.
    """
    trained = fate_report.all_trained(runs)
    apart, settled, early = (measured(trained, id) for id in ("C1.1", "C2.2", "C5.1"))
    near = nearest(trained)
    answers = [
        (
            "Do solved and failed puzzles differ?",
            "3.1",
            "3_1_decomposition",
            apart
            and f"A solved puzzle has the lower exponent with AUC {between(apart, '.2f')}; clearly above one half in {count(apart, lambda e: e.low > 0.5)}.",
        ),
        (
            f"Have failures settled at segment {SEGMENTS}?",
            "3.1",
            "3_1_decomposition",
            settled
            and f"Below Otsu's threshold are, of a run's failures, {between(settled, '.0%')} that have a settled band; clearly less than one in twenty, as the paper finds, in {count(settled, lambda e: e.high < 0.05)}, clearly more in {count(settled, lambda e: e.low > 0.05)}.",
        ),
        (
            "Can one tell early?",
            "3.3",
            "3_3_early_window",
            early
            and f"After four segments the exponent of an unsolved puzzle has AUC {between(early, '.2f')}: clearly above one half in {count(early, lambda e: e.low > 0.5)}, clearly below in {count(early, lambda e: e.high < 0.5)}, where more growth goes with later success.",
        ),
        ("Do failures settle later?", "4", "4_prior_accounts", in_short(runs)),
        ("Does what moves wander?", "4", "4_prior_accounts", wandering(trained)),
        ("And at the paper's size?", "3.1", "3_1_decomposition", near and at_its_size(near)),
    ]
    return "\n".join(
        f"- **{question}** {answer} [Section {number}](../notebooks/{file}.md)"
        for question, number, file, answer in answers
        if answer
    )


def nearest(runs: list[Run]) -> Run | None:
    """The run that makes as many updates a segment, on as large a board, as the paper's TRM, and has as many parameters to a tenth; None where none does."""
    paper = tables.published("runs").query("model == 'TRM'").set_index("quantity").value
    alike = [
        run
        for run in runs
        if run.meta["model"] == "trm"
        and run.meta["side"] == 9
        and run.updates_per_segment == paper["qr_steps_per_segment"]
        and abs(run.meta["parameters"] / paper["parameters"] - 1) < 0.1
    ]
    return alike[0] if alike else None


def printed(run: Run) -> pd.DataFrame:
    """The rows of the ledger that `run` can judge against a figure or word of the paper: id, says, paper, the run, verdict."""
    rows = claims.ledger(run)
    rows = rows[(rows.paper != "–") & (rows.verdict != "cannot be measured")]
    return rows[["id", "says", "paper", "measured here", "verdict"]].rename(
        columns={"paper": f"paper ({run.meta['model'].upper()})", "measured here": run.name}
    )


def at_its_size(run: Run) -> str:
    """How many of the rows of :func:`printed` go against the paper, and which."""
    rows = printed(run)
    wrong = rows[rows.verdict.isin(["fails", "differs"])]
    told = (
        f": {'; '.join(f'{id} ({says.rstrip(chr(46))})' for id, says in zip(wrong.id, wrong.says, strict=True))}"
        if len(wrong)
        else ""
    )
    return f"`{run.name}` has the size and the updates of the paper's TRM and solves {run.table.correct.mean():.1%}. Of the {len(rows)} rows of the ledger that it can judge against a figure or word of the paper, {len(wrong)} go against it{told}."


def measured(runs: list[Run], id: str) -> dict[str, Estimate]:
    """{run: estimate} of a row of the ledger, where it can be measured."""
    row = next(row for row in claims.rows() if row["id"] == id)
    return {run.name: e for run in runs if not np.isnan((e := claims.measure(row, run)).value)}


def count(found: dict[str, Estimate], holds: Callable[[Estimate], bool]) -> str:
    """ "9 of 13"."""
    return f"{sum(map(holds, found.values()))} of {len(found)}"


def between(found: dict[str, Estimate], spec: str) -> str:
    """ "0.79 (`hrm-9x9-small`) to 1.00 (`trm-9x9-small`) over 13 runs", or the one value there is."""
    low, high = (pick(found, key=lambda name: found[name].value) for pick in (min, max))
    if len(found) == 1:
        return f"{found[low].value:{spec}} in the one run, `{low}`,"
    return f"{found[low].value:{spec}} (`{low}`) to {found[high].value:{spec}} (`{high}`) over {len(found)} runs"


def wandering(runs: list[Run]) -> str:
    """Between which shares neighbours part, of the failures that are still wrong and moving in the end; empty where no run can tell."""
    found = {run.name: e for run in runs if not np.isnan((e := motion.parting(run)).value)}
    if not found:
        return ""
    return f"Of the failures still wrong and moving after {motion.END} segments, neighbours part in {between(found, '.0%')} in which enough are; the others go round cycles, or move in a regular way that lets no neighbours part."


def in_short(runs: list[Run]) -> str:
    """The rule that the checkpoints show, in a paragraph; Markdown, empty where they do not show it.

    It is said only where the median share that settles is above one half for checkpoints whose failures shrink, and below one half for every
    checkpoint whose failures grow.
    """
    every = fate_report.all_trained(runs)
    table, changes = (
        fate_report.settling(every),
        [change for run in every if (change := fate_report.change_along(run))],
    )
    shrink, grow = table[table.growth < 0], table[table.growth > 0]
    if not (
        len(shrink) and len(grow) and changes and shrink.settled.median() > 0.5 > grow.settled.max()
    ):
        return ""
    falls, passed = (
        sum(how == "falls" for how, _, _ in changes),
        sum(last.settled < 0.5 and last.growth > 0 for _, _, last in changes),
    )
    return (
        f"Of the {len(shrink)} checkpoints followed here whose failures' tangents shrink over the {SEGMENTS} segments (in the median), {(shrink.settled > 0.5).sum()} see most of these failures settle in a "
        f"wrong place in the end, {(shrink.settled_16 > 0.5).sum()} of them by segment {SEGMENTS} already, the others only later. Of the {len(grow)} whose failures' tangents grow, none does: there most go on moving or are "
        f"solved. In {falls} of {len(changes)} trainings that were followed the share that settles falls again, in {passed} of them to below one half while growth turns positive."
    )
