"""Floor, cells and outcomes by arithmetic; the same measures on other collections."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp, spearmanr

from rrm_core.analysis import arithmetic, cells, elsewhere, fates
from rrm_core.runs import tables
from rrm_core.store import paths


@pytest.fixture
def study(monkeypatch):
    """`study(table)` makes it every study of every run, but that of the official modules."""

    def everywhere(table):
        found = {"official": None}
        monkeypatch.setattr(fates, "study", lambda run, name: found.get(name, table))

    return everywhere


def precise(run, lift):
    """A study of the first 64 puzzles: float32 as the table has it, bfloat16 with a floor."""
    head = run.table.head(64)
    late = cells.late_drift(head)
    parts = {"float32": late, "bfloat16": np.maximum(late, np.log10(lift))}
    rows = {"idx": head.idx, "correct": head.correct}
    return pd.concat(pd.DataFrame({"variant": v, "late": x, **rows}) for v, x in parts.items())


def test_the_floor_is_what_settled_and_solved_puzzles_still_move(runs, study):
    run = runs["trm-6x6-attention"]
    study(precise(run, 0.5))
    found = arithmetic.variants(run).set_index("variant")
    head = run.table.head(64)
    rest = (cells.at_otsu(run.table)[0] == "A")[:64]
    assert found.floor["float32"] == pytest.approx(
        np.median(10 ** cells.late_drift(head)[rest]), rel=0.1
    )
    assert found.floor["bfloat16"] == pytest.approx(0.5, rel=0.01)
    assert (found.swapped == 0).all() and (found.n == 64).all()


def test_a_swapped_outcome_is_counted_against_float32_of_the_study(runs, study):
    run = runs["trm-6x6-attention"]
    table = precise(run, 0.5).reset_index(drop=True)
    table.loc[table.variant == "float32", "correct"] ^= np.arange(64) < 3
    study(table)
    found = arithmetic.variants(run).set_index("variant")
    assert found.swapped.to_dict() == {"float32": 0, "bfloat16": 3}


@pytest.mark.parametrize("name", ["hrm-9x9-brief", "trm-9x9-brief"])
def test_the_official_modules_leave_a_resting_state_moving_as_ours_do(runs, name):
    run = runs[name]
    found = arithmetic.variants(run).set_index("variant")
    theirs, ours = found.loc["official code, bfloat16"], found.loc["bfloat16"]
    assert theirs.n == 128 and theirs.floor == pytest.approx(ours.floor, rel=0.03)
    both = [fates.study(run, "official"), fates.study(run, "precision")]
    both[1] = both[1][(both[1].variant == "bfloat16") & both[1].idx.isin(both[0].idx)]
    failed = [part.late[~part.correct] for part in both]
    assert ks_2samp(*failed).pvalue > 0.05, "failures wander elsewhere, equally far"


def test_noise_is_the_drift_in_bfloat16_beside_the_growth_in_float32(runs, study):
    run = runs["trm-6x6-attention"]
    study(precise(run, 0.5))
    found = arithmetic.noise(run)
    rest = run.table.head(64)[(cells.at_otsu(run.table)[0] == "A")[:64]]
    growth = rest[[f"growth_1_{t}" for t in range(13, 17)]].to_numpy()
    assert found.growth.to_numpy() == pytest.approx(np.median(growth, axis=1), rel=1e-6)
    assert found.drift.median() == pytest.approx(0.5, rel=0.01)
    assert list(found.idx) == list(rest.idx)


def test_a_run_without_the_study_gives_nothing(runs, study):
    study(None)
    run = runs["hrm-6x6"]
    assert arithmetic.variants(run).empty
    assert arithmetic.noise(run).empty and arithmetic.noise(run, along=True).empty
    assert list(elsewhere.found(runs["hrm-6x6"]).collection) == [elsewhere.OWN]


def test_a_collection_is_judged_by_the_runs_own_cut_and_by_a_new_one(runs, study):
    run = runs["trm-6x6-attention"]
    late = cells.late_drift(run.table)
    kept = ["correct", "halted_at", "lambda_1"]
    study(run.table[kept].assign(collection="moved", late=late + 1))
    found = elsewhere.found(run).set_index("collection")
    own, moved = found.loc[elsewhere.OWN], found.loc["moved"]
    assert moved.solved.value == own.solved.value and moved.auc.value == own.auc.value
    assert moved.settled.value < own.settled.value, "a cut of another set"
    assert moved.settled_anew == pytest.approx(own.settled_anew), "its own cut moves with it"


def test_too_few_failures_abroad_are_told_as_a_reason(runs, study):
    run = runs["trm-6x6-attention"]
    solved = run.table[run.table.correct].head(30)
    kept = solved[["correct", "halted_at", "lambda_1"]]
    study(kept.assign(collection="easy", late=cells.late_drift(solved)))
    easy = elsewhere.found(run).set_index("collection").loc["easy"]
    assert (
        easy.solved.value == 1 and "n < 20" in easy.auc.reason and "n < 20" in easy.settled.reason
    )


def test_rounding_is_larger_where_states_shrink_less_and_no_settled_state_grows(runs):
    """What Robustness says in words: within one model something for the guess, nothing against."""
    heard = [arithmetic.noise(tables.load_run(name)) for name in paths.run_names()]
    heard = [rows for rows in heard if len(rows)]
    assert len(heard) == 11 and all(rows.growth.median() < 0 for rows in heard)
    within = [spearmanr(rows.growth, rows.drift) for rows in heard]
    clear = [rho for rho, p in within if p < 0.05]
    assert sum(rho > 0 for rho in clear) == 5 and sum(rho < 0 for rho in clear) == 0
    along = arithmetic.noise(runs["trm-6x6"], along=True)
    steps = along.groupby("step").filter(lambda rows: len(rows) >= 20).groupby("step").median()
    rho, _ = spearmanr(steps.growth, steps.drift)
    assert len(steps) == 5 and rho > 0.75 and 1.2 < steps.drift.max() / steps.drift.min() < 2
    whole = tables.load_run("trm-6x6").table.head(256).set_index("idx").filter(like="drift_h")
    last = along[along.step == along.step.max()]
    creep = 10 ** tables.late(whole.loc[last.idx].to_numpy())
    assert np.median(creep) < 0.1 * last.drift.median(), "drift here is rounding, not creep"
