"""What states do in the end, by rules that a reader can check on the study's table."""

import dataclasses

import numpy as np
import pytest

from rrm_core.analysis import cells, fates, motion, stats
from rrm_core.runs import tables
from rrm_core.store import paths


@pytest.fixture(scope="module")
def followed():
    """[(run, its study `recurrence`)] of the shipped runs that have one, repeats among them."""
    every = [tables.load_run(name) for name in paths.run_names()]
    made = [(run, fates.study(run, "recurrence")) for run in every]
    return [(run, table) for run, table in made if table is not None]


def test_every_motion_is_told_by_its_rule(followed):
    assert followed
    for run, table in followed:
        told, otsu = motion.motions(run, table), cells.band_of(run).otsu
        of = {name: told[told.motion == name] for name in motion.MOTIONS}
        assert (told.motion == "at rest").equals(table.late_256 < otsu)
        assert (of["on a cycle"].return_256 < otsu).all()
        assert (of["parting"].growth_256 > motion.PARTING).all()
        assert not (of["regular"].growth_256 > motion.PARTING).any()
        assert not (of["regular"].return_256 < otsu).any()


def test_counts_cover_every_puzzle_of_every_run(followed):
    counts = motion.counted(followed)
    assert (
        counts.groupby(["run", "outcome"]).n.sum()
        == counts.groupby(["run", "outcome"])["of"].first()
    ).all()
    assert counts.groupby("run").n.sum().to_dict() == {run.name: len(t) for run, t in followed}
    assert motion.counted([]).empty


def test_shares_are_of_the_failures_that_the_words_name(followed):
    for run, table in followed:
        failed = motion.motions(run, table)[~table.correct_in_table]
        wrong = ~failed.correct_256
        held = wrong & failed.motion.isin(["at rest", "on a cycle"])
        assert motion.attracted(run).value == pytest.approx(held.mean())
        moving = failed[wrong & (failed.motion != "at rest")]
        found = motion.parting(run)
        assert np.isnan(found.value) == (len(moving) < stats.SMALLEST)
        if not np.isnan(found.value):
            assert found.value == pytest.approx((moving.motion == "parting").mean())
            assert found.n == len(moving)


def test_without_a_threshold_nothing_rests_and_nothing_moves(followed, monkeypatch):
    run, table = followed[0]
    band = dataclasses.replace(cells.band_of(run), otsu=np.nan, exists=False)
    monkeypatch.setattr(cells, "band_of", lambda *_: band)
    assert motion.parting(run).reason == "no threshold on late drift"
    assert motion.counted([(run, table)]).empty
