"""What chapters show of the studies: tables ready to print, each row naming its run and its source. Like :mod:`rrm_companion.report`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from rrm_companion import report
from rrm_companion.report import HERE, PAPER

from rrm_core.analysis import cells, controls, early, evolution, selection, stats
from rrm_core.analysis import fates as findings
from rrm_core.runs import tables
from rrm_core.runs.tables import SEGMENTS, Run

Made = list[tuple[Run, pd.DataFrame]]


def with_study(runs: list[Run], name: str) -> Made:
    """(run, table) of those runs for which study `name` was made."""
    found = [(run, findings.study(run, name)) for run in runs]
    return [(run, table) for run, table in found if table is not None]


def lacking(runs: list[Run], name: str) -> object:
    """A sentence on each run without study `name`: the command that makes it, or the checkpoint of the same training that has it; nothing where all have it."""
    shown, said = {run.name for run in runs}, []
    for run in runs:
        if findings.study(run, name) is None:
            other = findings.made_elsewhere(name, run)
            where = "here" if other in shown else f"in the chapter with `run={other}`"
            said.append(
                f"{run.name} is a checkpoint of the training of {other}, whose others stand {where}."
                if other
                else f"Not made for {run.name}; to make it: {findings.making(name, run, '`')}."
            )
    return report.say(" ".join(said))


def horizon(h: int) -> int:
    """`h`, the number of segments seen, refused unless something is left to be seen."""
    if isinstance(h, bool) or h not in range(1, SEGMENTS):
        raise tables.TableError(
            f"h={h!r}: expected a whole number of segments from 1 to {SEGMENTS - 1}"
        )
    return h


def matched_note(run: Run, strict_percentile: float = 0) -> str:
    """How many bins of late drift carry the matched AUC of a run, and how wide they are; Markdown."""
    table, _ = controls.decile_auc(
        run.table,
        cells.late_drift(run.table),
        cells.band_of(run, strict_percentile).strict,
        resamples=1000,
    )
    used = table[table.used] if len(table) else table
    if used.empty:
        return f"**{run.name}**: no bin has five of each outcome."
    width = used.drift_high - used.drift_low
    return f"**{run.name}**: {len(used)} of {len(table)} bins count, {width.min():.2f} to {width.max():.2f} decades of drift wide."


def joined(rows: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several runs under each other; an empty table where there is none."""
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["run", "source"])


