"""Study tables and charts as the chapters show them: on the shipped runs, and on a run that has none."""

from dataclasses import replace

import altair as alt
import numpy as np
import pandas as pd
import pytest
from rrm_companion import (
    fate_report,
    front,
    ledger,
    motion_report,
    report,
    study_charts,
    study_report,
)
from rrm_companion.report import HERE, PAPER

from rrm_core.analysis import cells, claims, evolution, motion, selection, stats
from rrm_core.analysis import fates as findings
from rrm_core.runs import tables

TABLES = {
    "evolution": study_report.evolution_table,
    "multi4": study_report.arms_table,
    "long": fate_report.fates_table,
    "probes": study_report.probes_table,
    "restarts": study_report.restarts_table,
    "numerics": study_report.numerics_table,
    "pruning": lambda made: study_report.pruning_table(made, 4),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_row_names_its_run_and_source(runs, name):
    made = study_report.with_study(list(runs.values()), name)
    assert made, f"no shipped run has the study {name}"
    shown = TABLES[name](made)
    assert set(shown.source) <= {PAPER, HERE} and {r.name for r, _ in made} <= set(shown.run)
    assert set(shown.run[shown.source == HERE]) == {r.name for r, _ in made}


@pytest.mark.parametrize("name", TABLES)
def test_without_a_study_the_command_is_named(runs, name, monkeypatch):
    monkeypatch.setattr(findings, "study", lambda run, name: None)
    assert f"rrm study {name} --run" in study_report.lacking(list(runs.values()), name).data
    assert study_report.with_study(list(runs.values()), name) == []
    if name != "multi4":  # its table still holds the paper's rows
        assert len(TABLES[name]([])) == 0


def test_charts_of_the_studies_are_valid_and_described(runs):
    charts = []
    for run in runs.values():
        found = {name: findings.study(run, name) for name in TABLES}
        otsu = cells.band(cells.late_drift(run.table)).otsu
        if found["evolution"] is not None:
            changes = evolution.evolution(found["evolution"], run.updates_per_segment)
            charts += [
                study_charts.evolution(changes, run.meta["step"], run.label),
                study_charts.network(changes, run.label),
            ]
        if found["multi4"] is not None:
            charts.append(
                study_charts.arms(
                    evolution.evolution(
                        found["multi4"], run.updates_per_segment, by=("arm", "step")
                    ),
                    run.label,
                )
            )
        if found["long"] is not None:
            charts.append(study_charts.fates(findings.fates(found["long"], otsu), run.label))
        if found["restarts"] is not None:
            charts += [
                study_charts.restarts(
                    selection.restart_curve(run, found["restarts"]),
                    run.table.correct.mean(),
                    run.label,
                ),
                study_charts.blind(
                    selection.blind_curve(run, found["restarts"], cells.band_of(run).strict),
                    run.label,
                ),
            ]
        if found["pruning"] is not None:
            charts.append(study_charts.pruning(found["pruning"].query("h == 4"), run.label))
        if found["numerics"] is not None:
            charts.append(study_charts.parting(findings.parting(found["numerics"]), run.label))
    assert len(charts) >= 8
    for chart in charts:
        assert (
            len(chart.to_dict()["description"]) > 60
            and "measured here" in chart.to_dict()["description"]
        )
    alt.concat(*charts, columns=2).to_dict()


def test_marks_are_the_papers(runs):
    for run in runs.values():
        marks = study_report.horizon_marks(run).set_index("signal").auc
        assert marks["q_halt"] == {"hrm": 0.734, "trm": 0.521}[run.meta["model"]]
        assert ("drift_h" in marks) == (run.meta["model"] == "hrm")


def test_the_sign_of_drift_is_that_of_its_interval(runs):
    run = runs["hrm-6x6"]
    row = study_report.drift_sign_table([run], (4, 15)).iloc[0]
    wrong = ~run.table.correct_04
    later, never = (
        run.table.drift_h_04[wrong & (run.table.correct == good)] for good in (True, False)
    )
    assert (later.median() > never.median()) == row["h = 4"].startswith("+")
    few = runs["trm-9x9-small"]  # three of its puzzles are solved at 16 and not at 15
    assert (
        few.table.correct[~few.table.correct_15].sum() == 3
        and study_report.drift_sign_table([few], (15,)).iloc[0]["h = 15"] == "–"
    )
    assert np.isnan(study_report.horizons_table(few).set_index("h").auc[15]).all()


def test_a_run_without_a_threshold_has_no_matched_bin(runs):
    still = runs["trm-6x6"].table.assign(
        **{f"drift_h_{t:02d}": np.float32(0.5) for t in range(1, 17)}
    )
    assert (
        study_report.matched_note(tables.Run("trm-6x6", runs["trm-6x6"].meta, still))
        == "**trm-6x6**: no bin has five of each outcome."
    )


def test_a_horizon_that_no_segment_has_is_refused():
    with pytest.raises(ValueError, match=r"h=16: expected 1\.\.15"):
        study_report.pruning_table([], 16)


def test_fates_add_up_to_the_failures(runs):
    for run, table in study_report.with_study(list(runs.values()), "long"):
        shares = [
            findings.fate_at(run, fate).value
            for fate in ("solved later", "settled in a wrong place", "still moving")
        ]
        assert np.isclose(sum(shares), 1)
        again = (
            table.set_index("idx").correct_016
            == tables.load_run(run.name).table.set_index("idx").correct.loc[table.idx]
        )
        assert again.mean() > 0.9, "the first 16 segments are those of the run, up to round-off"


def test_difficulty_and_lingering_have_a_row_a_run(runs):
    assert len(study_report.difficulty_table(list(runs.values()))) == 3 * len(runs)
    lingering = study_report.lingering_table(list(runs.values()))
    assert isinstance(lingering, pd.DataFrame) and list(lingering.run) == list(runs)


def test_the_share_that_parts_is_told_at_three_thresholds(runs):
    run = runs["trm-6x6"]
    assert (
        motion.parting(run, 0.0).value
        >= motion.parting(run).value
        >= motion.parting(run, 1.0).value
        and motion.parting(run, np.inf).value == 0
    )
    table = motion_report.moving_table(
        study_report.with_study([run, runs["hrm-6x6"]], "recurrence")
    ).set_index("run")
    for column, factor in (("threshold halved", 0.5), ("doubled", 2)):
        assert (
            table[column]["trm-6x6"] == f"{motion.parting(run, factor * motion.PARTING).value:.0%}"
            and table[column]["hrm-6x6"] == "–"
        )


def test_the_horizon_sweep_counts_who_is_still_wrong(runs):
    run = runs["hrm-6x6"]
    rows = study_report.horizons_numbers(run).set_index(["h", "puzzles"])
    wrong = ~run.table.correct_07
    assert (
        rows.n[7, "still wrong"]
        == f"{(wrong & run.table.correct).sum()}, {(~run.table.correct).sum()}"
        and len(rows) == 30
    )
    assert rows.n[7, "all"] == f"{run.table.correct.sum()}, {(~run.table.correct).sum()}" and {
        "lambda1",
        "drift_h",
        "drift_l",
        "q_halt",
    } <= set(rows)


def test_the_measured_checkpoints_are_told_with_their_validation_and_givens(runs):
    table = report.checkpoints_table(list(runs.values())).set_index("run")
    assert (
        table["measured on"]["hrm-9x9-small"] == "1,024 test puzzles, 25 extra givens in each"
        and table["validation: solved there"]["hrm-9x9-small"] == "0.0%"
    )
    assert "extra givens" not in table["measured on"]["trm-9x9-small"]
    for name, run in runs.items():
        log = tables.evaluations(name)
        assert (
            table.checkpoint[name] == f"step {run.meta['step']:,} of {run.meta['training_steps']:,}"
            and table.failures[name] == (~run.table.correct).sum()
        )
        assert table["validation: most solved"][name].startswith(
            f"{log.eval_exact.max():.1%} at step "
        )


def test_what_a_chapter_shows_goes_against_the_paper_as_the_ledger_says(runs):
    shown = list(runs.values())
    said = ledger.against(shown, ["C2"])
    for run in shown:
        for row in claims.ledger(run, ["C2"]).itertuples():
            part = next((p for p in said.split(";") if f"{row.id} on " in p), "")
            assert (f"`{run.name}`" in part) == (row.verdict in ("fails", "differs")), (
                run.name,
                row.id,
            )
    assert ledger.against([runs["trm-9x9-small"]], ["contribution i"]).startswith(
        "None of the rows"
    )


def test_examples_are_shown_of_a_run_that_has_them(runs):
    told = report.telling([runs["trm-9x9-small"], runs["hrm-6x6"], runs["hrm-9x9-small"]])
    assert told.name == "hrm-9x9-small", "the first has an empty cell B, the second no band"
    assert report.telling([runs["hrm-6x6"]]).name == "hrm-6x6"
    table = report.settled_table(list(runs.values())).set_index("run")
    for name, run in runs.items():
        inside = cells.settled_failures(run.table, cells.band_of(run).strict).query("cell == 'B'")
        assert (
            table["settled (B)"][name] == len(inside)
            and table["of B selector-blind"][name] == (inside.halted_at > 0).sum()
        )
        assert table["band"][name].startswith("yes" if cells.band_of(run).exists else "no")


def test_a_reversed_exponent_is_told_where_its_interval_says_so(runs):
    said = study_report.reversal_sentence(list(runs.values()))
    for name, run in runs.items():
        t = study_report.horizons_table(run).query("signal == 'lambda1'")
        below = t.high < 0.5
        assert (
            (
                f"`{name}` (at {below.sum()} of {t.auc.notna().sum()} horizons, lowest {t.auc[below].min():.2f} "
                in said
            )
            if below.any()
            else (name not in said)
        )
    assert "In none of these runs" in study_report.reversal_sentence([])


def test_a_checkpoint_of_a_training_that_was_followed_needs_no_study_of_its_own(runs):
    text = study_report.lacking([runs["hrm-6x6"], runs["hrm-6x6-late"]], "evolution").data
    assert (
        "hrm-6x6-late is a checkpoint of the training of hrm-6x6" in text
        and "rrm study" not in text
    )
    alone = study_report.lacking(
        [runs["trm-6x6"], runs["hrm-6x6-late"]], "evolution"
    ).data  # which keeps no checkpoints, so a study of them could not be made
    assert (
        "hrm-6x6-late is a checkpoint of the training of hrm-6x6, whose others stand in the chapter with `run=hrm-6x6`"
        in alone
        and "rrm study" not in alone
    )
    repeat = tables.load_run("trm-6x6-seed1")
    assert (
        "`rrm checkpoints TRAINING --run trm-6x6-seed1`, then `rrm study evolution --run trm-6x6-seed1`"
        in study_report.lacking([repeat], "evolution").data
    )
    assert (
        study_report.lacking([repeat], "numerics").data
        == "Not made for trm-6x6-seed1; to make it: `rrm study numerics --run trm-6x6-seed1`."
    )


def test_intervals_widen_where_puzzles_share_solution_grids(runs):
    table = study_report.clusters_table(list(runs.values()), resamples=200)
    assert set(table.run) == {"trm-9x9-brief"} and (table.grids < table.puzzles / 5).all()

    def width(text):
        low, high = map(float, text.strip("[]").split(", "))
        return high - low

    solved = table.set_index("what").loc["solved"]
    assert width(solved["resampling grids"]) > 1.3 * width(solved["resampling puzzles"])
    own = runs["trm-6x6"]
    puzzles = own.table.assign(
        solution=[f"{i // 2}" for i in range(len(own.table))]
    )  # pairs that share nothing but a name
    paired = (
        study_report.clusters_table([replace(own, table=puzzles)], resamples=200)
        .set_index("what")
        .loc["solved"]
    )
    assert 0.7 < width(paired["resampling grids"]) / width(paired["resampling puzzles"]) < 1.4
    assert not len(study_report.clusters_table([own]))


def test_what_becomes_of_failures_is_counted_and_named(runs):
    shown = list(runs.values())
    for run, table in study_report.with_study(shown, "long"):
        band, end = cells.band(cells.late_drift(run.table)), max(findings.marks(table))
        wrong = table[~table.correct_in_table]
        settled = int((~wrong[f"correct_{end:03d}"] & (wrong[f"late_{end:03d}"] < band.otsu)).sum())
        low, high = (
            stats.proportion(settled, len(wrong)).low,
            stats.proportion(settled, len(wrong)).high,
        )
        answer = True if low > 0.5 else False if high < 0.5 else None
        assert fate_report.rests(run) is (answer if band.exists else None)
        (shown_row,) = fate_report.settling_later([(run, table)]).to_dict("records")
        assert (
            shown_row[f"settled, wrong at {end}"].startswith(f"{settled / len(wrong):.1%}")
            and shown_row["failures"] == len(wrong) == (~run.table.correct).sum()
        )
        assert shown_row["do most settle, only later?"] == (
            {True: "yes", False: "no", None: "undecided"}[answer] if band.exists else "no band"
        )
        row = fate_report.fates_table([(run, table)]).iloc[0]
        solved = wrong[wrong[f"correct_{end:03d}"]]
        never = ~run.table.set_index("idx").loc[solved.idx, tables.columns("correct")].any(
            axis=1
        )  # as measured; the long rollout repeats these segments
        assert len(solved) == 0 or row["of those solved, for the first time"].startswith(
            f"{never.mean():.1%} "
        )
        swapped = (
            table.correct_016 != run.table.set_index("idx").correct.loc[table.idx].to_numpy()
        ).mean()
        assert row["other outcome at 16 when run again"].startswith(f"{swapped:.1%} ") and (
            swapped == 0 or run.name == "trm-9x9-brief"
        )
    told = fate_report.later(shown)
    rest, wander = told.split("; most of those of")
    wander = wander.split(" do not")[0]
    split = {}
    for first, *others in fate_report.with_repeats(shown):
        found = [fate_report.rests(run) for run in (first, *others)]
        if True in found and False in found:
            words = {True: "most do", False: "most do not", None: "undecided, or without a band"}
            solved = [
                f"{words[answer]} at {run.table.correct.mean():.0%} solved"
                for run, answer in zip((first, *others), found, strict=True)
            ]
            split[first.name] = (
                f"the trainings of `{first.name}` are at different points and disagree: {', '.join(solved)}"
            )
    assert (
        all(text in told for text in split.values()) and told.count("disagree") == len(split) == 1
    )
    for run in shown:
        decided = None if run.name in split else fate_report.rests(run)
        assert (f"`{run.name}`" in rest) == (decided is True) and (f"`{run.name}`" in wander) == (
            decided is False
        )
    assert fate_report.later([]) == ""
    trained = [
        *shown,
        *(tables.load_run(name) for names in tables.repeats().values() for name in names),
    ]
    agree = [
        fate_report.rests(run) == (run.table.lambda_1[~run.table.correct].median() < 0)
        for run in trained
        if fate_report.rests(run) is not None
    ]
    assert (
        f"tells which in {sum(agree)} of {len(agree)} runs, repeats from other seeds included"
        in told
        and len(agree) > len(shown)
    )
    odd = [
        run.name
        for run in trained
        if fate_report.rests(run) not in (None, run.table.lambda_1[~run.table.correct].median() < 0)
    ]
    assert f"(not so in {', '.join(f'`{name}`' for name in odd)})" in told and odd
    silent = [run.name for run in trained if fate_report.rests(run) is None]
    assert (
        f"Not counted, for want of a band or of a decided share: {', '.join(f'`{name}`' for name in silent)}."
        in told
        and silent
    )
    signs = {
        (run.meta["model"], bool(run.table.lambda_1[~run.table.correct].median() < 0))
        for run in trained
        if fate_report.rests(run) is not None
    }
    assert ("these runs cannot separate the two" in told) == (len(signs) == 2)
    alone = fate_report.later([runs["hrm-9x9-small"]])
    assert (
        "other seeds" not in alone
        and "Not counted" not in alone
        and "separate the two" not in alone
    )


def test_other_seeds_stand_beside_the_run_they_repeat(runs):
    assert tables.repeats() == {
        "hrm-6x6-late": ["hrm-6x6-seed1", "hrm-6x6-seed2"],
        "trm-6x6": ["trm-6x6-seed1", "trm-6x6-seed2"],
        "trm-6x6-attention": ["trm-6x6-attention-seed1", "trm-6x6-attention-seed2"],
        "trm-9x9-small": ["trm-9x9-small-seed1"],
    }
    assert not set(runs) & {name for names in tables.repeats().values() for name in names}
    shown = [runs["trm-6x6"], runs["hrm-6x6"], runs["hrm-6x6-late"]]
    table = fate_report.seeds_table(shown)
    assert list(table.run) == [
        "trm-6x6",
        "trm-6x6-seed1",
        "trm-6x6-seed2",
        "hrm-6x6-late",
        "hrm-6x6-seed1",
        "hrm-6x6-seed2",
    ]
    assert list(table.seed) == [0, 1, 2] * 2 and (table.source == "measured here").all()
    for row in table.itertuples():
        run = tables.load_run(row.run)
        long, otsu = findings.study(run, "long"), cells.band(cells.late_drift(run.table)).otsu
        wrong = long[~long.correct_in_table]
        settled = (~wrong.correct_256 & (wrong.late_256 < otsu)).sum() / len(wrong)
        assert (
            row[-1].startswith(f"{settled:.1%}")
            and row.solved == f"{run.table.correct.mean():.1%} of {len(run.table):,}"
        )
        assert (row.band == "no") == (not cells.band(cells.late_drift(run.table)).exists)
        assert len(wrong) == (~run.table.correct).sum()
    assert (table.band == "no").sum() == 1
    assert len(fate_report.seeds_table([runs["hrm-6x6"]])) == 0


def test_the_calm_end_is_round_off_and_said_so(runs):
    made = study_report.with_study([runs["trm-9x9-small"]], "numerics")
    (shown,) = study_report.floor_table(made).to_dict("records")
    table = made[0][1]
    for variant in ("float32", "float64"):
        for name, good in (("solved", True), ("failed", False)):
            part = table[(table.variant == variant) & (table.correct == good)]
            assert shown[f"{name}, {variant}"] == pytest.approx(np.median(cells.late_drift(part)))
    assert study_report.floor_table([]).empty


def test_the_headline_repeats_what_the_sections_show(runs):
    shown = list(runs.values())
    table = fate_report.headline(shown).set_index("run")
    assert list(table.index) == ["TRM", "HRM", *runs] and list(table.source) == ["paper"] * 2 + [
        "measured here"
    ] * len(runs)
    paper = fate_report.headline([])
    assert (
        list(paper.run) == ["TRM", "HRM"]
        and list(paper.solved) == ["87.6% of 2,048", "52.5% of 8,192"]
        and (paper["later solved"] == "–").all()
    )
    for run in shown:
        band = cells.band(cells.late_drift(run.table))
        n = cells.count(cells.assign(cells.late_drift(run.table), run.table.correct, band.otsu))
        assert table.loc[run.name, "failures settled at 16"].startswith(
            f"{n['B'] / (n['B'] + n['D']):.2%}"
        )
        assert table.loc[run.name, "band"] == ("yes" if band.exists else "no")
        assert table.loc[run.name, "growth of failures"] == pytest.approx(
            run.table.lambda_1[~run.table.correct].median() * run.updates_per_segment, rel=1e-6
        )


def test_what_settles_is_counted_again_over_every_run(runs):
    everyone = fate_report.all_trained(list(runs.values()))
    assert len(everyone) == len(runs) + sum(map(len, tables.repeats().values()))
    own = fate_report.settling(everyone, along=False).set_index("run")
    for run in everyone:
        long, otsu = findings.study(run, "long"), cells.band_of(run).otsu
        wrong = long[~long.correct_in_table]
        assert len(wrong) == (~run.table.correct).sum() and own.settled[run.name] == pytest.approx(
            (~wrong.correct_256 & (wrong.late_256 < otsu)).mean()
        )
        assert own.settled_16[run.name] == pytest.approx(
            (~wrong.correct_016 & (wrong.late_016 < otsu)).mean()
        )
        assert own.growth[run.name] == pytest.approx(
            run.table.lambda_1[~run.table.correct].median() * run.updates_per_segment
        )


def test_networks_are_compared_where_they_solve_equally_much(runs):
    table = fate_report.settling(fate_report.all_trained(list(runs.values()))).set_index(
        ["run", "step"]
    )
    able = table[table.accuracy >= 0.05]
    pairs = fate_report.alike(list(runs.values()))
    assert set(pairs["differ in"]) == {"architecture", "mixing"} and set(pairs.side) == {6}
    for differ, part in pairs.groupby("differ in"):
        factor, other = ("model", "mixing") if differ == "architecture" else ("mixing", "model")
        used = [
            (p[f"run {end}"], p[f"step {end}"]) for p in part.to_dict("records") for end in "ab"
        ]
        assert len(set(used)) == len(used)
        for p in part.to_dict("records"):
            a, b = (able.loc[(p[f"run {end}"], p[f"step {end}"])] for end in "ab")
            assert (
                a[factor] != b[factor]
                and a[other] == b[other]
                and a.side == b.side
                and abs(a.accuracy - b.accuracy) <= 0.03
            )
            assert [p["settled a"], p["low b"]] == [a.settled, b.low]
        free = able[~able.index.isin(used)]
        left = [
            (i, j)
            for i, a in free.iterrows()
            for j, b in free.iterrows()
            if a[other] == b[other]
            and a.side == b.side
            and a[factor] != b[factor]
            and abs(a.accuracy - b.accuracy) <= 0.03
        ]
        assert left == [], "no pair of like accuracy is left out"
        more, fewer = (
            int((part["low a"] > part["high b"]).sum()),
            int((part["high a"] < part["low b"]).sum()),
        )
        assert (
            f"settle clearly more often than those of a {part['network b'].iloc[0]} in {more} of {len(part)} pairs, clearly less often in {fewer}"
            in fate_report.alike_sentence(list(runs.values()))
        )
    assert len(fate_report.alike_table(list(runs.values()))) == len(pairs)
    assert (
        fate_report.alike_sentence([runs["hrm-9x9-small"]]) == ""
        and fate_report.alike_table([runs["hrm-9x9-small"]]).empty
    )


def test_the_changes_of_both_cells_make_the_gap(runs):
    run = tables.load_run("trm-9x9-small-seed1")
    for banded in (True, False):
        change = {of: evolution.training_change(run, of, banded) for of in evolution.CHANGES}
        assert change["D - A"].value == pytest.approx(
            change["D"].value - change["A"].value
        ) and change["D + A"].value == pytest.approx(change["D"].value + change["A"].value)
        assert all(e.low < e.value < e.high for e in change.values())
    assert (
        np.isnan(evolution.training_change(runs["trm-9x9-small"]).value)
        and evolution.training_change(runs["trm-9x9-small"], banded=False).value > 0
    )
    trained = [*runs.values(), run]
    said = study_report.gap_sentence(trained)
    for banded in (True, False):
        widens = [r for r in trained if evolution.training_change(r, "D - A", banded).low > 0]
        found = [evolution.training_change(r, "D + A", banded) for r in widens]
        assert (
            f"clearly widens in {len(found)} trainings: D rises by clearly more than A falls in {sum(e.low > 0 for e in found)} of them, by clearly less in {sum(e.high < 0 for e in found)}"
            in said
        )
    assert "the gap does not clearly widen" in evolution.through_failures(runs["trm-6x6"]).reason
    assert study_report.gap_sentence([runs["hrm-6x6-late"]]) == ""
    table = study_report.changes_table([run, runs["trm-9x9-small"]])
    assert (
        list(table["why not"] == "–") == [True, True, False, True]
        and table["change of D"][2] == "–"
    )
    assert (
        list(table.checkpoints) == ["with a band", "with or without"] * 2
        and list(table.run) == [run.name] * 2 + ["trm-9x9-small"] * 2
    )


def test_the_failures_of_each_checkpoint_are_followed(runs):
    for run, table in study_report.with_study(list(runs.values()), "fates"):
        evolved, along = (
            findings.study(run, "evolution"),
            fate_report.fates_along(run).set_index("step"),
        )
        for step, part in table.groupby("step"):
            now = evolved[evolved.step == step].set_index("idx")
            assert not now.correct.loc[part.idx].any() and len(part) == min(
                128, (~now.correct).sum()
            )
            for column, at in (("settled", "256"), ("settled_16", "016")):
                expected = (
                    ~part[f"correct_{at}"] & (part[f"late_{at}"] < cells.band_of(run).otsu)
                ).mean()
                assert (
                    np.isnan(along[column][step])
                    if len(part) < stats.SMALLEST
                    else along[column][step] == pytest.approx(expected)
                )
        long, measured = (
            findings.study(run, "long"),
            along.index == run.meta["step"],
        )  # at the measured step all failures count
        wrong = long[~long.correct_in_table]
        whole = stats.proportion(
            int((~wrong.correct_256 & (wrong.late_256 < cells.band_of(run).otsu)).sum()), len(wrong)
        )
        along.loc[measured, ["settled", "low", "high"]] = whole.value, whole.low, whole.high
        able, row = (
            along.dropna(subset=["settled"]),
            fate_report.along_table([run]).set_index("run").loc[run.name],
        )
        assert len(able) > 1
        most, last = able.loc[able.settled.idxmax()], able.iloc[-1]
        assert row["highest: share that settles"].startswith(f"{most.settled:.0%} [") and row[
            "last: share that settles"
        ].startswith(f"{last.settled:.0%} [")
        assert (
            (row["it"] == "falls") == (last.high < most.low)
            and row["highest: step"] == most.name
            and row["last: step"] == last.name
        )
    every = fate_report.settling(fate_report.all_trained(list(runs.values())))
    for (model, mixing), part in every.groupby(["model", "mixing"]):
        rho = {
            name: f"{part[name].corr(part.settled, method='spearman'):+.2f}"
            for name in ("growth", "accuracy")
        }
        assert (
            f"{rho['growth']} for {model} with {'an MLP' if mixing == 'mlp' else mixing} ({len(part)} checkpoints of {part.run.nunique()} runs; with accuracy {rho['accuracy']})"
            in fate_report.settling_sentence(list(runs.values()))
        )
    chart = study_charts.settling(every, "measured here").to_dict()
    assert (
        len(next(iter(chart["datasets"].values()))) == len(every) and len(chart["description"]) > 40
    )


def test_what_settles_is_marked_where_there_is_no_band(runs):
    ceiling = report.ceiling_table(list(runs.values())).set_index("run").band
    for run in runs.values():
        band = cells.band_of(run)
        assert report.settled_table([run]).band[0] == (
            "yes" if band.exists else "no: settled is only the calmest"
        )
        assert ceiling[run.name] == ("yes" if band.exists else "no")


def test_a_band_says_what_it_stands_on(runs):
    said = study_report.weak_bands(list(runs.values()))
    for run in runs.values():
        band = cells.band_of(run)
        assert band.exists == (band.by != "–") and (f"`{run.name}`" in said) == (
            band.by in ("separability", "dip test")
        )
    assert study_report.weak_bands([]) == ""
    rng = np.random.default_rng(0)
    spike = np.concatenate(
        [np.abs(rng.normal(0, 0.03, 1400)), rng.random(600)]
    )  # one hump: a spike with a tail
    assert cells.band(spike).by == "separability"


def test_a_repeat_that_is_compared_with_its_original_counts_once(runs):
    both = [tables.load_run("trm-9x9-small-seed1"), runs["trm-9x9-small"]]
    assert [run.name for run in fate_report.all_trained(both)] == [
        "trm-9x9-small-seed1",
        "trm-9x9-small",
    ]


def test_the_summary_is_said_only_where_the_checkpoints_show_it(runs, monkeypatch):
    shown = list(runs.values())
    table = fate_report.settling(fate_report.all_trained(shown))
    shrink, grow = table[table.growth < 0], table[table.growth > 0]
    rule = shrink.settled.median() > 0.5 > grow.settled.max()
    changes = [
        change[0]
        for run in fate_report.all_trained(shown)
        if (change := fate_report.change_along(run))
    ]
    said = front.in_short(shown)
    assert bool(said) == rule and (
        not rule or f"In {changes.count('falls')} of {len(changes)} trainings" in said
    )
    assert (
        f"Of the {len(shrink)} checkpoints" in said
        and f", {(shrink.settled > 0.5).sum()} see most" in said
        and f"in the end, {(shrink.settled_16 > 0.5).sum()} of them by segment 16 already" in said
    )
    assert (
        f"Of the {len(grow)} whose" in said
        and not (grow.settled > 0.5).any()
        and (shrink.settled[shrink.settled_16 > 0.5] > 0.5).all()
    )
    assert front.in_short([runs["hrm-6x6-late"]]) == ""
    monkeypatch.setattr(
        fate_report, "settling", lambda *_, **__: table.assign(settled=1 - table.settled)
    )
    assert front.in_short(shown) == "", "the other way round it is not said"


def test_the_first_page_answers_from_the_ledger(runs):
    shown = list(runs.values())
    said, trained = front.brief(shown), fate_report.all_trained(shown)
    lines = said.splitlines()
    assert len(lines) == 6 and all(
        line.startswith("- **") and "?** " in line and "[Section " in line for line in lines
    )
    ledgers = {run.name: claims.ledger(run).set_index("id") for run in trained}
    for line, id, form in (
        (lines[0], "C1.1", ".2f"),
        (lines[1], "C2.2", ".0%"),
        (lines[2], "C5.1", ".2f"),
    ):
        values = {
            name: float(t["measured here"][id].split(" ")[0])
            for name, t in ledgers.items()
            if t.verdict[id] != "cannot be measured"
        }
        low, high = (pick(values, key=values.get) for pick in (min, max))
        assert (
            f"(`{low}`) to " in line
            and f"(`{high}`) over {len(values)} runs" in line
            and f"{values[high]:{form}} (`{high}`)" in line
        )
    verdicts = [t.verdict["C2.2"] for t in ledgers.values()]
    assert (
        f"as the paper finds, in {verdicts.count('holds')} of 11, clearly more in {verdicts.count('fails')} of 11"
        in lines[1]
        and len(verdicts) - verdicts.count("cannot be measured") == 11
    )
    parts = {run.name: e.value for run in trained if not np.isnan((e := motion.parting(run)).value)}
    assert (
        f"{min(parts.values()):.0%} (`{min(parts, key=parts.get)}`) to {max(parts.values()):.0%}"
        in lines[4]
        and f"over {len(parts)} runs" in lines[4]
    )
    near = ledgers["trm-9x9-brief"]
    judged = near[(near.paper != "–") & (near.verdict != "cannot be measured")]
    against = judged.index[judged.verdict.isin(["fails", "differs"])]
    assert (
        f"Of the {len(judged)} rows" in lines[5]
        and f", {len(against)} go against it" in lines[5]
        and all(f"{id} ({near.says[id][:-1]})" in lines[5] for id in against)
    )
    assert 2 <= len(against) < len(judged) / 2 and list(
        front.printed(runs["trm-9x9-brief"]).id
    ) == list(judged.index)
    assert (
        front.nearest([runs["trm-9x9-small"], runs["hrm-9x9-small"]]) is None
    )  # other sizes, other updates
    assert (
        front.brief([]) == ""
        and front.between({"a": stats.proportion(1, 4)}, ".0%") == "25% in the one run, `a`,"
    )
