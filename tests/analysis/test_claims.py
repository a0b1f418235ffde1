"""The ledger: its rules, its causes, and its figures against the tables they come from."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rrm_companion import report

from rrm_core.analysis import cells, claims, stats
from rrm_core.analysis.stats import Estimate
from rrm_core.runs import tables
from rrm_core.runs.tables import Run
from rrm_core.store import paths
from rrm_core.training import trainer as train

ABOVE, BELOW = (
    {"rule": "direction", "side": "above", "null": 0.5},
    {"rule": "direction", "side": "below", "null": 0.5},
)
NOTHING = {"rule": "equivalence", "null": 0.5}
POINT = Estimate(0.7, 0.7, 0.7, 1, "")


def estimate(low, high):
    return Estimate((low + high) / 2, low, high, 100, "")


@pytest.mark.parametrize(
    "row, here, verdict",
    [
        (ABOVE, (0.51, 0.9), "holds"),
        (ABOVE, (0.1, 0.49), "fails"),
        (ABOVE, (0.4, 0.6), "undecided"),
        (ABOVE, (0.5, 0.6), "undecided"),
        (BELOW, (0.1, 0.49), "holds"),
        (BELOW, (0.51, 0.9), "fails"),
        (NOTHING, (0.46, 0.54), "holds"),
        (NOTHING, (0.51, 0.54), "holds"),
        (NOTHING, (0.46, 0.56), "undecided"),
        (NOTHING, (0.51, 0.56), "fails"),
        (NOTHING, (0.1, 0.2), "fails"),
        (NOTHING, (np.nan, np.nan), "cannot be measured"),
        ({"rule": "magnitude"}, (0.65, 0.75), "agrees"),
        ({"rule": "magnitude"}, (0.71, 0.75), "differs"),
        (ABOVE, (np.nan, np.nan), "cannot be measured"),
    ],
)
def test_rules_of_the_verdict(row, here, verdict):
    assert claims.verdict(row, estimate(*here), POINT) == verdict


def test_the_ledger_covers_every_claim():
    names = {row["claim"] for row in claims.rows()}
    assert {"C1", "C2", "C3", "C4", "C5", "C6a", "C6b", "C7"} <= names and len(claims.rows()) >= 20
    assert len({row["id"] for row in claims.rows()}) == len(claims.rows())


def test_every_printed_figure_is_found():
    for row in claims.rows():
        for architecture in ("trm", "hrm"):
            if architecture in row["published"] or (
                "value" in row["published"] and row["published"].get("of") in (None, architecture)
            ):
                assert np.isfinite(claims.published(row, architecture).value), row["id"]
            else:
                assert np.isnan(claims.published(row, architecture).value), row["id"]


def test_every_unmeasured_row_has_a_cause_and_every_other_an_interval(run):
    table = claims.ledger(run)
    unmeasured = table.verdict == "cannot be measured"
    assert set(table.verdict) <= set(claims.VERDICTS)
    assert (table.reason[unmeasured] != "").all() and (
        table["measured here"][unmeasured] == "–"
    ).all()
    assert table["measured here"][~unmeasured].str.contains(r"\[").all()


def test_figures_are_those_of_the_statistics(run):
    table = claims.ledger(run).set_index("id")
    assert table["measured here"]["C1.1"] == str(stats.auc(-run.table.lambda_1, run.table.correct))
    band = cells.band(cells.late_drift(run.table))
    if band.exists:
        n = cells.count(cells.assign(cells.late_drift(run.table), run.table.correct, band.otsu))
        for id in ("C2.1", "C2.2", "K2"):
            assert table["measured here"][id] == claims.as_measured(
                stats.proportion(n["B"], n["B"] + n["D"])
            )
            assert (table.reason[id] == "band by separability alone") == (band.by == "separability")
    else:
        assert table.reason["C2.1"].startswith("no band")


def test_growth_is_compared_per_segment(runs):
    row = next(r for r in claims.rows() if r["id"] == "C1.3")
    assert claims.published(row, "trm").value == pytest.approx(0.103 * 21)
    trm = runs["trm-6x6"]
    assert claims.measure(row, trm).value == pytest.approx(
        trm.table.lambda_1[~trm.table.correct].median() * 8, rel=1e-5
    )


def test_a_missing_column_and_a_missing_class_are_causes(runs):
    trm = runs["trm-6x6"]
    without = Run(trm.name, trm.meta, trm.table.drop(columns="q_halt_04"))
    assert claims.ledger(without).set_index("id").reason["C5.5"] == "missing column q_halt_04"
    for column in (
        "q_halt_16",
        "lambda_1",
        "lambda_5",
        "halted_at",
        "drift_h_16",
        "growth_1_03",
        "givens",
        "naked_backtracks",
    ):
        found = claims.ledger(Run(trm.name, trm.meta, trm.table.drop(columns=column)))
        lacking = found[found.reason.str.contains("missing column")]
        assert (
            len(found) == len(claims.rows())
            and len(lacking)
            and (lacking.verdict == "cannot be measured").all()
        ), column
    solved = Run(trm.name, trm.meta, trm.table[trm.table.correct].reset_index(drop=True))
    table = claims.ledger(solved).set_index("id")
    assert table.verdict["C1.1"] == "cannot be measured" and table.reason["C1.1"].startswith(
        "n < 20 in a class"
    )


def test_what_wants_the_whole_spectrum_is_not_measured_on_one_exponent():
    run = tables.load_run("trm-6x6-seed1")
    assert tables.exponents(run.table) == 1
    found = claims.ledger(run).set_index("id")
    for id in ("C1.6", "C1.7"):
        assert (
            found.verdict[id] == "cannot be measured"
            and found.reason[id] == "missing column lambda_2"
        )
    assert found.verdict["C1.1"] == "holds"
    shown = report.separation_table([run]).iloc[-1]
    assert shown["AUC of -λ1"] == str(stats.auc(-run.table.lambda_1, run.table.correct))
    assert (
        shown["AUC of -mean"]
        == shown["AUC of -sum of positive"]
        == "cannot be measured: 1 of 8 exponents measured"
    )


def test_the_papers_figures_are_shown_as_what_they_are():
    by_id = {row["id"]: row for row in claims.rows()}
    shown = {
        id: {
            model: claims.as_printed(claims.published(by_id[id], model)) for model in ("trm", "hrm")
        }
        for id in by_id
    }
    assert shown["C1.6"] == {
        "trm": "0.977",
        "hrm": "0.987",
    }  # the weakest of eight, which is the first in HRM
    assert shown["C3.1"] == {"trm": "–", "hrm": "1.000"}  # the paper's TRM has no settled failure
    assert shown["C5.1"]["trm"] == "0.500 (in words)" and shown["X1"]["hrm"] == "0.000 (in words)"
    assert shown["C1.5"]["trm"].endswith("(value rounded)")
    assert shown["C2.5"]["trm"].startswith(f"{1724 / (1724 + 70):.3f}") and shown["C2.5"][
        "hrm"
    ].startswith(f"{4103 / (4103 + 195):.3f}")
    assert shown["C6a.1"]["trm"].startswith("0.000")
    assert shown["C4.4"] == {"trm": "–", "hrm": "–"}


def test_what_would_change_a_verdict_can_happen(runs):
    late = claims.ledger(runs["hrm-6x6-late"]).set_index("id")["would change it"]
    assert (
        late["C6b.1"] == "an interval wholly below 0, which no share has: one such puzzle is enough"
        and late["C1.1"] == "an interval wholly below 0.5"
    )
    assert (
        claims.ledger(runs["trm-9x9-small"]).set_index("id")["would change it"]["C7.1"]
        == "more checkpoints with a band"
    )


def test_the_command_prints_json():
    done = subprocess.run(
        [Path(sys.executable).with_name("rrm"), "claims", "--run", "trm-6x6", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {row["id"] for row in json.loads(done.stdout)} == {row["id"] for row in claims.rows()}


def test_a_bound_that_is_not_zero_does_not_read_zero():
    assert claims.as_measured(Estimate(0.003, 0.0001, 0.0166, 333, "")) == "0.0030 [0.0001, 0.0166]"
    assert (
        claims.as_measured(Estimate(0.0, 0.0, 0.0146, 247, "")) == "0.000 [0.000, 0.015]"
        and claims.as_measured(Estimate(0.5, 0.4, 0.6, 10, "")) == "0.500 [0.400, 0.600]"
    )


def test_every_verdict_says_what_would_change_it(runs):
    for run in runs.values():
        found = claims.ledger(run)
        assert found["would change it"].str.len().gt(8).all()
        decided = found[found.verdict.isin(["holds", "fails"])]
        rules = {row["id"]: row for row in claims.rows()}
        assert (
            decided[
                decided.id.isin([id for id, rule in rules.items() if rule["rule"] == "equivalence"])
            ]["would change it"]
            .str.contains(r"\[0\.45, 0\.55\]")
            .all()
        )
        for row in decided[
            decided.id.isin([id for id, rule in rules.items() if rule["rule"] == "direction"])
        ].itertuples():
            other = {"above": "below", "below": "above"}[rules[row.id]["side"]]
            expected = other if row.verdict == "holds" else rules[row.id]["side"]
            assert row._10.startswith(f"an interval wholly {expected}"), (run.name, row.id)
        lacking = found[found.reason.str.startswith("missing table")]
        for row in lacking.itertuples():
            study = row.reason.split("/")[-1].removesuffix(".parquet")
            keeper = tables.keeper(run) if study in ("evolution", "multi4") else run.name
            if keeper is None:  # its checkpoints are not shipped
                assert run.name == "trm-9x9-brief" and row._10.startswith(
                    f"rrm checkpoints TRAINING --run {run.name}, then rrm study {study} --run {run.name}"
                )
                continue
            made = (paths.run_dir(keeper) / "studies" / f"{study}.parquet").exists()
            assert row._10.startswith(
                f"nothing: it is about a training, so see {keeper},"
                if made
                else f"rrm study {study} --run {keeper}"
            ), (run.name, row.id)
            assert study not in ("evolution", "multi4") or train.checkpoints(
                paths.run_dir(keeper)
            )  # what it asks for can be done


def test_a_run_without_checkpoints_is_sent_to_its_training(runs):
    late = claims.ledger(runs["hrm-6x6-late"]).set_index("id")["would change it"]
    assert (
        late["C7.1"]
        == "nothing: it is about a training, so see hrm-6x6, another checkpoint of this one"
    )
    repeat = claims.ledger(tables.load_run("trm-6x6-seed1")).set_index("id")["would change it"]
    assert (
        repeat["C7.1"]
        == "rrm checkpoints TRAINING --run trm-6x6-seed1, then rrm study evolution --run trm-6x6-seed1"
    )
    assert tables.keeper(runs["trm-6x6"]) == "trm-6x6"


def test_side_by_side_repeats_every_ledger(runs):
    shown = list(runs.values())
    table = claims.side_by_side(shown).set_index("id")
    assert list(table) == ["says", *runs] and list(table.index) == [
        row["id"] for row in claims.rows()
    ]
    for run in shown:
        found = claims.ledger(run).set_index("id")
        for id, text in table[run.name].items():
            other = found.reason[id].startswith("about ")
            assert (
                text == "–"
                if other
                else text.removeprefix("✓ ").removeprefix("✗ ") == found.verdict[id]
            )
            assert ("✗" in text) == (found.verdict[id] in ("fails", "differs")) and (
                "✓" in text
            ) == (found.verdict[id] in ("holds", "agrees"))