def labelled(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """`table` with the columns run and source in front."""
    return pd.concat(
        [pd.DataFrame({"run": run.name, "source": HERE}, index=table.index), table], axis=1
    )


def evolution_table(made: Made) -> pd.DataFrame:
    """F5 in numbers: each checkpoint's accuracy, cells, band, and median growth of A and D per segment."""
    rows = []
    for run, table in made:
        t = evolution.evolution(table, run.updates_per_segment)
        t["step"] = [f"{s:,}{' (measured)' if s == run.meta['step'] else ''}" for s in t.step]
        rows.append(
            labelled(
                run,
                t.assign(band=t.band.map({True: "yes", False: "no"}))[
                    ["step", "n", "accuracy", *cells.CELLS, "band", "growth A", "growth D", "AUC"]
                ],
            )
        )
    return joined(rows).rename(columns={"AUC": "AUC of -λ1"})


def changes_table(runs: list[Run]) -> pd.DataFrame:
    """How the growth of cells D and A, and the gap between them, changed along each training: over checkpoints with a band, and over all."""
    rows = []
    for run in runs:
        for banded in (True, False):
            found = {
                f"change of {of}": evolution.training_change(run, of, banded)
                for of in evolution.CHANGES
            }
            reason, *_ = (
                e.reason for e in found.values()
            )  # one for all: which checkpoints there are
            shown = (
                dict.fromkeys(found, "–") | {"why not": reason}
                if reason
                else {name: str(e) for name, e in found.items()} | {"why not": "–"}
            )
            rows.append(
                {
                    "run": run.name,
                    "source": HERE,
                    "checkpoints": "with a band" if banded else "with or without",
                }
                | shown
            )
    return pd.DataFrame(rows)


def gap_sentence(runs: list[Run]) -> str:
    """In how many trainings the failures do more for the gap than the successes, over checkpoints with a band and over all; Markdown, empty where none can tell."""
    told = []
    for banded, which in (
        (True, "checkpoints with a band"),
        (False, "all checkpoints with enough puzzles"),
    ):
        found = [
            e for run in runs if not np.isnan((e := evolution.through_failures(run, banded)).value)
        ]
        if found:
            told.append(
                f"over {which} the gap clearly widens in {len(found)} trainings: D rises by clearly more than A falls in {sum(e.low > 0 for e in found)} of them, by clearly less in {sum(e.high < 0 for e in found)}"
            )
    return f"The paper ascribes the gap to the failures. Here, {'; '.join(told)}." if told else ""


def arms_table(made: Made) -> pd.DataFrame:
    """multi4 beside plain training: the paper's three checkpoints, then both arms of each run, growth per segment."""
    printed = tables.published("evolution")
    p, n = (
        printed.pivot(index="model", columns="quantity", values="value"),
        printed.groupby("model").n.first(),
    )
    steps = tables.printed("TRM", "qr_steps_per_segment")
    rows = [
        pd.DataFrame(
            [
                {
                    "run": model,
                    "source": PAPER,
                    "n": n[model],
                    "accuracy": r.accuracy,
                    **{c: r[f"otsu_{c}"] for c in cells.CELLS},
                    "growth A": steps * r.median_lambda_1_A,
                    "growth D": steps * r.median_lambda_1_D,
                }
                for model, r in p.iterrows()
            ]
        )
    ]
    for run, table in made:
        t = evolution.evolution(table, run.updates_per_segment, by=("arm", "step"))
        t["arm"] = [
            f"{a}, +{s} steps" if s else "shared checkpoint"
            for a, s in zip(t.arm, t.step, strict=True)
        ]
        rows.append(
            labelled(run, t[["arm", "n", "accuracy", *cells.CELLS, "growth A", "growth D"]])
        )
    return pd.concat(rows, ignore_index=True)[
        [
            "run",
            "source",
            *(["arm"] if len(made) else []),
            "n",
            "accuracy",
            *cells.CELLS,
            "growth A",
            "growth D",
        ]
    ].fillna({"arm": "–"})


def arms_sentence(run: Run) -> str:
    """What both arms differ by after their last step."""
    change, growth = evolution.multi4_d_mass(run), evolution.multi4_growth_a(run)
    return f"**{run.name}**, last step: share of cell D under multi4 minus plain {change:+.3f}; median growth of A under multi4{', nats per segment:' if np.isfinite(growth.value) else ''} {growth:+.3f}."


def classes_table(runs: list[Run]) -> pd.DataFrame:
    """Ren & Liu's classes in our reading, with their share of the outcome; runs without a band say so."""
    rows = []
    for run in runs:
        band = cells.band_of(run)
        t = findings.classes(run)
        rows.append(
            labelled(
                run,
                t.assign(
                    share=[f"{s:.1%}" for s in t.share],
                    note="" if band.exists else f"no band: {band.reason}",
                ).rename(columns={"share": "share of the outcome"}),
            )
        )
    return joined(rows)


def weak_bands(runs: list[Run]) -> str:
    """Which runs have their band by one of the two tests alone; Markdown, empty where none has."""
    by = {run.name: cells.band_of(run).by for run in runs}
    parts = [
        f"by {'the ' if test == 'dip test' else ''}{test} alone: {', '.join(f'`{name}`' for name, found in by.items() if found == test)}"
        for test in ("separability", "dip test")
        if test in by.values()
    ]
    return (
        f"Runs that have their band {'; '.join(parts)}. What is said of cells there rests on less."
        if parts
        else ""
    )


def floor_table(made: Made) -> pd.DataFrame:
    """How far the calm end of late drift is float32 round-off: median log10 late drift by outcome in float32 and in float64."""
    rows = []
    for run, table in made:
        late = {
            v: pd.Series(cells.late_drift(part), index=part.correct.to_numpy())
            for v, part in table.groupby("variant")
            if v in ("float32", "float64")
        }
        if len(late) == 2:
            rows.append(
                {"run": run.name, "source": HERE}
                | {
                    f"{name}, {v}": late[v][late[v].index == good].median()
                    for name, good in (("solved", True), ("failed", False))
                    for v in late
                }
            )
    return pd.DataFrame(rows) if rows else joined([])


def probes_table(made: Made) -> pd.DataFrame:
    """Ren & Liu's two probes: one blank, and one row masked."""
    rows = [labelled(run, findings.probes(table, cells.band_of(run).strict)) for run, table in made]
    out = joined(rows)
    for column in ("right at 16", "ever right", "stays right, once right"):
        if column in out:
            out[column] = [f"{e:.1%}" for e in out[column]]
    return out


def restarts_table(made: Made, counts: tuple[int, ...] = (1, 4, 16)) -> pd.DataFrame:
    """Accuracy of each rule at some numbers of restarts, one row a rule."""
    rows = []
    for run, table in made:
        curve = selection.restart_curve(run, table)
        for pick, part in curve.groupby("pick", sort=False):
            part = part.set_index("restarts")
            found = {
                f"R = {r}": f"{part.accuracy[r]:.1%} [{part.low[r]:.1%}, {part.high[r]:.1%}]"
                for r in counts
                if r in part.index
            }
            rows.append(
                {
                    "run": run.name,
                    "source": HERE,
                    "pick by": pick,
                    "puzzles": int(part.n.iloc[0]),
                    **found,
                }
            )
    return pd.DataFrame(rows) if rows else joined([])


def pruning_table(made: Made, h: int, share: float = 0.5) -> pd.DataFrame:
    """Give up the worse part of the unsolved at h: compute saved, and the share of solved puzzles lost, by signal."""
    if h not in range(1, SEGMENTS):
        raise ValueError(
            f"h={h}: expected 1..{SEGMENTS - 1}, a segment after which puzzles are given up"
        )
    rows = []
    for run, table in made:
        part = table[(table.h == h) & (table.share == share)]
        for r in part.itertuples():
            hopeful = (
                ~run.table[f"correct_{h:02d}"] & run.table.correct
            ).sum()  # one random order is one draw: what it loses on average is known
            lost = (
                stats.proportion(r.lost, r.solved)
                if r.signal != "random"
                else f"{hopeful * r.given_up / r.n_wrong_at_h / r.solved:.1%} on average"
            )
            rows.append(
                {
                    "run": run.name,
                    "source": HERE,
                    "give up by": r.signal,
                    "unsolved": r.n_wrong_at_h,
                    "given up": r.given_up,
                    "segments saved": f"{r.saved:.1%}",
                    "solved puzzles lost": lost if isinstance(lost, str) else f"{lost:.1%}",
                }
            )
    return pd.DataFrame(rows) if rows else joined([])


def blind_table(made: Made, strict_percentile: float = 0) -> pd.DataFrame:
    """Of all puzzles of a run, the share whose calmest restart is wrong, settled (strict) and would halt, with one restart and with all."""
    rows = []
    for run, table in made:
        curve = selection.blind_curve(run, table, cells.band_of(run, strict_percentile).strict)
        row = {"run": run.name, "source": HERE, "puzzles": int(table.idx.nunique())}
        rows.append(
            row
            | {
                f"R = {r.restarts:.0f}": f"{r.share:.1%} {report.interval(r.low, r.high, '.1%')}"
                for r in (curve.iloc[0], curve.iloc[-1])
            }
        )
    return pd.DataFrame(rows) if rows else joined([])


def clusters_table(runs: list[Run], resamples: int = 1000) -> pd.DataFrame:
    """What becomes of an interval where puzzles share solution grids: bootstrap over puzzles beside bootstrap over grids, on the runs with fewer than nine grids for ten puzzles."""
    quantities = {
        "solved": lambda t: t.correct.mean(),
        "AUC of -λ1": lambda t: stats.auc(-t.lambda_1, t.correct).value,
        "AUC of -λ1 after 4 segments, unsolved then": lambda t: (
            stats.auc(-t.early[~t.correct_04], t.correct[~t.correct_04]).value
        ),
        "median growth of failures, nats a segment": lambda t: (
            t.lambda_1[~t.correct].median() * updates
        ),
    }
    rows = []
    for run in runs:
        updates, rng = run.updates_per_segment, np.random.default_rng(0)
        groups = list(run.table.groupby("solution").indices.values())
        if len(groups) > 0.9 * len(run.table):
            continue
        table = run.table[["correct", "correct_04", "lambda_1"]].assign(
            early=tables.lambda_at(run.table, 4, updates)
        )
        draws = {
            "puzzles": [rng.integers(len(table), size=len(table)) for _ in range(resamples)],
            "grids": [
                np.concatenate([groups[g] for g in rng.integers(len(groups), size=len(groups))])
                for _ in range(resamples)
            ],
        }
        for name, quantity in quantities.items():
            found = {
                unit: np.percentile([quantity(table.iloc[chosen]) for chosen in drawn], [2.5, 97.5])
                for unit, drawn in draws.items()
            }
            rows.append(
                {
                    "run": run.name,
                    "source": HERE,
                    "puzzles": len(table),
                    "grids": len(groups),
                    "what": name,
                    "value": quantity(table),
                    "resampling puzzles": report.interval(*found["puzzles"]),
                    "resampling grids": report.interval(*found["grids"]),
                }
            )
    return pd.DataFrame(rows)


def numerics_table(made: Made) -> pd.DataFrame:
    """Precision, tangent seed and QR interval against float32."""
    out = joined([labelled(run, findings.numerics(table)) for run, table in made])
    if "outcomes that swap" in out:
        out["outcomes that swap"] = [f"{e:.1%}" for e in out["outcomes that swap"]]
        for column in ("median change of λ1", "largest"):
            out[column] = [f"{v:.1e}" if np.isfinite(v) else "–" for v in out[column]]
    return out


def horizon_marks(run: Run) -> pd.DataFrame:
    """The paper's early-window figures for a run's architecture as marks of a chart: h, signal, auc, source."""
    p = tables.published("early_window")
    mine = p[
        (p.model == run.meta["model"].upper())
        & p.quantity.str.fullmatch(r"auc_(drift_h|q_halt|lambda1)_\d+")
    ]
    parts = mine.quantity.str.extract(r"auc_(?P<signal>.+)_(?P<h>\d+)")
    return pd.DataFrame(
        {
            "h": parts.h.astype(int),
            "signal": parts.signal,
            "auc": mine.value,
            "source": f"paper, {run.meta['model'].upper()} on 9x9",
        }
    )


def horizons_table(run: Run, last: int = SEGMENTS - 1, restricted: bool = True) -> pd.DataFrame:
    """The AUC of every signal after 1..`last` segments: h, signal, auc, low, high, ...; among puzzles still wrong there, or all.

    Where fewer than :data:`rrm_core.analysis.stats.SMALLEST` of an outcome are left the AUC is NaN: an interval that takes it for normal is too narrow there.
    """
    which = "subset != 'all'" if restricted else "subset == 'all'"
    parts = [
        early.early_window(run.table, run.updates_per_segment, h).query(which)
        for h in range(1, last + 1)
    ]
    table = pd.concat(parts, ignore_index=True)
    table.loc[
        table[["n_correct", "n_wrong"]].min(axis=1) < stats.SMALLEST, ["auc", "low", "high"]
    ] = np.nan
    return table


def horizons_numbers(run: Run) -> pd.DataFrame:
    """The horizon sweep in numbers: one row a horizon and set of puzzles, AUC with interval of each signal."""
    rows = []
    for restricted in (True, False):
        table = horizons_table(run, restricted=restricted)
        for h, part in table.groupby("h"):
            first = part.iloc[0]
            cells_ = {
                r.signal: f"{r.auc:.3f} {report.interval(r.low, r.high)}"
                if np.isfinite(r.auc)
                else "–"
                for r in part.itertuples()
            }
            rows.append(
                {
                    "h": h,
                    "puzzles": "still wrong" if restricted else "all",
                    "n": f"{first.n_correct}, {first.n_wrong}",
                }
                | cells_
            )
    return pd.DataFrame(rows)


def reversal_sentence(runs: list[Run]) -> str:
    """In which runs, and at which horizon, the exponent among puzzles still wrong tells the outcome with the sign reversed; Markdown."""
    told = []
    for run in runs:
        judged = horizons_table(run).query("signal == 'lambda1'").dropna(subset=["auc"])
        t = judged[judged.high < 0.5]
        if len(t):
            most = t.loc[t.auc.idxmin()]
            told.append(
                f"`{run.name}` (at {len(t)} of {len(judged)} horizons, lowest {most.auc:.2f} {report.interval(most.low, most.high, '.2f')} at segment {most.h:.0f})"
            )
    if not told:
        return "In none of these runs does the exponent of a puzzle still wrong tell the outcome with the sign reversed, at any horizon."
    return f"Among puzzles still wrong the exponent does come to tell the outcome, with the sign reversed: more growth, likelier solved. Where its AUC has an interval below one half: {', '.join(told)}. Chosen as the lowest, each is somewhat too low, and one horizon among many may be chance."


def drift_sign_table(
    runs: list[Run], horizons: tuple[int, ...] = (1, 2, 4, 6, 8, 10, 12, 15)
) -> pd.DataFrame:
    """Which way drift points at each horizon among puzzles still wrong there: + more drift, later solved; - the other way; a dash where too few are left."""
    rows = []
    for run in runs:
        found, drift = {}, horizons_table(run).query("signal == 'drift_h'").set_index("h")
        for h in horizons:
            t = drift.loc[h]
            found[f"h = {h}"] = (
                "–"
                if np.isnan(t.auc)
                else f"{'+' if t.low > 0.5 else '−' if t.high < 0.5 else '0'} ({t.auc:.2f})"
            )
        rows.append({"run": run.name, "source": HERE} | found)
    return pd.DataFrame(rows)


def difficulty_table(runs: list[Run]) -> pd.DataFrame:
    """How well givens and both solver counts go with the outcome, and the AUC of -λ1 within bins of each."""
    from scipy.stats import spearmanr

    rows = []
    for run in runs:
        for by in ("givens", "backtracks", "naked_backtracks"):
            values = run.table[by]
            rho = spearmanr(values, run.table.correct).statistic if values.nunique() > 1 else np.nan
            rows.append(
                {
                    "run": run.name,
                    "source": HERE,
                    "difficulty": by,
                    "median": values.median(),
                    "rank correlation with solved": rho,
                    "AUC of -λ1 within bins": str(controls.binned_auc(run.table, by)[1]),
                }
            )
    return pd.DataFrame(rows)


def lingering_table(runs: list[Run]) -> pd.DataFrame:
    """Failures that entered the strict band and left it, a row a run."""
    rows = []
    for run in runs:
        band, t = cells.band_of(run), findings.classes(run).set_index("class")
        name = "entered the band and left it (lingering)"
        rows.append(
            {
                "run": run.name,
                "source": HERE,
                "failures": int((~run.table.correct).sum()),
                "lingered": t.n[name],
                "share": f"{t.share[name]:.1%}",
                "note": "" if band.exists else f"no band: {band.reason}",
            }
        )
    return pd.DataFrame(rows)
