"""Picking and giving up, against tables small enough to count by hand."""

import numpy as np
import pandas as pd
import pytest

from rrm_core.analysis import fates, selection, stats


def test_the_gain_of_picking_is_that_of_the_table(runs, monkeypatch):
    run = runs["trm-6x6-attention"]
    table = fates.study(run, "restarts")
    drawn = table[table.restart > 0].sort_values("q_halt")
    picked = drawn.groupby("idx").correct.last().astype(float)
    correct = run.table.set_index("idx").correct
    weight = correct[picked.index].map(
        correct.value_counts() / correct[picked.index].value_counts()
    )
    single = {
        False: drawn.groupby("idx").correct.mean(),
        True: table[table.restart == 0].set_index("idx").correct.astype(float),
    }
    for stored, one in single.items():
        gain = picked - one[picked.index]
        found = selection.selection_gain(run, stored=stored)
        assert found.value == pytest.approx(np.average(gain, weights=weight), abs=1e-6)
        plain = stats.mean(gain.to_numpy(), weight.to_numpy())
        assert found.low < plain.low and found.high > plain.high, "restarts are drawn, too"
    one = table[table.restart == 1].drop(columns="restart")
    same = one.merge(pd.DataFrame({"restart": range(1, 17)}), how="cross")
    monkeypatch.setattr(fates, "study", lambda *_: pd.concat([table[table.restart == 0], same]))
    nothing = selection.selection_gain(run)  # one draw, sixteen times: nothing to gain
    assert [nothing.value, nothing.low, nothing.high] == pytest.approx([0, 0, 0], abs=1e-12)


def test_giving_up_the_worse_half_counts_later_successes(runs):
    run = runs["hrm-9x9-brief"]
    wrong = run.table[~run.table.correct_04].sort_values("q_halt_04", kind="stable")
    worse = wrong.head(-(-len(wrong) // 2))
    found = selection.pruned_successes(run, "q_halt")
    assert found.value == pytest.approx(worse.correct.sum() / wrong.correct.sum())
    assert found.n == wrong.correct.sum()
    late = wrong[wrong.correct].head(3)
    few = type(run)(
        run.name, run.meta, run.table[~run.table.correct | run.table.idx.isin(late.idx)]
    )
    assert selection.pruned_successes(few, "q_halt").reason == "n < 20 (3)"


def test_a_run_without_exponents_gives_up_by_none(runs):
    run = runs["trm-6x6"]
    kept = [c for c in run.table if not c.startswith(("growth_", "lambda_"))]
    bare = type(run)(run.name, run.meta, run.table[kept])
    found = selection.pruned_successes(bare, "lambda1")
    assert np.isnan(found.value) and "lambda1" in found.reason


def test_a_gain_of_few_puzzles_says_why_it_is_none(runs, monkeypatch):
    run = runs["trm-6x6-attention"]
    table = fates.study(run, "restarts")
    few = table[table.idx.isin(table.idx.unique()[:16])]
    monkeypatch.setattr(fates, "study", lambda *_: few)
    assert str(selection.selection_gain(run)) == "cannot be measured: n < 20 (16)"
