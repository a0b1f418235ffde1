"""Runs and their tables: complete, named safely, found, and never half read."""

import json
import shutil

import numpy as np
import pytest

from rrm_core.runs import tables
from rrm_core.runs.tables import TableError
from rrm_core.store import files, paths


def test_shipped_runs_are_complete(run):
    df = run.table
    assert len(df) == 2048 and df.idx.is_unique
    assert (~df.correct).sum() >= 150 and df.correct.sum() >= 150
    assert run.meta["puzzles"] == "6x6-test" and run.meta["k"] == 8 and run.meta["segments"] == 16
    assert ("q_continue_01" in df) == (run.meta["model"] == "hrm")
    assert run.updates_per_segment == {"trm": 8, "hrm": 6}[run.meta["model"]]
    elsewhere = run.meta["checkpoints_elsewhere"]["sha256"]
    assert len(run.meta.get("checkpoints", [])) + len(elsewhere) == 10


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


def test_unreadable_files(tmp_path):
    with pytest.raises(TableError, match="not there; measure"):
        tables.read(tmp_path / "no.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is not parquet PAR1")
    with pytest.raises(TableError, match="not a readable Parquet file"):
        tables.read(tmp_path / "bad.parquet")


@pytest.mark.parametrize("name", ["nope", "trm"])
def test_an_unknown_run_lists_the_known(name):
    known = ", ".join(paths.run_names())
    assert "hrm-9x9-brief, hrm-9x9-small, tiny-6x6, tiny-6x6-seed1, trm-6x6, " in known
    with pytest.raises(ValueError, match=f"unknown run '{name}'; known: {known}"):
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
    with pytest.raises(ValueError, match="expected lower-case letters"):
        tables.load_run(name)


def test_lambda_at_16_is_lambda_1(run):
    assert np.allclose(
        tables.lambda_at(run.table, 16, run.updates_per_segment), run.table.lambda_1, atol=1e-5
    )
    with pytest.raises(TableError, match="h=17"):
        tables.lambda_at(run.table, 17, run.updates_per_segment)


def test_the_same_bytes_are_checked_once_and_others_again(tmp_path, monkeypatch):
    home = tmp_path / "data" / "runs" / "tiny-6x6"
    shutil.copytree(paths.run_dir("tiny-6x6"), home)
    monkeypatch.setenv("RRM_DATA", str(tmp_path / "data"))
    seen = []
    validate = tables.validate
    monkeypatch.setattr(tables, "validate", lambda *a: seen.append(1) or validate(*a))
    first, again = tables.load_run("tiny-6x6"), tables.load_run("tiny-6x6")
    assert len(seen) == 1 and first.table.equals(again.table)
    worse = first.table.assign(token_acc=np.float32("nan"))
    tables.write(worse, home / "measurements.parquet")
    for _ in range(2):  # what is refused is not kept
        with pytest.raises(TableError, match="token_acc is NaN"):
            tables.load_run("tiny-6x6")
    assert len(seen) == 3


def test_run_json_lists_every_file(run):
    folder = paths.run_dir(run.name)
    listed = json.loads((folder / "run.json").read_text())["files"]
    assert set(listed) == {
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()
    } - {"run.json"}
    assert all(files.sha256(folder / name) == digest for name, digest in listed.items())
