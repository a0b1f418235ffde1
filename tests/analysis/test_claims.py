"""The ledger: its rules, its causes, and its figures against the tables they come from."""

import json

import numpy as np
import pandas as pd
import pytest

from rrm_core.analysis import cells, claims, measures, stats
from rrm_core.analysis.stats import Estimate
from rrm_core.runs import tables
from rrm_core.runs.tables import Run

ABOVE, BELOW = (
    {"rule": "direction", "side": "above", "null": 0.5},
    {"rule": "direction", "side": "below", "null": 0.5},
)
NOTHING, SEEN = {"rule": "equivalence", "null": 0.5}, {"rule": "existence"}
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
        (NOTHING, (0.499, 0.551), "undecided"),
        (NOTHING, (0.46, 0.56), "too few to hold"),
        (NOTHING, (0.51, 0.56), "fails"),
        (NOTHING, (0.1, 0.2), "fails"),
        (NOTHING | {"within": 0.02}, (0.47, 0.51), "too few to hold"),
        (NOTHING, (np.nan, np.nan), "cannot be measured"),
        (SEEN, (0.001, 0.01), "holds"),
        (SEEN, (0.0, 0.0), "undecided"),
        ({"rule": "magnitude"}, (0.65, 0.75), "agrees"),
        ({"rule": "magnitude"}, (0.71, 0.75), "differs"),
        (ABOVE, (np.nan, np.nan), "cannot be measured"),
    ],
)
def test_rules_of_the_verdict(row, here, verdict):
    assert claims.verdict(row, estimate(*here), POINT) == verdict


def test_without_bounds_or_a_printed_figure_there_is_no_verdict():
    half = Estimate(0.7, np.nan, np.nan, 100, "")
    for row in (ABOVE, BELOW, NOTHING, SEEN, {"rule": "magnitude"}):
        assert claims.verdict(row, half, POINT) == "cannot be measured"
    silent = stats.unmeasured(0, "printed", "the paper prints no figure")
    assert claims.verdict({"rule": "magnitude"}, estimate(0.9, 0.99), silent).startswith("cannot")


def test_without_a_run_there_is_no_ledger():
    with pytest.raises(tables.TableError, match="no run to judge: measure one"):
        claims.ledger([])


def test_a_model_that_the_paper_prints_no_figure_for_is_not_said_to_differ(runs):
    tiny = runs["tiny-6x6"]
    other = Run(tiny.name, tiny.meta | {"side": 9, "updates_per_segment": 21}, tiny.table)
    row = claims.judged(other).set_index("id").loc["C1.2"]
    assert row.verdict == "cannot be measured" and row.reason == "the paper prints no figure"


def test_an_equivalence_names_the_puzzles_that_hold_it_nine_times_in_ten():
    rng, n = np.random.default_rng(0), 200
    here = stats.auc(rng.normal(size=2 * n), np.arange(2 * n) < n)
    needed = claims.puzzles_needed(NOTHING, here)
    assert needed / 2 == pytest.approx(860, rel=0.03), "of each outcome"
    half, repeats = needed // 2, 300
    scores = rng.normal(size=(repeats, 2 * half))
    held = [
        claims.verdict(NOTHING, stats.auc(s, np.arange(2 * half) < half), POINT) for s in scores
    ]
    assert 0.84 < np.mean(np.array(held) == "holds") < 0.95


def test_the_ledger_covers_every_claim():
    names = {row["claim"] for row in claims.rows()}
    assert {"C1", "C2", "C3", "C4", "C5", "C6a", "C6b", "C7", "later note"} <= names
    assert len({row["id"] for row in claims.rows()}) == len(claims.rows()) >= 20


