"""Killed at any moment, work goes on and ends as if nothing had been; a full disk loses nothing.

Four kills each by default; twenty each with ``RRM_KILLS=20 pytest tests/store/test_kills.py``.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rrm_core.models.recursive import RecursiveModel
from rrm_core.models.weights import save_model
from rrm_core.training import recipes, saving

KILLS = int(os.environ.get("RRM_KILLS", 4))


JOBS = [("train", 1), ("measure", 2), ("study", 3), ("import", 4), ("puzzles", 5)]


@pytest.mark.parametrize("what, seed", JOBS)
def test_killed_work_resumes_to_the_same_bytes(what, seed, tmp_path, root):
    command = [
        sys.executable,
        str(Path(__file__).with_name("kills.py")),
        what,
        str(tmp_path),
        str(KILLS),
        str(seed),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"RRM_DATA": str(root / "data")},
        timeout=590,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    print(what, report)
    assert (
        report["kills"] == KILLS
        and report["finished and equal"] >= 1
        and 0 < report["by the clock"] < KILLS
    )


# --- a full disk -----------------------------------------------------------------------------


class SmallDisk:
    """A folder that can be full: a tmpfs of 4 MiB where one may be mounted, else a pretence."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        folder.mkdir()
        done = (
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)],
                capture_output=True,
                check=False,
            )
            if shutil.which("mount")
            else None
        )
        self.real = done is not None and done.returncode == 0

    def fill(self):
        if self.real:
            left = shutil.disk_usage(self.folder).free
            (self.folder / "filler").write_bytes(b"0" * max(left - 8192, 0))
        else:
            self.monkeypatch.setattr(os, "fsync", self.no_space)

    def no_space(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def free(self):
        (self.folder / "filler").unlink() if self.real else self.monkeypatch.undo()

    def close(self):
        if self.real:
            subprocess.run(["umount", str(self.folder)], check=True)


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    disk = SmallDisk(tmp_path / "disk", monkeypatch)
    yield disk
    disk.close()


def bytes_in(folder):
    return {
        p.relative_to(folder): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "filler" and p.suffix != ".lock"
    }


def test_training_on_a_full_disk_keeps_the_last_save(small_disk, rrm):
    folder = small_disk.folder / "training"
    assert rrm("train", "smoke", "--out", folder, "--steps", 2, "--quiet")[0] == 0
    before = bytes_in(folder)
    small_disk.fill()
    status, _, err = rrm("train", "smoke", "--out", folder, "--steps", 4, "--resume", "--quiet")
    assert (
        status == 2
        and err.count("\n") == 1
        and "No space left on device" in err
        and "Free space or choose another folder" in err
    )
    kept = bytes_in(folder)
    noted = json.loads(kept[Path("progress.json")])  # written anew, with the clock of that time
    assert noted["step"] == 2 and list(saving.checkpoints(folder)) == [2]
    assert {n: kept[n] for n in before if n.name != "progress.json"} == {
        n: before[n] for n in before if n.name != "progress.json"
    }
    small_disk.free()
    assert rrm("train", "smoke", "--out", folder, "--steps", 4, "--resume", "--quiet")[0] == 0
    assert json.loads((folder / "progress.json").read_text())["step"] == 4


def test_measuring_on_a_full_disk_goes_on_when_there_is_space(
    small_disk, rrm, monkeypatch, root, tmp_path
):
    data = small_disk.folder / "data"
    (data / "puzzles").mkdir(parents=True)
    shutil.copy(root / "data" / "puzzles" / "4x4-test.csv.gz", data / "puzzles")
    monkeypatch.setenv("RRM_DATA", str(data))
    config = recipes.preset("smoke")[0]
    save_model(RecursiveModel(config), tmp_path / "model")
    command = [
        "measure",
        tmp_path / "model",
        "--run",
        "mine",
        "--puzzles",
        "4x4-test",
        "--n",
        64,
        "--k",
        1,
    ]
    assert rrm(*command)[0] == 0
    run = data / "runs" / "mine"
    expected = bytes_in(run)
    shutil.rmtree(run)
    assert rrm(*command, "--shard", "0/2")[0] == 0
    small_disk.fill()
    before = bytes_in(run)
    status, _, err = rrm(*command)
    assert (
        status == 2
        and "could not write" in err
        and "part_000032.parquet (No space left on device); nothing was written" in err
    )
    assert bytes_in(run) == before and list(run.glob("parts/*/part_000000.parquet"))
    small_disk.free()
    assert rrm(*command)[0] == 0
    found = bytes_in(run)
    assert all(
        found[name] == expected[name]
        for name in map(Path, ("measurements.parquet", "trajectories.parquet", "model.safetensors"))
    )
