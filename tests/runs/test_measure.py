"""Measuring: independent of order and sharding, resumable, sealed; and the checks of data/."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from rrm_core.dynamics.rollout import unroll
from rrm_core.models.recursive import tokens
from rrm_core.models.weights import load_model
from rrm_core.runs import measure
from rrm_core.runs.measure import MeasureError
from rrm_core.store import manifest, parts
from rrm_core.sudoku import sets as puzzles
from rrm_core.training import trainer as train


@pytest.fixture(scope="module")
def model(smoke_training):
    torch.set_num_threads(1)
    return load_model(train.checkpoints(smoke_training)[120])


@pytest.fixture(scope="module")
def frame():
    return measure.subset("4x4-test", 50)


def test_order_does_not_matter(model, frame):
    table, texts = measure.rows(model, frame, k=3)
    order = np.random.default_rng(0).permutation(len(frame))
    shuffled, shuffled_texts = measure.rows(model, frame.iloc[order], k=3)
    pd.testing.assert_frame_equal(table.iloc[order].reset_index(drop=True), shuffled)
    pd.testing.assert_frame_equal(texts.iloc[order].reset_index(drop=True), shuffled_texts)


def test_sharding_and_resuming_do_not_matter(model, frame, tmp_path):
    key = {"k": 2}
    assert not measure.measure_parts(model, frame, tmp_path / "two", key, (0, 2), 16, k=2)
    assert measure.measure_parts(model, frame, tmp_path / "two", key, (1, 2), 16, k=2)
    assert measure.measure_parts(model, frame, tmp_path / "one", key, (0, 1), 16, k=2)
    for name in sorted(p.name for p in (tmp_path / "one").glob("*.parquet")):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    lost = tmp_path / "one" / "part_000016.parquet"
    before, others = (
        lost.read_bytes(),
        {p: p.stat().st_mtime_ns for p in (tmp_path / "one").glob("part_*") if p != lost},
    )
    lost.unlink()
    assert measure.measure_parts(model, frame, tmp_path / "one", key, size=16, k=2)
    assert lost.read_bytes() == before and all(p.stat().st_mtime_ns == t for p, t in others.items())
    with pytest.raises(parts.PartError, match=r"parts of another measurement: \{'k': \(2, 3\)\}"):
        measure.measure_parts(model, frame, tmp_path / "one", {"k": 3}, size=16, k=3)
    lost.write_bytes(before[:-9])
    assert measure.measure_parts(model, frame, tmp_path / "one", key, size=16, k=2), (
        "a damaged part is measured again"
    )
    assert lost.read_bytes() == before


def test_columns_mean_what_they_say(model, frame):
    table, texts = measure.rows(model, frame, k=2)
    boards, solutions = puzzles.boards(frame)
    alone = unroll(model, tokens(boards), k=0)
    answer = alone.answer.numpy() - 1
    assert (table.correct == (answer[:, -1] == solutions).all(-1)).all()
    assert np.allclose(table.drift_h_03, alone.drift_h[:, 2], rtol=1e-3)
    kept = unroll(model, tokens(boards), k=0, keep=3)
    assert (
        alone.recent.shape[1] == 0
        and kept.recent.shape[1] == 3
        and (kept.recent[:, -1] == kept.state[0]).all()
    )
    moved = (kept.recent[:, 1:] - kept.recent[:, :-1]).double().flatten(2).norm(dim=2)
    assert np.allclose(moved, kept.drift_h[:, -2:])
    blank = boards == 0
    assert np.allclose(
        table.blank_acc,
        [(a == s)[b].mean() for a, s, b in zip(answer[:, -1], solutions, blank, strict=True)],
        atol=1e-6,
    )
    assert list(texts) == ["idx"] + [f"answer_{t:02d}" for t in range(1, 17)]


def test_bad_requests_are_refused(model, tmp_path):
    with pytest.raises(MeasureError, match="has 256 puzzles; ask for 1..256"):
        measure.subset("4x4-test", 257)
    with pytest.raises(MeasureError, match="ask for 1..3"):
        measure.keep_checkpoints(train_folder(tmp_path), tmp_path / "run", 9)
    with pytest.raises(MeasureError, match="has 0 checkpoints up to step 0; ask for a later step"):
        measure.keep_checkpoints(train_folder(tmp_path / "b"), tmp_path / "run", 1, to=0)
    with pytest.raises(MeasureError, match="k=0 tangents: a run has one exponent at least"):
        measure.run(
            train.checkpoints(train_folder(tmp_path / "c"))[3],
            tmp_path / "run",
            "4x4-test",
            32,
            k=0,
        )
    assert not (tmp_path / "run").exists()


def train_folder(tmp_path):
    folder = tmp_path / "training"
    train.Trainer(
        *train.preset("smoke", steps=3, batch=4, eval_every=3, eval_puzzles=4, checkpoint_every=1),
        folder,
    ).run(progress=False)
    return folder


@pytest.fixture
def measured(smoke_training, data_copy):
    out = data_copy / "runs" / "smoke"
    measure.run(train.checkpoints(smoke_training)[120], out, "4x4-test", 40, k=2, command="a test")
    manifest.record([p for p in out.rglob("*") if p.is_file()], "a test")
    return out


def test_a_run_is_complete_sealed_and_recomputable(measured):
    meta = json.loads((measured / "run.json").read_text())
    assert (
        meta["n"] == 40
        and meta["step"] == 120
        and meta["updates_per_segment"] == 6
        and meta["recipe"]["steps"] == 120
    )
    assert meta["parameters"] == sum(p.numel() for p in load_model(measured).parameters())
    assert not (measured / "parts").exists()
    assert [line for line in manifest.verify() if "smoke" in line] == []
    again = measure.recompute("smoke", 4)
    assert (
        again.agrees.all()
        and again["same outcome"].all()
        and np.allclose(again["lambda_1 shipped"], again["lambda_1 now"], atol=1e-4)
    )


def test_verify_sees_every_kind_of_damage(measured):
    table = measured / "measurements.parquet"
    original = table.read_bytes()
    table.write_bytes(original[:-1])
    assert any(
        "measurements.parquet: its SHA-256 is not the one" in line for line in manifest.verify()
    )
    table.unlink()
    assert any("listed in MANIFEST, not there" in line for line in manifest.verify())
    table.write_bytes(original)
    (measured / "extra.txt").write_text("x")
    assert any("extra.txt: there, not listed" in line for line in manifest.verify())


def test_recompute_notices_other_weights(measured, smoke_training):
    other = train.checkpoints(smoke_training)[80]
    shutil.copy(other / "model.safetensors", measured / "model.safetensors")
    assert not measure.recompute("smoke", 4).agrees.any()


def test_bfloat16_weights_stay_in_bfloat16(measured, smoke_training, data_copy):
    measure.keep_checkpoints(smoke_training, measured, 1)
    rounded = measured / "checkpoints" / "step_000120"
    out = measure.run(rounded, data_copy / "runs" / "rounded", "4x4-test", 32, k=1)
    assert (out / "model.safetensors").read_bytes() == (rounded / "model.safetensors").read_bytes()
    written = measure.measured_at(out)
    assert (
        measure.run(rounded, out, "4x4-test", 32, k=1) == out
        and measure.measured_at(out) == written
    ), "the same measurement is not repeated"
    with pytest.raises(MeasureError, match="measured already with other settings: {'weights'"):
        measure.run(train.checkpoints(smoke_training)[120], out, "4x4-test", 32, k=1)


def test_keeping_checkpoints(measured, smoke_training):
    measure.keep_checkpoints(smoke_training, measured, 2)
    meta = json.loads((measured / "run.json").read_text())
    assert meta["checkpoints"] == [80, 120] and meta["checkpoint_dtype"] == "bfloat16"
    kept = load_model(train.checkpoints(measured)[120]).state_dict()
    full = load_model(train.checkpoints(smoke_training)[120]).state_dict()
    assert all(
        torch.equal(kept[name].float(), full[name].to(torch.bfloat16).float())
        for name in full
        if full[name].is_floating_point()
    )


def test_keeping_checkpoints_up_to_a_step(measured, smoke_training):
    measure.keep_checkpoints(smoke_training, measured, 1, to=90)
    assert list(train.checkpoints(measured)) == [80] and json.loads(
        (measured / "run.json").read_text()
    )["checkpoints"] == [80]


def test_the_shipped_data_are_as_shipped():
    assert manifest.verify() == []


def test_shipped_rows_come_from_the_shipped_weights(run):
    table = measure.recompute(run.name, 2, seed=1)
    assert table.agrees.all(), table.to_string()


def test_rows_measured_on_a_gpu_are_those_of_a_cpu_as_long_as_round_off_is_small():
    table = measure.recompute("trm-9x9-brief", 1, seed=1, whole=False)
    assert table.agrees.all() and list(table) == ["idx", "largest early difference", "agrees"], (
        table.to_string()
    )
