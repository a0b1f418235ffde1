"""The study that records puzzles to be watched, on a small run."""

import numpy as np
import pytest
import torch

from rrm_core import studies
from rrm_core.analysis import phases
from rrm_core.runs import folder, tables
from rrm_core.runs.folder import Settings
from rrm_core.runs.tables import columns, log_drift
from rrm_core.studies import recorded


@pytest.fixture
def small(data_copy, smoke_training, monkeypatch):
    """A measured run of the smoke model, recorded to 32 segments: (the study's table, the run)."""
    checkpoint = smoke_training / "checkpoints" / "step_000120"
    folder.make(checkpoint, data_copy / "runs" / "small", Settings("4x4-test", 24, k=1))
    for name, value in {"HORIZON": 32, "STILL_WRONG": 1, "EACH": 3}.items():
        monkeypatch.setattr(recorded, name, value)
    return tables.read(studies.run("recorded", "small")[0]), tables.load_run("small")


def test_what_is_recorded_begins_as_the_run_did(small):
    found, run = small
    table = run.table
    slow = table[table.correct & (phases.last_wrong(table) >= 1)].head(3)
    failed = table[~table.correct].head(3)
    assert len(slow) and len(failed)
    assert found.idx.unique().tolist() == [*failed.idx, *slow.idx]
    for idx, part in found.groupby("idx"):
        own = table.set_index("idx").loc[idx]
        assert part.segment.tolist() == [*range(1, 17), 24, 32]
        assert (part.right == (part.answer == own.solution)).all()
        assert (part.correct_in_table == own.correct).all()
        drift = log_drift(own[columns("drift_h")].to_numpy("float64"))
        assert np.allclose(part.drift[:4], drift[:4], atol=1e-3)
        assert np.allclose(part.growth[:4], own[columns("growth_1")].astype(float)[:4], atol=1e-3)
        assert part.growth[:16].notna().all() and part.growth[16:].isna().all()
        # a shadow is no longer than what throws it
        steps = np.hypot(np.diff(part.x), np.diff(part.y))[:15]
        assert (steps <= 10 ** part.drift.to_numpy()[1:16] * 1.01 + 1e-6).all()
        assert part.explained.nunique() == 1 and 0 < part.explained.iloc[0] <= 1 + 1e-6


def test_the_plane_is_that_of_the_main_directions():
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(9, 2)) * [3.0, 1.0]
    axes, _ = np.linalg.qr(rng.normal(size=(60, 2)))
    xy, share = recorded.plane(torch.as_tensor((flat @ axes.T + 5).reshape(9, 6, 10)))
    gaps = [np.linalg.norm(a[:, None] - a[None], axis=-1) for a in (flat, xy)]
    assert np.allclose(*gaps) and share == pytest.approx(1)
    assert (xy[0] <= 0).all() and xy.mean(0) == pytest.approx([0, 0], abs=1e-9)
    assert xy[:, 0].std() > xy[:, 1].std()
    noise = rng.normal(size=(9, 60))
    sizes = np.linalg.svd(noise - noise.mean(0), compute_uv=False) ** 2
    assert recorded.plane(torch.as_tensor(noise))[1] == pytest.approx(sizes[:2].sum() / sizes.sum())
