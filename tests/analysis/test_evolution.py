"""Along the training: tables of checkpoints, and changes between the first and the last."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rrm_core.analysis import cells, evolution, fates, stats


def test_a_checkpoint_is_told_by_its_own_rows(runs):
    run = runs["trm-9x9-brief"]
    table = fates.study(run, "evolution")
    rows = evolution.evolution(run, table)
    assert (rows[list("ABCD")].sum(axis=1) == rows.n).all()
    assert (rows.A + rows.C).tolist() == table.groupby("step", sort=False).correct.sum().tolist()
    part = table[table.step == rows.step.iloc[-1]]
    found, _ = cells.at_otsu(part)
    growth = part.lambda_1.astype("float64") * run.updates_per_segment
    last = rows.iloc[-1]
    assert last["growth D"] == pytest.approx(growth[found == "D"].median())
    assert last["growth wrong"] == pytest.approx(growth[~part.correct].median())
    unit = stats.units(run.table, part.idx)
    assert last["AUC"] == str(stats.auc(-growth, part.correct, unit))  # 256 puzzles on 40 grids
    few = evolution.evolution(run, part[part.correct].head(30))
    assert np.isnan(few["growth wrong"][0]) and not np.isnan(few["growth correct"][0])


def test_changes_are_paired_by_puzzle_and_add_up(runs):
    run = runs["trm-9x9-brief"]
    change = {of: evolution.training_change(run, of) for of in evolution.CHANGES}
    assert change["D - A"].value == pytest.approx(change["D"].value - change["A"].value)
    assert change["D + A"].value == pytest.approx(change["D"].value + change["A"].value)
    n = fates.study(run, "evolution").idx.nunique()
    assert max(change["D"].n, change["A"].n) < change["D - A"].n <= n  # a puzzle counts once
    assert all(e.low < e.value < e.high and "grids" in e.method for e in change.values())
    through = evolution.through_failures(run)
    assert change["D - A"].low > 0 and through == change["D + A"]


def test_the_same_checkpoint_twice_has_not_changed(runs, monkeypatch):
    """A paired bootstrap knows that nothing changed; one of each end alone would not."""
    run = runs["trm-9x9-brief"]
    table = fates.study(run, "evolution")
    last = table[table.step == table.step.max()]
    both = pd.concat([last.assign(step=0), last])
    monkeypatch.setattr(evolution, "study", lambda *_: both)
    found = evolution.training_change(run)
    assert found.value == found.low == found.high == 0


def test_a_training_without_bands_or_study_says_so(runs):
    without = runs["hrm-9x9-brief"]
    assert evolution.training_change(without).reason == "no checkpoint is kept (`rrm checkpoints`)"
    kept = replace(without, meta=without.meta | {"checkpoints": [10, 20]})
    assert evolution.training_change(kept).reason.startswith("needs `rrm study evolution")
    reason = evolution.training_change(runs["trm-6x6"]).reason
    assert "checkpoints needed with a band" in reason or not reason
    assert evolution.multi4_growth_a(runs["hrm-9x9-brief"]).reason.startswith("needs `rrm study")


def test_multi4_is_compared_on_the_same_puzzles(runs, monkeypatch):
    run = runs["trm-6x6"]
    table = fates.study(run, "multi4")
    last = table[table.step == table.step.max()]
    monkeypatch.setattr(cells, "band", lambda values: cells.Band(-1.0, 0, 0, 0, 0, True))
    arms = {arm: last[last.arm == arm].set_index("idx") for arm in ("plain", "multi4")}
    in_d = {arm: ~df.correct & (cells.late_drift(df) >= -1.0) for arm, df in arms.items()}
    found = evolution.multi4_d_mass(run)
    assert found.value == pytest.approx(in_d["multi4"].mean() - in_d["plain"].mean())
    a = arms["multi4"][arms["multi4"].correct & (cells.late_drift(arms["multi4"]) < -1.0)]
    growth = stats.median(a.lambda_1 * run.updates_per_segment).value
    assert evolution.multi4_growth_a(run).value == pytest.approx(growth)
