"""The measurement table, run folders, files: the contract and every way to break it."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rrm_core
from rrm_core.runs import tables
from rrm_core.runs.tables import TableError
from rrm_core.store import files, paths


@pytest.fixture
def df(runs):
    return runs["trm-6x6"].table.head(20).copy()


def test_shipped_runs_are_complete(run):
    df = run.table
    assert len(df) == 2048 and df.idx.is_unique
    assert (~df.correct).sum() >= 150 and df.correct.sum() >= 150
    assert run.meta["puzzles"] == "6x6-test" and run.meta["k"] == 8 and run.meta["segments"] == 16
    assert ("q_continue_01" in df) == (run.meta["model"] == "hrm")
    assert run.updates_per_segment == {"trm": 8, "hrm": 6}[run.meta["model"]]
    assert len(tables.checkpoint_steps(run.meta)) == 10


def test_halted_at_is_the_first_of_segments_1_to_15(run):
    stop = np.stack(
        [
            run.table[f"q_halt_{t:02d}"]
            > (run.table[f"q_continue_{t:02d}"] if run.meta["model"] == "hrm" else 0)
            for t in range(1, 16)
        ],
        1,
    )
    assert (run.table.halted_at == np.where(stop.any(1), stop.argmax(1) + 1, 0)).all()


def test_trajectories_end_in_the_measured_outcome(run):
    boards = tables.read_trajectories(run.name).set_index("idx")
    df = run.table.set_index("idx")
    assert ((boards.answer_16 == df.solution) == df.correct).all() and (
        (boards.answer_04 == df.solution) == df.correct_04
    ).all()
    accuracy = [
        np.mean([a == b for a, b in zip(x, y, strict=True)])
        for x, y in zip(boards.answer_16[:50], df.solution[:50], strict=True)
    ]
    assert np.allclose(accuracy, df.token_acc[:50])


def test_published_tables_name_their_source():
    for name in (
        "runs",
        "separation",
        "spectrum",
        "cells",
        "selector_blind",
        "controls",
        "early_window",
        "evolution",
        "others",
    ):
        table = tables.published(name)
        assert list(table) == [
            "claim",
            "quantity",
            "model",
            "n",
            "value",
            "low",
            "high",
            "source",
            "tag",
        ]
        assert (
            table.value.notna().all()
            and table.source.notna().all()
            and set(table.tag) <= {"P", "S", "I"}
        )
        assert not table.duplicated(["quantity", "model"]).any()
        assert (table.low.isna() == table.high.isna()).all()
    with pytest.raises(TableError, match="no published table 'x'; known: cells"):
        tables.published("x")


def test_published_cells_add_up():
    t = tables.published("cells").set_index(["model", "quantity"]).value
    for model, criterion, n in (
        ("HRM", "otsu", 8192),
        ("HRM", "strict", 8192),
        ("TRM", "otsu", 2048),
        ("TRM (first 512)", "otsu", 512),
    ):
        assert sum(t[model, f"{criterion}_{c}"] for c in "ABCD") == n


def test_a_valid_table_passes(df):
    assert tables.validate(df, updates_per_segment=8) is df


def broken(df, **changes):
    for column, value in changes.items():
        df.loc[df.index[3], column] = value
    return df


@pytest.mark.parametrize(
    "breakage, message",
    [
        (lambda df: df.drop(columns="drift_h_07"), "missing column drift_h_07"),
        (lambda df: broken(df, drift_h_13=np.nan), "drift_h_13 is NaN or infinite at idx 3"),
        (lambda df: broken(df, q_halt_02=np.inf), "q_halt_02 is NaN"),
        (lambda df: broken(df, drift_l_01=-1.0), "drift_l_01 is negative at idx 3"),
        (lambda df: broken(df, idx=2), "duplicated idx 2"),
        (lambda df: df.assign(correct=~df.correct), "correct differs from correct_16"),
        (
            lambda df: df.assign(correct=df.correct.astype(int)),
            "column correct holds int64, expected bool",
        ),
        (lambda df: broken(df, solution="123"), "differ in length at idx 3"),
        (lambda df: df.assign(lambda_1=-df.lambda_1.abs() - 9), "do not descend"),
        (lambda df: df.assign(lambda_1=df.lambda_1 + 1), "not the sum of growths"),
        (lambda df: df.iloc[:0], "no rows"),
    ],
)
def test_a_broken_table_is_refused_by_name(df, breakage, message):
    with pytest.raises(TableError, match=message):
        tables.validate(breakage(df), "here", updates_per_segment=8)


def test_one_class_only_is_a_table_like_any_other(runs):
    solved = runs["trm-6x6"].table.query("correct").head(60).reset_index(drop=True)
    assert tables.validate(solved, updates_per_segment=8) is solved


def test_unreadable_files(tmp_path):
    with pytest.raises(TableError, match="not there; measure"):
        tables.read(tmp_path / "no.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is not parquet PAR1")
    with pytest.raises(TableError, match="not a readable Parquet file"):
        tables.read(tmp_path / "bad.parquet")


@pytest.mark.parametrize("name", ["nope", "trm"])
def test_an_unknown_run_lists_the_known(name):
    with pytest.raises(
        paths.UnknownRun,
        match=f"unknown run '{name}'; known: hrm-6x6, hrm-6x6-late, hrm-6x6-seed1, hrm-6x6-seed2, hrm-9x9-brief, hrm-9x9-small, trm-6x6, trm-6x6-attention, trm-6x6-attention-seed1, trm-6x6-attention-seed2, trm-6x6-seed1, trm-6x6-seed2, trm-9x9-brief, trm-9x9-small",
    ):
        tables.load_run(name)


def test_a_run_of_another_seed_is_a_repeat_of_the_lowest(data_copy):
    base = {
        "model": "trm",
        "side": 4,
        "parameters": 1,
        "updates_per_segment": 6,
        "k": 1,
        "files": {},
        "step": 5,
        "puzzles": "4x4-test",
        "architecture": {"width": 32},
    }
    recipe = {"puzzles": "4x4", "steps": 9, "lr": 0.001}

    def measured(name, seed, meta=None, **changes):
        folder = data_copy / "runs" / name
        folder.mkdir()
        (folder / "run.json").write_text(
            json.dumps(
                base | {"seed": 0, "recipe": recipe | {"seed": seed} | changes} | (meta or {})
            )
        )

    measured("b", 3)
    measured("a", 7, steps=50, log_every=1)  # longer, logged more often: the same weights at step 5
    measured("c", 4, optimiser="adamw")  # the default, spelt out
    measured("copy-of-b", 3)  # the same seed: no repeat
    measured("other-rate", 8, lr=0.01)
    measured("other-step", 8, {"step": 6})
    measured("other-size", 8, {"architecture": {"width": 64}})
    measured("easier", 8, {"extra_givens": 2})
    measured("foreign", 8, {"recipe": None})
    assert tables.repeats() == {"b": ["c", "a"]}
    assert tables.original_names() == [
        "b",
        "copy-of-b",
        "easier",
        "foreign",
        "other-rate",
        "other-size",
        "other-step",
    ]


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", ".hidden", "<img src=x>", "TRM"])
def test_a_run_name_cannot_leave_its_folder(name):
    with pytest.raises(paths.UnknownRun, match="expected lower-case letters"):
        tables.load_run(name)


def test_lambda_at_16_is_lambda_1(run):
    assert np.allclose(
        tables.lambda_at(run.table, 16, run.updates_per_segment), run.table.lambda_1, atol=1e-5
    )
    with pytest.raises(TableError, match="h=17"):
        tables.lambda_at(run.table, 17, run.updates_per_segment)


def test_data_is_found_by_variable_then_parent_then_checkout(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RRM_DATA", raising=False)
    assert paths.data_dir() == root / "data"  # the installed checkout
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "MANIFEST").write_text("")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert paths.data_dir() == tmp_path / "data"
    monkeypatch.setenv("RRM_DATA", str(tmp_path / "elsewhere"))
    assert paths.data_dir() == tmp_path / "elsewhere"


# --- files -------------------------------------------------------------------------------------------------------


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    files.write_bytes(b"old", path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device.*earlier file is kept"):
        files.write_bytes(b"new", path)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_really_full_device_is_reported_by_the_system():
    with (
        pytest.raises(OSError, match="No space left"),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_a_kill_while_saving_leaves_the_old_file(tmp_path):
    """The process dies between writing and renaming, as a SIGKILL there would do."""
    import subprocess
    import sys

    path = tmp_path / "state.bin"
    files.write_bytes(b"old", path)
    code = f"import os; os.replace = lambda *a: os.kill(os.getpid(), 9)\nfrom rrm_core.store.files import write_bytes\nwrite_bytes(b'new' * 1000, {str(path)!r})"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9 and path.read_bytes() == b"old"
    files.write_bytes(b"newer", path)
    assert path.read_bytes() == b"newer"


def test_truncated_weights_are_refused(tmp_path, root):
    from rrm_core.models.recursive import ModelError
    from rrm_core.models.weights import load_model

    folder = tmp_path / "run"
    shutil.copytree(root / "data" / "runs" / "trm-6x6", folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="model.safetensors"):
        load_model(folder)


def test_run_json_lists_every_file(run):
    folder = paths.run_dir(run.name)
    listed = json.loads((folder / "run.json").read_text())["files"]
    assert set(listed) == {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    } - {"run.json"}
    assert all(files.sha256(folder / name) == digest for name, digest in listed.items())
