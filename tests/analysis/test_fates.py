"""What becomes of failures: against figures recomputed with pandas alone."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from rrm_core.analysis import cells, fates
from rrm_core.runs.tables import Run, numbered
from rrm_core.store import paths

SEGMENTS = (16, 32, 48, 64, 96, 128, 192, 256)
EXPECTED = {  # shares of the failures at these segments: settled in a wrong place, solved
    "hrm-9x9-brief": (
        (0.015, 0.322, 0.613, 0.741, 0.839, 0.874, 0.889, 0.892),
        (0, 0.055, 0.060, 0.068, 0.075, 0.075, 0.075, 0.075),
    ),
    "trm-9x9-brief": (
        (0.005, 0.014, 0.014, 0.016, 0.018, 0.018, 0.023, 0.023),
        (None, 0.172, 0.211, 0.262, 0.303, 0.333, 0.368, 0.398),
    ),
}


def failed(name):
    """The failures of the study `long` and of the measurements, from their files."""
    folder = paths.data_dir() / "runs" / name
    long = pd.read_parquet(folder / "studies" / "long.parquet")
    long = long[~long.correct_in_table]
    return long, pd.read_parquet(folder / "measurements.parquet").set_index("idx").loc[long.idx]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_two_fates_are_those_of_the_tables(runs, name):
    long, _ = failed(name)
    otsu = cells.band_of(runs[name]).otsu
    first = cells.otsu(cells.late_drift(runs[name].table)).first  # the cut of the expected figures
    for i, t in enumerate(SEGMENTS):
        right, rest = long[f"correct_{t:03d}"], long[f"late_{t:03d}"] < otsu
        shares = {"settled in a wrong place": (~right & rest).mean(), "solved later": right.mean()}
        for (fate, share), expected in zip(shares.items(), EXPECTED[name], strict=True):
            found = fates.fate_at(runs[name], fate, t)
            assert found.value == pytest.approx(share) and found.low <= share <= found.high
            below = (~right & (long[f"late_{t:03d}"] < first)).mean()
            printed = share if fate == "solved later" else below
            assert expected[i] is None or printed == pytest.approx(expected[i], abs=0.0006)
            assert "grids" in found.method and found.n == len(long)


def test_fates_are_shares_of_all_failures(runs):
    long, df = failed("hrm-9x9-brief")
    table = fates.fates(long, -2.0, df.solution.factorize()[0])
    assert (table.groupby("segment").n.sum() == len(long)).all()
    assert (table.groupby("segment").share.sum().round(9) == 1).all()
    assert ((table.low <= table.share) & (table.share <= table.high)).all()


def test_the_halting_head_distrusts_what_settled_in_a_wrong_place(runs):
    long, _ = failed("hrm-9x9-brief")
    rest = ~long.correct_256 & (long.late_256 < cells.band_of(runs["hrm-9x9-brief"]).otsu)
    found = fates.would_halt(runs["hrm-9x9-brief"])
    assert found.value == pytest.approx((long.halted_at[rest] > 0).mean())
    assert found.value == pytest.approx(0.008, abs=0.0006) and found.n == rest.sum()
    assert fates.would_halt(runs["trm-9x9-brief"]).reason == "n < 20 at rest (10)"


@pytest.mark.parametrize(
    ("name", "predictor", "expected"),
    [
        ("hrm-9x9-brief", "slope of log drift, segments 9-16", 0.79),
        ("trm-9x9-brief", "growth, segments 13-16", 0.83),
    ],
)
def test_what_sixteen_segments_foretell(runs, name, predictor, expected):
    long, df = failed(name)
    rest = ~long.correct_256 & (long.late_256 < cells.band_of(runs[name]).otsu)
    at = range(9, 17)
    logs = np.log10(df[[f"drift_h_{t:02d}" for t in at]].astype(float))
    score = {
        "slope of log drift, segments 9-16": [np.polyfit(at, row, 1)[0] for row in logs.to_numpy()],
        "growth, segments 13-16": df[[f"growth_1_{t}" for t in range(13, 17)]].mean(axis=1),
    }[predictor]
    found = fates.predict(runs[name]).set_index("predictor").auc[predictor]
    assert found.value == pytest.approx(roc_auc_score(rest, -np.asarray(score)), abs=1e-6)
    assert found.value == pytest.approx(expected, abs=0.02) and found.low < expected < found.high


def test_a_study_of_other_puzzles_is_no_study(runs, tmp_path, monkeypatch):
    assert fates.study(runs["hrm-9x9-brief"], "evolution") is None
    folder = tmp_path / "studies"
    folder.mkdir()
    pd.DataFrame({"idx": [10**9]}).to_parquet(folder / "long.parquet")
    monkeypatch.setattr(paths, "run_dir", lambda name: tmp_path)
    assert fates.study(runs["hrm-9x9-brief"], "long") is None
    assert fates.fate_at(runs["hrm-9x9-brief"], "solved later").reason.startswith(
        "needs `rrm study"
    )
    assert np.isnan(fates.predict(runs["hrm-9x9-brief"]).auc[0].value)


def test_classes_cover_every_puzzle_once(runs):
    for run in runs.values():
        rows = fates.classes(run)
        assert rows.n.sum() == len(run.table)
        assert rows.groupby("outcome").n.sum()["failure"] == (~run.table.correct).sum()
        late, cut = cells.late_drift(run.table), cells.band_of(run).cut
        inside = rows.set_index("class").n["settled at the end"]
        assert inside == cells.count(cells.assign(late, run.table.correct, cut))["B"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ([1.0] * 14 + [1e-9] * 2, "at rest in the last segments only"),
        ([1.0] * 5 + [1e-9] + [1.0] * 10, "settled and left again (lingering)"),
        ([1.0] * 16, "never settled"),
        ([1.0] * 8 + [1e-9] * 8, "settled at the end"),
    ],
)
def test_lingering_means_in_and_out_again(runs, path, expected):
    drifts = np.tile(np.where(np.arange(60)[:, None] < 30, 1.0, 1e-8), (1, 16))
    drifts[0] = path  # the other 59 give the run its threshold
    columns = {f"drift_h_{t:02d}": drifts[:, t - 1] for t in range(1, 17)}
    wrong = {f"correct_{t:02d}": False for t in range(1, 17)}
    table = runs["trm-6x6"].table.head(60).assign(correct=False, **wrong, **columns)
    rows = fates.classes(Run("x", runs["trm-6x6"].meta, table)).set_index("class").n
    others = {"never settled": 29, "settled at the end": 30}
    assert rows[expected] == others.get(expected, 0) + 1


def test_without_a_threshold_nothing_lingers_or_is_said_not_to(runs):
    run = runs["hrm-6x6"]
    flat = {column: 1.0 for column in numbered(run.table, "drift_h")}
    found = fates.lingering(replace(run, table=run.table.assign(**flat)))
    assert str(found) == "cannot be measured: late drift takes fewer than two values"


def test_without_a_threshold_no_failure_is_said_to_move(runs, monkeypatch):
    run = runs["trm-6x6"]
    before = fates.fate_at(run, "solved later")
    monkeypatch.setattr(cells, "band_of", lambda *_: cells.band(np.zeros(8)))
    for fate in ("still moving", "settled in a wrong place"):
        assert fates.fate_at(run, fate).reason == "no threshold on late drift"
    assert fates.fate_at(run, "solved later") == before