@pytest.mark.parametrize("row", claims.rows(), ids=lambda row: row["id"])
def test_every_row_keeps_the_rules_of_the_file(row):
    needed = {"id", "claim", "says", "measure", "rule", "published"}
    asked = {"direction": {"side", "null"}, "equivalence": {"null"}}
    rules = {**asked, "magnitude": set(), "existence": set()}
    needed |= rules[row["rule"]]
    assert needed <= set(row) <= needed | {"within", "only", "needs", "tied"}
    assert row["measure"] in measures.MEASURES
    assert row.get("side") in (None, "above", "below") and row.get("tied") in (None, 9)
    assert row.get("only") in (None, "hrm", "trm") and row.get("needs") in (None, "band", "strict")


def test_every_printed_figure_is_found():
    for row in claims.rows():
        source = row["published"]
        for architecture in ("trm", "hrm"):
            said = "value" in source and source.get("of") in (None, architecture)
            found = claims.published(row, architecture).value
            assert np.isfinite(found) == (said or architecture in source), row["id"]


def test_the_papers_figures_are_those_it_prints():
    by_id = {row["id"]: row for row in claims.rows()}

    def printed(id, model):
        return claims.published(by_id[id], model)

    assert printed("C1.6", "trm").value == 0.977 and printed("C1.6", "hrm").value == 0.987
    assert np.isnan(printed("C3.1", "trm").value) and printed("C3.1", "hrm").value == 1
    assert printed("C5.1", "trm").method == "in words"
    assert printed("C2.5", "trm").value == pytest.approx(1724 / (1724 + 70))
    assert printed("C6b.1", "hrm").value == pytest.approx(63 / 3894)
    assert np.isnan(printed("S5.3", "trm").value), "the paper prints no share"
    assert printed("C1.3", "trm").value == pytest.approx(0.103 * 21), "growth is told per segment"


@pytest.fixture(scope="module")
def lead(runs):
    return {
        name: claims.judged(runs[name]).set_index("id") for name in ("hrm-9x9-brief", "trm-6x6")
    }


def test_every_unmeasured_row_has_a_cause_and_every_other_an_interval(lead):
    for table in lead.values():
        unmeasured = table.verdict == "cannot be measured"
        assert (table.reason[unmeasured] != "").all() and table.value[unmeasured].isna().all()
        told = table[~unmeasured]
        assert ((told.low <= told.value) & (told.value <= told.high)).all()
        assert told.needed.notna().equals(told.rule == "equivalence")


def test_figures_are_those_of_the_statistics(lead, runs):
    for name, table in lead.items():
        df = runs[name].table
        assert table.value["C1.1"] == stats.auc(-df.lambda_1, df.correct).value
        n = cells.count(cells.at_otsu(df)[0])
        for id in ("C2.1", "C2.2", "K2"):
            assert table.value[id] == pytest.approx(n["B"] / (n["B"] + n["D"]))
        steps = runs[name].updates_per_segment
        growth = df.lambda_1[~df.correct].median() * steps
        assert table.value["C1.3"] == pytest.approx(growth, rel=1e-5)


def test_grids_are_the_unit_where_they_repeat(lead):
    table = lead["hrm-9x9-brief"]
    measured = table[table.value.notna() & (table.measure != "selection_gain")]
    assert measured.method.str.contains("puzzles on").all(), measured.method


def test_strict_rows_are_refused_below_the_floor(lead):
    for id in ("C2.3", "C3.1", "C3.2"):
        assert lead["hrm-9x9-brief"].reason[id] == "below the floor of float32"
    assert lead["hrm-9x9-brief"].verdict["C6b.1"] == "holds", "six failures at rest, at Otsu"


def test_a_claim_of_another_model_or_board_is_not_measured(lead):
    table = lead["trm-6x6"]
    assert table.reason["C1.4"] == "about HRM only" and table.reason["C1.2"] == "tied to 9x9"
    assert table.reason["C2.1"] == "band by separability alone" or not table.reason["C2.1"]


