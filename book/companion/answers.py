"""How the answers to the exercises, and the mistakes that people make in them, are computed from a run's tables.

One function an answer, ``run -> number, letter or name``; beside it the answers that common mistakes lead to, each with a
sentence that names the mistake. No number stands here: another run has other answers. Used by :mod:`rrm_companion.exercises`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from rrm_core.analysis import cells, controls, stats
from rrm_core.runs import tables
from rrm_core.runs.tables import SEGMENTS, Run, columns

Value = float | int | str
HORIZON = 4
TOLERANCE = {
    "3.2-b": 0.006,
    "3.3-b": 0.006,
    "3.4-b": 0.5,
    "4-a": 0.0015,
    "5-c": 0.06,
}  # absolute, where 2 % would be too lax or too strict


class NoAnswer(ValueError):
    """This run has no answer to an exercise; the message says why."""


# --- pieces ------------------------------------------------------------------------------------------------------


def late(run: Run) -> np.ndarray:
    """(B,) log10 late drift of z_H."""
    return cells.late_drift(run.table)


def threshold(run: Run, which: str) -> float:
    """The Otsu or strict threshold; a run without one has no answer."""
    found = getattr(cells.band(late(run)), which)
    if np.isnan(found):
        raise NoAnswer("its late drift takes fewer than two values, so there is no threshold")
    return found


def counts(run: Run, which: str) -> dict[str, int]:
    """{"A": n, ...} at the Otsu or strict threshold."""
    return cells.count(cells.assign(late(run), run.table.correct, threshold(run, which)))


def right(run: Run) -> np.ndarray:
    """(B,) bool: solved after segment 16."""
    return run.table.correct.to_numpy()


def both(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """λ1 of the solved and of the failed puzzles, float64; a run with one outcome only has no answer."""
    values, good = run.table.lambda_1.to_numpy("float64"), right(run)
    if good.all() or not good.any():
        raise NoAnswer("it has one outcome only")
    return values[good], values[~good]


def share(hits: np.ndarray) -> float:
    """Share of a group; an empty group has no answer."""
    if not len(hits):
        raise NoAnswer("no puzzle belongs to the group asked about")
    return float(np.mean(hits))


def known(value: float, reason: str) -> float:
    """`value`, refused as an answer where it is NaN."""
    if np.isnan(value):
        raise NoAnswer(reason)
    return float(value)


def middle_failure(run: Run) -> int:
    """The row of the puzzle that exercise 2-c shows: the failure in the middle by late drift."""
    failures = np.flatnonzero(~right(run))
    if not len(failures):
        raise NoAnswer("no puzzle failed")
    return cells.middle(late(run), failures)


def bins(run: Run) -> tuple:
    """(table, mean) of the AUC matched on late drift, with few resamples: only the estimate is asked for."""
    return controls.matched_auc(run.table, late(run), threshold(run, "strict"), resamples=10)


def restricted(run: Run) -> np.ndarray:
    """(B,) bool: still wrong after segment 4."""
    return ~run.table[f"correct_{HORIZON:02d}"].to_numpy()


def early(run: Run, signal: str, rows: np.ndarray) -> float:
    """AUC for the outcome of a signal at segment 4 among `rows`."""
    found = stats.auc(
        tables.signals_at(run.table, HORIZON, run.updates_per_segment)[signal][rows],
        right(run)[rows],
    )
    return known(found.value, found.reason)


def log(run: Run) -> pd.DataFrame:
    """The rows of the training log that hold an evaluation; a run without one has no answer."""
    found = tables.evaluations(run.name)
    if run.meta.get("step") is None or found.empty:
        raise NoAnswer(
            "it ships no training log"
            if run.meta.get("step") is None or tables.read_log(run.name).empty
            else "its training log holds no evaluation"
        )
    return found


def fullest(run: Run, by: str) -> int:
    """Puzzles in the fullest of the four bins of a difficulty column."""
    return int(controls.binned_auc(run.table, by)[0].n.max())


def fuller(run: Run) -> str:
    """The difficulty column whose fullest bin holds more puzzles."""
    sizes = {by: fullest(run, by) for by in ("givens", "naked_backtracks")}
    if len(set(sizes.values())) == 1:
        raise NoAnswer("the fullest bins of both columns hold equally many puzzles")
    return max(sizes, key=sizes.get)


def first_at(run: Run, column: str) -> int:
    """First evaluated step at which a column of the log reaches half of its best value."""
    found = log(run)
    return int(found.step[found[column] >= found[column].max() / 2].iloc[0])


def gain(run: Run) -> tuple[float, float]:
    """(best validation accuracy, that at the evaluation nearest the measured step)."""
    found = log(run)
    return float(found.eval_exact.max()), float(tables.nearest(found, run.meta["step"]).eval_exact)


def progress() -> dict[str, float]:
    """{run: measured step / steps of its training} of every run that says both."""
    metas = {name: tables.read_meta(name) for name in tables.original_names()}
    return {
        name: m["step"] / m["training_steps"]
        for name, m in metas.items()
        if m.get("step") and m.get("training_steps")
    }


def earliest(run: Run) -> str:
    """The run, of all there are, whose measured checkpoint lies earliest in its training."""
    done = progress()
    if len(done) < 2:
        raise NoAnswer("fewer than two runs say how long they were trained")
    return min(done, key=done.get)


def still_answers(run: Run) -> np.ndarray:
    """(B,) bool: one and the same decoded board in segments 13 to 16."""
    boards = (
        tables.read_trajectories(run.name)
        .set_index("idx")
        .loc[run.table.idx, columns("answer")[SEGMENTS - cells.LATE :]]
        .to_numpy()
    )
    return (boards == boards[:, :1]).all(1)


def spent(run: Run) -> np.ndarray:
    """(B,) segments spent when halting is obeyed; 16 where the model never halts."""
    halted = run.table.halted_at.to_numpy()
    return np.where(halted > 0, halted, SEGMENTS)


def best_signal(run: Run) -> str:
    """The signal with the highest AUC at segment 4 in the restricted set."""
    return max(("lambda1", "drift_h", "q_halt"), key=lambda name: early(run, name, restricted(run)))


def median_rule(run: Run) -> float:
    """Share of puzzles that "solved when λ1 is below its median" gets right."""
    values = np.concatenate(both(run))
    return share((run.table.lambda_1.to_numpy("float64") < np.median(values)) == right(run))


def group_share(run: Run, hits: np.ndarray, group: np.ndarray) -> float:
    """Share of `group` (B,) that is in `hits` (B,)."""
    return share(np.asarray(hits)[np.asarray(group)])


def blind(run: Run) -> int:
    """Selector-blind failures at the strict threshold."""
    return int(
        (cells.assign(late(run), right(run), threshold(run, "strict")) == "B")[
            run.table.halted_at.to_numpy() > 0
        ].sum()
    )


# --- answers, and the mistakes that lead elsewhere ---------------------------------------------------------------

ANSWERS: dict[str, Callable[[Run], Value]] = {
    "2-a": lambda run: run.updates_per_segment * SEGMENTS,
    "2-b": lambda run: np.median(both(run)[1]) * run.updates_per_segment,
    "2-c": lambda run: str(
        cells.assign(late(run), right(run), threshold(run, "otsu"))[middle_failure(run)]
    ),
    "3.1-a": lambda run: counts(run, "strict")["B"] / len(both(run)[1]),
    "3.1-b": lambda run: known(
        cells.threshold_free(late(run), right(run))["successes_below"], "it has one outcome only"
    ),
    "3.1-c": median_rule,
    "3.2-a": lambda run: int(bins(run)[0].used.sum()),
    "3.2-b": lambda run: known(bins(run)[1].value, bins(run)[1].reason),
    "3.2-c": fuller,
    "3.3-a": lambda run: int(restricted(run).sum()),
    "3.3-b": lambda run: early(run, "drift_h", restricted(run)),
    "3.3-c": best_signal,
    "3.4-a": lambda run: first_at(run, "eval_exact"),
    "3.4-b": lambda run: 100 * (gain(run)[0] - gain(run)[1]),
    "3.4-c": earliest,
    "4-a": lambda run: sum(v.mean() for v in both(run)) / 2,
    "4-b": lambda run: group_share(
        run, still_answers(run), ~right(run) & (late(run) >= threshold(run, "otsu"))
    ),
    "4-c": lambda run: share(both(run)[0] > 0),
    "5-a": blind,
    "5-b": lambda run: group_share(run, run.table.halted_at > 0, ~right(run)),
    "5-c": lambda run: spent(run).mean(),
}

OTHER_DIRECTION = "That is the AUC in the other direction: 1 minus what was asked. More drift is the positive direction here."
MISTAKES: dict[str, dict[str, Callable[[Run], Value]]] = {
    "2-a": {
        "That is one segment. The window has more.": lambda run: run.updates_per_segment,
        "These are the segments. A segment holds several updates.": lambda run: SEGMENTS,
    },
    "2-b": {
        "That is per update. A segment holds several.": lambda run: np.median(both(run)[1]),
        "That is over the whole window; per segment was asked.": lambda run: (
            np.median(both(run)[1]) * run.updates_per_segment * SEGMENTS
        ),
        "These are the solved puzzles; the failures were asked for.": lambda run: (
            np.median(both(run)[0]) * run.updates_per_segment
        ),
    },
    "2-c": {
        "This puzzle is wrong; that cell holds puzzles that are right.": lambda run: {
            "B": "A",
            "D": "C",
        }[ANSWERS["2-c"](run)],
        "Right or wrong is as you say. Compare its late drift with the threshold again: settled means below.": lambda run: (
            {"B": "D", "D": "B"}[ANSWERS["2-c"](run)]
        ),
    },
    "3.1-a": {
        "That is of all puzzles. The question is about the failures.": lambda run: (
            counts(run, "strict")["B"] / len(run.table)
        ),
        "That is the Otsu threshold; the strict one was asked for.": lambda run: (
            counts(run, "otsu")["B"] / len(both(run)[1])
        ),
        "That is which share of the settled puzzles fails. Turn the fraction round: of the failures, which share settles?": lambda run: (
            counts(run, "strict")["B"]
            / max(1, counts(run, "strict")["A"] + counts(run, "strict")["B"])
        ),
        "That is the share of the failures that does not settle.": lambda run: (
            counts(run, "strict")["D"] / len(both(run)[1])
        ),
    },
    "3.1-b": {
        "That is the share that does not lie below every failure.": lambda run: (
            1 - ANSWERS["3.1-b"](run)
        ),
        "That is of all puzzles; of the solved ones was asked.": lambda run: (
            ANSWERS["3.1-b"](run) * right(run).mean()
        ),
        "That is the share of the successes below the Otsu threshold. No threshold is needed here.": lambda run: (
            group_share(run, late(run) < threshold(run, "otsu"), right(run))
        ),
    },
    "3.1-c": {
        "That is the AUC: how often a solved puzzle has the lower λ1 of a pair. The question is how many puzzles one cut gets right.": lambda run: (
            stats.auc(-run.table.lambda_1, right(run)).value
        ),
        "That is the share that the rule gets wrong.": lambda run: 1 - median_rule(run),
        "That is the accuracy of the model, not of the rule.": lambda run: right(run).mean(),
    },
    "3.2-a": {
        "These are all bins. Some hold too few of one outcome.": lambda run: len(bins(run)[0]),
        "These are the bins that do not count.": lambda run: int((~bins(run)[0].used).sum()),
    },
    "3.2-b": {
        "That is the AUC over all puzzles, matched on nothing.": lambda run: (
            stats.auc(-run.table.lambda_1, right(run)).value
        ),
        "That is the AUC among unsettled puzzles without matching.": lambda run: (
            stats.auc(
                -run.table.lambda_1[late(run) >= threshold(run, "strict")],
                right(run)[late(run) >= threshold(run, "strict")],
            ).value
        ),
        "That mean includes bins with fewer than five of an outcome.": lambda run: bins(run)[
            0
        ].auc.mean(),
    },
    "3.3-a": {
        "These are the puzzles wrong at segment 16.": lambda run: int((~right(run)).sum()),
        "These are the puzzles already right at segment 4.": lambda run: int(
            (~restricted(run)).sum()
        ),
        "These are the ones that are wrong at 4 and solved later.": lambda run: int(
            (restricted(run) & right(run)).sum()
        ),
    },
    "3.3-b": {
        OTHER_DIRECTION: lambda run: 1 - ANSWERS["3.3-b"](run),
        "That is over all puzzles, also those already solved at segment 4.": lambda run: early(
            run, "drift_h", np.ones(len(run.table), dtype=bool)
        ),
        "That is the drift of z_L; z_H was meant.": lambda run: early(
            run, "drift_l", restricted(run)
        ),
        "That is late drift. It reads segments 13 to 16, so it knows the outcome.": lambda run: (
            stats.auc(late(run)[restricted(run)], right(run)[restricted(run)]).value
        ),
    },
    "3.4-a": {
        "There the share of single cells reaches half of its best value; whole puzzles were asked for.": lambda run: (
            first_at(run, "eval_token_acc")
        ),
        "That is the step of the best evaluation.": lambda run: int(
            log(run).step[log(run).eval_exact.idxmax()]
        ),
        "That is the measured step.": lambda run: run.meta["step"],
    },
    "3.4-b": {
        "That is a share; percentage points are a hundred times that.": lambda run: (
            gain(run)[0] - gain(run)[1]
        ),
        "The sign: the best evaluation minus the other one.": lambda run: -ANSWERS["3.4-b"](run),
        "That is the ratio of the two. Points are the difference.": lambda run: (
            100 * (gain(run)[0] / gain(run)[1] - 1) if gain(run)[1] else None
        ),
    },
    "3.4-c": {
        "That run is the one furthest on in its training.": lambda run: max(
            progress(), key=progress().get
        ),
    },
    "4-a": {
        "That is the mean over all puzzles as they are, at the present accuracy.": lambda run: (
            run.table.lambda_1.astype("float64").mean()
        ),
        "That is the mean of one outcome only (solved).": lambda run: both(run)[0].mean(),
        "That is the mean of one outcome only (failed).": lambda run: both(run)[1].mean(),
    },
    "4-b": {
        "That is of all failures, settled ones included.": lambda run: group_share(
            run, still_answers(run), ~right(run)
        ),
        "That is of all unsettled puzzles, solved ones included.": lambda run: group_share(
            run, still_answers(run), late(run) >= threshold(run, "otsu")
        ),
        "That is the share whose answer still changes.": lambda run: 1 - ANSWERS["4-b"](run),
    },
    "4-c": {
        "That is of the failures.": lambda run: share(both(run)[1] > 0),
        "That is of all puzzles.": lambda run: share(np.concatenate(both(run)) > 0),
        "That is the share with a negative λ1.": lambda run: share(both(run)[0] < 0),
    },
    "5-a": {
        "That is all of cell B. Selector-blind are only those that would also halt.": lambda run: (
            counts(run, "strict")["B"]
        ),
        "That is at the Otsu threshold; the strict one was asked for.": lambda run: int(
            (cells.assign(late(run), right(run), threshold(run, "otsu")) == "B")[
                run.table.halted_at.to_numpy() > 0
            ].sum()
        ),
        "These are all failures on which the head would stop, settled or not.": lambda run: int(
            (run.table.halted_at[~right(run)] > 0).sum()
        ),
    },
    "5-b": {
        "That is of all puzzles.": lambda run: share(run.table.halted_at.to_numpy() > 0),
        "That is which share of the puzzles it stops on are failures. Turn the fraction round.": lambda run: (
            group_share(run, ~right(run), run.table.halted_at > 0)
        ),
        "That is of the solved puzzles.": lambda run: group_share(
            run, run.table.halted_at > 0, right(run)
        ),
    },
    "5-c": {
        "That counts puzzles that never halt as 0 segments. They run to the end.": lambda run: (
            run.table.halted_at.mean()
        ),
        "That is over the puzzles that halt only.": lambda run: run.table.halted_at[
            run.table.halted_at > 0
        ].mean(),
    },
}

WHY = {
    "2-a": "Growth over the window divided by this number is the exponent per update.",
    "2-b": "Growth per segment is what may be compared between models and with the paper.",
    "2-c": "Wrong and right is given; below or above the threshold decides the rest.",
    "3.1-a": "Read it with its exact interval: few failures, wide interval.",
    "3.1-b": "This statement has no threshold that one could choose to one's liking.",
    "3.1-c": "Compare it with the AUC: an AUC ranks pairs, a rule with a cut sorts puzzles, and the best cut depends on how many fail.",
    "3.2-a": "A mean over bins is only as good as the bins that carry it.",
    "3.2-b": "It stays above one half where λ1 says more than late drift does, inside these bins.",
    "3.2-c": "A control whose puzzles nearly all share one bin controls for little.",
    "3.3-a": "The later the horizon, the smaller this set.",
    "3.3-b": "Below one half would mean that what moves more early is solved less often.",
    "3.3-c": "One horizon of one checkpoint; look at the chart of all horizons before you trust the order.",
    "3.4-a": "Whole puzzles come late in a training: single cells are right long before.",
    "3.4-b": "Where it is above 0 the training went on to do better: the failures that were measured are those of a model that was still learning.",
    "3.4-c": "The less of its training a model has behind it, the less its failures say about a finished model.",
    "4-a": "The model's mean exponent moves with its accuracy although neither kind of puzzle has changed.",
    "4-b": "An answer that stands still does not mean a state that does.",
    "4-c": "The sign of λ1 in 16 segments neither means chaos nor failure.",
    "5-a": "These are the failures that settling and halting both let through.",
    "5-b": "Where this is large, halting alone is a poor selector.",
    "5-c": "What is saved must be set against what is lost: some puzzles are solved only after the head would have stopped.",
}


def facts(id: str, run: Run) -> dict[str, str]:
    """What the sentence of an exercise fills in besides the run's name."""
    if id != "2-c":
        return {}
    row = middle_failure(run)
    return {
        "idx": str(run.table.idx.iloc[row]),
        "outcome": "wrong",
        "late": f"{late(run)[row]:.3f}",
    }


def mistakes(id: str, run: Run) -> dict[str, Value | None]:
    """{sentence: the answer that this mistake leads to}; None where the mistake is not possible on this run."""
    found = {}
    for message, compute in MISTAKES.get(id, {}).items():
        try:
            found[message] = compute(run)
        except NoAnswer:
            found[message] = None
    return found
