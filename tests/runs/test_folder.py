"""A run's folder: measured in parts, resumable, sealed, its rows made again from its weights."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rrm_core.models.config import ModelError
from rrm_core.models.weights import load_model, stored_digest
from rrm_core.runs import folder, measure, tables
from rrm_core.runs.folder import Settings
from rrm_core.runs.measure import MeasureError
from rrm_core.runs.schema import TableError
from rrm_core.store import manifest, paths
from rrm_core.training import recipes
from rrm_core.training.saving import checkpoints
from rrm_core.training.trainer import Trainer


def meta_of(out):
    return json.loads((out / "run.json").read_text())


def files_of(out):
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in out.glob("*.*")}


@pytest.fixture
def measured(smoke_training, data_copy):
    out = data_copy / "runs" / "smoke"
    folder.make(checkpoints(smoke_training)[120], out, Settings("4x4-test", 40, k=2))
    manifest.record([p for p in out.rglob("*") if p.is_file()], "a test")
    return out


# --- parts --------------------------------------------------------------------------------------


def test_sharding_and_resuming_do_not_matter(smoke_training, data_copy):
    checkpoint, settings = checkpoints(smoke_training)[120], Settings("4x4-test", 80, k=2)
    one, two = (data_copy / "runs" / name for name in ("one", "two"))
    assert folder.make(checkpoint, two, settings, shard=(1, 2)) is None
    (part,) = (two / "parts").glob("*/*")
    kept = part.stat().st_mtime_ns
    assert folder.make(checkpoint, two, settings, shard=(1, 2)) is None
    assert part.name == "part_000032.parquet" and part.stat().st_mtime_ns == kept
    assert folder.make(checkpoint, two, settings, shard=(0, 2)) == two
    assert folder.make(checkpoint, one, settings) == one
    for name in (*folder.TABLES, "model.safetensors"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    assert not (two / "parts").exists()


def test_rows_that_are_no_numbers_are_never_kept(smoke_training, tmp_path, monkeypatch):
    """As after a fault of a GPU: they stood in a part, and every later call failed at its end."""
    checkpoint, settings = checkpoints(smoke_training)[120], Settings("4x4-test", 40, k=1)
    rows, out = measure.rows, tmp_path / "run"

    def faulty(model, frame, **options):
        table, texts = rows(model, frame, **options)
        return table.assign(q_halt_03=np.float32(np.nan)), texts

    monkeypatch.setattr(measure, "rows", faulty)
    with pytest.raises(TableError, match="column q_halt_03 is NaN or infinite at idx 0, 1, 2"):
        folder.make(checkpoint, out, settings)
    assert not list(out.rglob("*.parquet"))
    monkeypatch.setattr(measure, "rows", rows)
    assert folder.make(checkpoint, out, settings) == out


def test_parts_of_another_measurement_are_left_alone(smoke_training, tmp_path):
    checkpoint, out = checkpoints(smoke_training)[120], tmp_path / "run"
    assert folder.make(checkpoint, out, Settings("4x4-test", 64, k=2), shard=(1, 2)) is None
    (part,) = (out / "parts").glob("*/*")
    before = part.read_bytes()
    assert folder.make(checkpoint, out, Settings("4x4-test", 64, k=3), shard=(1, 2)) is None
    assert len(list((out / "parts").glob("*/*"))) == 2 and part.read_bytes() == before
    assert folder.make(checkpoint, out, Settings("4x4-test", 64, k=3), shard=(0, 2)) == out
    assert [p for p in (out / "parts").glob("*/*")] == [part]
    assert "growth_3_16" in tables.read(out / "measurements.parquet")


def test_a_finished_run_is_not_made_again_and_another_not_overwritten(measured, smoke_training):
    checkpoint, before = checkpoints(smoke_training)[120], files_of(measured)
    assert folder.make(checkpoint, measured, Settings("4x4-test", 40, k=2)) == measured
    assert files_of(measured) == before
    for other in (Settings("4x4-test", 40, k=1), Settings("4x4-test", 40, k=2, dtype="float64")):
        with pytest.raises(
            MeasureError, match=r"measured already with other settings: {'(k|dtype)"
        ):
            folder.make(checkpoint, measured, other)
    assert files_of(measured) == before


def test_replacing_other_weights_removes_what_belonged_to_them(measured, smoke_training):
    folder.keep_checkpoints(smoke_training, measured, 1)
    settings = Settings("4x4-test", 40, k=2)
    folder.make(checkpoints(smoke_training)[80], measured, settings, replace=True)
    assert not (measured / "checkpoints").exists() and meta_of(measured)["step"] == 80


def test_replacing_with_other_puzzles_removes_the_studies_and_more_tangents_do_not(
    measured, smoke_training
):
    def again(**changes):
        (measured / "studies").mkdir(exist_ok=True)
        (measured / "studies" / "long.json").write_text("{}")
        settings = Settings("4x4-test", **{"n": 40, "k": 2} | changes)
        folder.make(checkpoints(smoke_training)[120], measured, settings, replace=True)
        return (measured / "studies" / "long.json").exists()

    assert again(k=1) and "studies/long.json" in meta_of(measured)["files"]
    for changes in ({"extra_givens": 4}, {"n": 30}, {"segments": 12}, {"dtype": "float64"}):
        assert not again(**changes), changes
        assert "studies/long.json" not in meta_of(measured)["files"]


def test_a_checkpoint_that_the_run_keeps_is_not_measured_over_it(measured, smoke_training):
    folder.keep_checkpoints(smoke_training, measured, 2)
    before, own = files_of(measured), measured / "checkpoints" / "step_000080"
    with pytest.raises(MeasureError, match="lies in the run to be replaced; choose another --run"):
        folder.make(own, measured, Settings("4x4-test", 24, k=2), replace=True)
    assert files_of(measured) == before and load_model(own)


@pytest.mark.parametrize(
    ("below", "typed"),
    [
        (".", "checkpoints/step_000120"),
        ("checkpoints", "step_000120"),
        ("checkpoints/step_000120", "."),
    ],
)
def test_however_a_checkpoint_is_typed_its_training_is_known(
    below, typed, smoke_training, data_copy, monkeypatch
):
    monkeypatch.chdir(smoke_training / below)
    out = data_copy / "runs" / "typed"
    folder.make(Path(typed), out, Settings("4x4-test", 8, k=1))
    meta = meta_of(out)
    assert (meta["step"], meta["training_steps"], meta["recipe"]["puzzles"]) == (120, 120, "4x4")
    assert (out / "log.csv").exists()


def test_a_run_measured_again_from_its_own_weights_keeps_its_training(measured, data_copy):
    before = meta_of(measured)
    folder.make(measured, measured, Settings("4x4-test", 24, k=1), replace=True)
    after, kept = meta_of(measured), ("step", "recipe", "training_steps", "training_s")
    assert after["n"] == 24 and {n: after[n] for n in kept} == {n: before[n] for n in kept}
    folder.make(measured, data_copy / "runs" / "again", Settings("4x4-test", 8, k=1))
    again = meta_of(data_copy / "runs" / "again")
    assert {n: again[n] for n in kept} == {n: before[n] for n in kept}


def test_another_architecture_with_the_same_weights_is_another_measurement(
    measured, smoke_training, tmp_path
):
    """The number of cycles is in no weight."""
    other = Path(shutil.copytree(checkpoints(smoke_training)[120], tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"H_cycles": config["H_cycles"] + 1}))
    before, settings = files_of(measured), Settings("4x4-test", 40, k=2)
    with pytest.raises(MeasureError, match=r"measured already with other settings: {'architecture"):
        folder.make(other, measured, settings)
    assert files_of(measured) == before
    folder.make(other, measured, settings, replace=True)
    meta = meta_of(measured)
    assert meta["updates_per_segment"] > 2 and meta["architecture"] == config | {
        "H_cycles": config["H_cycles"] + 1
    }
    assert load_model(measured).config.H_cycles == config["H_cycles"] + 1


def test_a_kill_before_the_seal_loses_nothing_of_the_training(measured, monkeypatch):
    before, settings = meta_of(measured), Settings("4x4-test", 24, k=1)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(folder, "seal", killed)
        with pytest.raises(KeyboardInterrupt):
            folder.make(measured, measured, settings, replace=True)
    assert not (measured / "run.json").exists()
    folder.make(measured, measured, settings, replace=True)
    after = meta_of(measured)
    for name in ("step", "recipe", "training_steps", "training_s"):
        assert after[name] == before[name] and after[name], name


def test_with_another_start_frame_studies_of_tangents_go(measured, smoke_training):
    for changes in ({"seed": 7}, {"k": 1}):
        (measured / "studies").mkdir(exist_ok=True)
        for name in ("long.json", "frames.json"):
            (measured / "studies" / name).write_text("{}")
        settings = Settings("4x4-test", **{"n": 40, "k": 2} | changes)
        folder.make(checkpoints(smoke_training)[120], measured, settings, replace=True)
        assert [path.name for path in (measured / "studies").iterdir()] == ["long.json"]


def test_a_set_that_holds_other_puzzles_by_now_is_another_measurement(measured, smoke_training):
    path = measured.parents[1] / "puzzles" / "4x4-test.csv.gz"
    table = pd.read_csv(path, dtype={"puzzle": str, "solution": str})
    table.iloc[::-1].to_csv(path, index=False)
    checkpoint, settings = checkpoints(smoke_training)[120], Settings("4x4-test", 40, k=2)
    with pytest.raises(MeasureError, match=r"measured already with other settings: \{'boards'"):
        folder.make(checkpoint, measured, settings)
    folder.make(checkpoint, measured, settings, replace=True)
    assert tables.read(measured / "measurements.parquet").puzzle[0] == table.puzzle.iloc[-1]


def test_a_set_of_another_side_and_no_puzzle_at_all_are_refused(smoke_training, data_copy):
    checkpoint, out = checkpoints(smoke_training)[120], data_copy / "runs" / "x"
    with pytest.raises(MeasureError, match="'6x6-test' has 36 cells a board, the model wants 16"):
        folder.make(checkpoint, out, Settings("6x6-test", 8))
    for n in (0, -3, 10**6):
        with pytest.raises(MeasureError, match=f"n={n}: '4x4-test' has [0-9]+ puzzles; ask for 1"):
            folder.make(checkpoint, out, Settings("4x4-test", n))
    with pytest.raises(ModelError, match=r"measure .*step_000120"):
        folder.make(smoke_training, out, Settings("4x4-test", 8))
    assert not out.exists()


@pytest.mark.parametrize(
    ("extra", "message"), [(-3, "extra_givens=-3"), (16, "has [0-9]+ blanks: ask for fewer")]
)
def test_extra_givens_that_no_puzzle_can_take_are_refused_before_measuring(
    smoke_training, data_copy, extra, message
):
    with pytest.raises(MeasureError, match=message):
        settings = Settings("4x4-test", 8, extra_givens=extra)
        folder.make(checkpoints(smoke_training)[120], data_copy / "runs" / "x", settings)
    assert not (data_copy / "runs" / "x").exists()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"k": -1}, "k=-1 tangents"),
        ({"dtype": "half"}, "expected one of float64, float32, bfl"),
        ({"dtype": "bfloat16", "k": 2}, "k=2 tangents in bfloat16, which rounds them"),
        ({"segments": 4}, "segments=4: expected 5, more than the window of late drift, to 99"),
    ],
)
def test_settings_that_give_no_run_are_refused(settings, message):
    with pytest.raises(MeasureError, match=message):
        Settings("4x4-test", 32, **settings)


# --- sealing ------------------------------------------------------------------------------------


def test_a_run_is_complete_sealed_and_recomputable(measured):
    meta = meta_of(measured)
    assert meta["n"] == 40 and meta["step"] == 120 and meta["updates_per_segment"] == 3
    assert meta["recipe"]["steps"] == 120 and meta["dtype"] == "float32"
    assert meta["weights"] == meta["files"]["model.safetensors"] == stored_digest(measured)
    assert meta["parameters"] == sum(p.numel() for p in load_model(measured).parameters())
    assert not (measured / "parts").exists()
    assert [line for line in manifest.verify() if "smoke" in line] == []
    assert folder.recompute("smoke", 4).agrees.all()


@pytest.mark.parametrize("dtype, k", [("bfloat16", 0), ("float64", 1)])
def test_a_run_in_another_dtype_says_so_and_can_be_made_again(dtype, k, data_copy, smoke_training):
    checkpoint, out = checkpoints(smoke_training)[120], data_copy / "runs" / "other"
    folder.make(checkpoint, out, Settings("4x4-test", 32, k=k, dtype=dtype))
    meta = meta_of(out)
    assert meta["dtype"] == dtype and meta["weights"] == stored_digest(checkpoint)
    assert folder.recompute("other", 4).agrees.all() and tables.load_run("other").meta["k"] == k


def test_verify_sees_every_kind_of_damage(measured):
    table = measured / "measurements.parquet"
    original = table.read_bytes()
    table.write_bytes(original[:-1])
    damage = "measurements.parquet: its SHA-256 is not the one"
    assert any(damage in line for line in manifest.verify())
    table.unlink()
    assert any("listed in MANIFEST, not there" in line for line in manifest.verify())
    table.write_bytes(original)
    (measured / "extra.txt").write_text("x")
    assert any("extra.txt: there, not listed" in line for line in manifest.verify())


def test_recompute_notices_other_weights(measured, smoke_training):
    other = checkpoints(smoke_training)[80]
    shutil.copy(other / "model.safetensors", measured / "model.safetensors")
    assert not folder.recompute("smoke", 4).agrees.any()


# --- checkpoints --------------------------------------------------------------------------------


def test_bfloat16_weights_stay_in_bfloat16(measured, smoke_training, data_copy):
    folder.keep_checkpoints(smoke_training, measured, 1)
    rounded = measured / "checkpoints" / "step_000120"
    out = folder.make(rounded, data_copy / "runs" / "rounded", Settings("4x4-test", 32, k=1))
    assert (out / "model.safetensors").read_bytes() == (rounded / "model.safetensors").read_bytes()
    with pytest.raises(MeasureError, match=r"measured already with other settings: {'weights'"):
        folder.make(checkpoints(smoke_training)[120], out, Settings("4x4-test", 32, k=1))


def test_kept_checkpoints_are_those_of_the_training_in_bfloat16(measured, smoke_training):
    folder.keep_checkpoints(smoke_training, measured, 2)
    meta = meta_of(measured)
    assert meta["checkpoints"] == [80, 120] and meta["checkpoint_dtype"] == "bfloat16"
    kept = load_model(checkpoints(measured)[120]).state_dict()
    full = load_model(checkpoints(smoke_training)[120]).state_dict()
    assert all(torch.equal(kept[name], full[name].to(torch.bfloat16).float()) for name in full)


def test_checkpoints_of_another_training_are_refused(measured, smoke_training, tmp_path):
    folder.keep_checkpoints(smoke_training, measured, 2)
    before, small = meta_of(measured), {"eval_puzzles": 4, "checkpoint_every": 1}
    Trainer(*recipes.preset("smoke", steps=1, batch=4, **small), tmp_path / "b").run(progress=False)
    with pytest.raises(
        MeasureError, match=r"another training than that of smoke: {.*'batch': \(4, "
    ):
        folder.keep_checkpoints(tmp_path / "b", measured, 1)
    assert list(checkpoints(measured)) == [80, 120] and meta_of(measured) == before


def test_what_lies_beside_the_checkpoints_is_left_alone(measured, smoke_training):
    folder.keep_checkpoints(smoke_training, measured, 2)
    (measured / "checkpoints" / "notes.txt").write_text("mine")
    shutil.copytree(checkpoints(measured)[80], measured / "checkpoints" / "step_000080_backup")
    assert list(checkpoints(measured)) == [80, 120]
    folder.keep_checkpoints(smoke_training, measured, 1)
    left = sorted(path.name for path in (measured / "checkpoints").iterdir())
    assert left == ["notes.txt", "step_000080_backup", "step_000120"]
    assert "checkpoints/step_000120/config.json" in meta_of(measured)["files"]


def test_keeping_checkpoints_up_to_a_step(measured, smoke_training):
    folder.keep_checkpoints(smoke_training, measured, 1, to=90)
    assert list(checkpoints(measured)) == [80] and meta_of(measured)["checkpoints"] == [80]


def test_checkpoints_that_a_training_lacks_are_refused(tmp_path):
    small = {"steps": 3, "batch": 4, "eval_every": 3, "eval_puzzles": 4, "checkpoint_every": 1}
    recipe = recipes.preset("smoke", **small)
    Trainer(*recipe, tmp_path).run(progress=False)
    with pytest.raises(MeasureError, match=r"has 3 checkpoints; ask for as many"):
        folder.keep_checkpoints(tmp_path, tmp_path / "run", 9)
    with pytest.raises(MeasureError, match="has 0 checkpoints up to step 0; ask for"):
        folder.keep_checkpoints(tmp_path, tmp_path / "run", 1, to=0)
    assert not (tmp_path / "run").exists()


def test_the_kept_checkpoints_of_a_training_are_there_or_have_their_digest(runs):
    there = {name: list(checkpoints(paths.run_dir(name))) for name in runs}
    assert len(there["trm-6x6"]) == 7  # from one of these the study multi4 starts
    for name, run in runs.items():
        elsewhere = run.meta.get("checkpoints_elsewhere", {}).get("sha256", {})
        assert there[name] == run.meta.get("checkpoints", [])
        assert all(len(digest) == 64 for digest in elsewhere.values())


# --- what ships ---------------------------------------------------------------------------------


def test_the_shipped_data_are_as_shipped():
    assert manifest.verify() == []


@pytest.mark.parametrize("name", ["trm-6x6", "hrm-6x6", "trm-9x9-brief", "hrm-9x9-brief"])
def test_shipped_rows_come_from_the_shipped_weights(name):
    n = 1 if "brief" in name else 2  # measured on a GPU, in another order of additions
    table = folder.recompute(name, n, seed=1)
    assert table.agrees.all(), table.to_string()
    assert np.isfinite(table["largest early difference"]).all()


def test_a_run_in_shards_names_the_whole_and_each_file():
    out = paths.run_dir("hrm-9x9-brief")
    meta = meta_of(out)
    assert meta["weights"] == tables.weights_digest(meta) == stored_digest(out)
    assert "model.safetensors" not in meta["files"] and meta["parameters"] == 27_275_266
    assert {name for name in meta["files"] if name.startswith("model")} == {
        "model.safetensors.index.json",
        *(f"model-0000{i}-of-00004.safetensors" for i in (1, 2, 3, 4)),
    }
    assert all(p.stat().st_size <= 16 * 2**20 for p in out.rglob("*"))