def test_a_missing_column_and_a_missing_class_are_causes(runs):
    trm = runs["trm-6x6"]
    for column, name in {
        "q_halt_16": "auc_q_halt",
        "lambda_5": "auc_weakest_exponent",
        "halted_at": "blind_failures",
        "drift_h_16": "auc_late_drift",
        "growth_1_03": "early_lambda_1",
        "givens": "givens_gain",
        "naked_backtracks": "auc_within_difficulty",
    }.items():
        without = Run(trm.name, trm.meta, trm.table.drop(columns=column))
        assert measures.measure(name, without).reason == f"missing column {column}"
    assert (
        measures.measure(
            "lambda_1_beyond", Run(trm.name, trm.meta, trm.table.drop(columns="lambda_1"))
        ).reason
        == "missing column lambda_1"
    )
    drifts = {c: 1.0 for c in trm.table if c.startswith("drift_h")}
    still = Run(trm.name, trm.meta, trm.table.assign(**drifts))
    for name in ("settled_failures", "settled_failures_otsu", "blind_failures"):
        found = measures.measure(name, still)
        assert np.isnan(found.value) and found.reason, "no threshold is no 0 of n"
    solved = Run(trm.name, trm.meta, trm.table[trm.table.correct])
    assert measures.measure("auc_lambda_1", solved).reason.startswith("n < 20 in a class")


def test_what_wants_the_whole_spectrum_is_not_measured_on_one_exponent():
    run = tables.load_run("trm-6x6-seed1")
    assert tables.exponents(run.table) == 1
    for name in ("auc_weakest_exponent", "auc_spectral_mean"):
        assert measures.measure(name, run).reason == "missing column lambda_2"
    assert measures.measure("auc_lambda_1", run).low > 0.5


def test_a_changed_table_is_measured_again(runs, data_copy, monkeypatch):
    trm, only = runs["trm-6x6"], ["auc_lambda_1"]
    first = measures.measured(trm, only)
    assert list((data_copy.parent / "_build" / ".tables").glob("trm-6x6-auc_lambda_1.*.parquet"))
    other = Run(trm.name, trm.meta, trm.table.assign(lambda_1=-trm.table.lambda_1))
    assert measures.measured(other, only).value.item() == pytest.approx(1 - first.value.item())
    measures.measured(trm, only)
    monkeypatch.delitem(measures.MEASURES, "auc_lambda_1")  # what is kept is not computed
    pd.testing.assert_frame_equal(measures.measured(trm, only), first)


def test_the_command_prints_json(rrm):
    status, out, _ = rrm("claims", "--run", "hrm-9x9-brief", "--format", "json")
    assert status == 0
    assert {row["id"] for row in json.loads(out)} == {row["id"] for row in claims.rows()}


def test_a_bound_that_is_not_zero_does_not_read_zero():
    assert claims.shown(0.003, 0.0001, 0.0166) == "0.0030 [0.0001, 0.0166]"
    assert claims.shown(0.0, 0.0, 0.0146) == "0.000 [0.000, 0.015]"
    assert claims.shown(0.5, 0.5, 0.5) == "0.500" and claims.shown(*[np.nan] * 3) == "–"


def test_the_ledger_tells_every_run_and_corrects_for_all_of_them(runs):
    two = [runs["hrm-9x9-brief"], runs["trm-6x6"]]
    table = claims.ledger(two)
    assert table.run.value_counts().to_dict() == dict.fromkeys(
        (r.name for r in two), len(claims.rows())
    )
    direction = table.id.isin([row["id"] for row in claims.rows() if row["rule"] == "direction"])
    tested = table[table.q.notna()]
    assert direction[tested.index].all() and tested.q.between(0, 1).all()
    clear = tested.verdict.isin(["holds", "fails"])
    assert (tested.q[clear] < 0.06).all() and (tested.q[~clear] >= 0.05).all()
    some = claims.ledger(two, ["C1"])
    pd.testing.assert_frame_equal(some, table[table.claim == "C1"])
