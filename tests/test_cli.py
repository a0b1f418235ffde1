"""The commands as a stranger types them: one-line errors with exit status 2, nothing lost."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest

from rrm_core import cli, studies
from rrm_core.runs import tables
from rrm_core.store import manifest
from rrm_core.sudoku import sets as puzzles


def rrm(*arguments, capsys):
    """(exit status, stdout, stderr) of a command, run in this process."""
    status = 0
    argv, sys.argv = sys.argv, ["rrm", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as stop:
        status = stop.code or 0
    finally:
        sys.argv = argv
    out = capsys.readouterr()
    return status, out.out, out.err


def test_solve(capsys):
    status, out, _ = rrm("puzzles", "solve", "12.." + "..1." + "2..." + "...4", capsys=capsys)
    assert status == 0 and "unique: True" in out


@pytest.mark.parametrize(
    "board, message",
    [
        ("11" + "." * 14, "digit 1 stands twice in row 1"),
        ("123", "3 characters"),
        ("123....4" + "." * 8, "has no solution"),
    ],
)
def test_bad_boards_end_in_one_line(board, message, capsys):
    status, _, err = rrm("puzzles", "solve", board, capsys=capsys)
    assert status == 2 and message in err and err.count("\n") == 1


def test_the_help_of_study_names_every_study(capsys):
    status, out, _ = rrm("study", "--help", capsys=capsys)
    assert (
        status == 0
        and f"{{{'|'.join(sorted(studies.NAMES))}}}"
        == "{"
        + "|".join(
            sorted(
                re.search(r"\{([a-z0-9|\s]+)\}", out)[1]
                .replace("\n", "")
                .replace(" ", "")
                .split("|")
            )
        )
        + "}"
    )


def test_from_training_to_a_verified_run(data_copy, tmp_path, capsys):
    folder = tmp_path / "training"
    assert rrm("train", "smoke", "--out", folder, "--steps", 80, "--quiet", capsys=capsys)[0] == 0
    status, _, err = rrm("train", "smoke", "--out", folder, "--quiet", capsys=capsys)
    assert status == 2 and "already holds a training; add --resume" in err
    assert (
        rrm(
            "train", "smoke", "--out", folder, "--steps", 120, "--resume", "--quiet", capsys=capsys
        )[0]
        == 0
    )
    log = pd.read_csv(folder / "log.csv")
    assert log.step.iloc[-1] == 120 and log.step.is_unique
    checkpoint = folder / "checkpoints" / "step_000120"
    assert (
        rrm(
            "measure",
            checkpoint,
            "--run",
            "mine",
            "--puzzles",
            "4x4-test",
            "--n",
            40,
            "--k",
            2,
            capsys=capsys,
        )[0]
        == 0
    )
    assert rrm("checkpoints", folder, "--run", "mine", "--count", 3, capsys=capsys)[0] == 0
    assert json.loads((data_copy / "runs" / "mine" / "run.json").read_text())["command"].startswith(
        "rrm measure"
    )
    status, out, _ = rrm("verify", "--recompute", 2, capsys=capsys)
    missing = [
        line for line in out.splitlines() if "not there" in line
    ]  # this copy of data/ leaves out the shipped runs
    assert (
        all(line.startswith("runs/") for line in missing)
        and "runs/mine" not in out.split("mine\n")[0]
    )
    assert "True" in out


def test_a_training_stopped_before_its_first_log_row_is_measured_and_told(
    data_copy, tmp_path, capsys
):
    assert (
        rrm("train", "smoke", "--out", tmp_path / "t", "--steps", 5, "--quiet", capsys=capsys)[0]
        == 0
    )
    assert (
        rrm(
            "train",
            "smoke",
            "--out",
            tmp_path / "t",
            "--steps",
            6,
            "--resume",
            "--quiet",
            capsys=capsys,
        )[0]
        == 0
    )
    status, _, err = rrm(
        "measure",
        tmp_path / "t" / "checkpoints" / "step_000006",
        "--run",
        "short",
        "--puzzles",
        "4x4-test",
        "--n",
        32,
        "--k",
        1,
        capsys=capsys,
    )
    assert status == 0, err
    assert not [line for line in manifest.verify() if "short" in line]
    assert tables.evaluations("short").empty


def test_a_log_without_an_evaluation_is_said(data_copy, tmp_path, capsys):
    assert (
        rrm("train", "smoke", "--out", tmp_path / "t", "--steps", 20, "--quiet", capsys=capsys)[0]
        == 0
    )  # logs every 20, evaluates every 40
    assert (
        rrm(
            "measure",
            tmp_path / "t" / "checkpoints" / "step_000020",
            "--run",
            "short",
            "--puzzles",
            "4x4-test",
            "--n",
            32,
            "--k",
            1,
            capsys=capsys,
        )[0]
        == 0
    )
    assert len(tables.read_log("short")) == 1 and tables.evaluations("short").empty


def test_a_puzzle_set_is_replaced_only_when_asked(data_copy, tmp_path, capsys):
    before = {p.name: p.read_bytes() for p in (data_copy / "puzzles").iterdir()}
    (tmp_path / "two.txt").write_text(puzzles.table("4x4-test").puzzle[3] + "\n")
    status, _, err = rrm(
        "puzzles", "import", tmp_path / "two.txt", "--name", "4x4-test", capsys=capsys
    )
    assert status == 2 and "there already, with other puzzles; add --replace" in err
    assert {p.name: p.read_bytes() for p in (data_copy / "puzzles").iterdir()} == before
    assert (
        rrm(
            "puzzles",
            "import",
            tmp_path / "two.txt",
            "--name",
            "4x4-test",
            "--replace",
            capsys=capsys,
        )[0]
        == 0
    )
    assert len(puzzles.table("4x4-test")) == 1
    assert (
        rrm("puzzles", "import", tmp_path / "two.txt", "--name", "4x4-test", capsys=capsys)[0] == 0
    )  # the same puzzles: nothing is lost


def test_an_empty_set_is_recorded_as_such(data_copy, capsys):
    assert (
        rrm(
            "puzzles",
            "make",
            "--side",
            4,
            "--train",
            0,
            "--test",
            4,
            "--seed",
            1,
            "--replace",
            capsys=capsys,
        )[0]
        == 0
    )
    assert not [line for line in manifest.verify() if "4x4" in line]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "nope", "--out", "x"], "unknown preset 'nope'; known: trm-6x6, hrm-6x6, "),
        (
            ["train", "smoke", "--out", "x", "--device", "nonsense"],
            "device 'nonsense' cannot be used",
        ),
        (
            ["train", "smoke", "--out", "x", "--device", "cuda:77"],
            "device 'cuda:77' cannot be used",
        ),
        (["puzzles", "make", "--train", "-1", "--test", "5"], "-1 is not in the range"),
        (["puzzles", "hard", "--train", "0"], "0 is not in the range"),
        (
            ["puzzles", "make", "--side", "4", "--train", "40", "--test", "5"],
            "4x4-validation.csv.gz: there already, with other puzzles; add --replace",
        ),
        (["measure", "nowhere", "--run", "x"], "nowhere"),
        (["measure", "nowhere", "--run", "../x"], "expected lower-case letters"),
        (["measure", "nowhere", "--run", "x", "--shard", "2/2"], "--shard '2/2'"),
        (["checkpoints", "nowhere", "--run", "x"], "unknown run 'x'"),
        (["chapter", "9_9"], "unknown chapter '9_9'; known: 2_setup"),
        (["chapter", "3_1", "-p", "rum", "x"], "has no parameter rum; known: run: str"),
        (
            ["chapter", "3_1", "-p", "run", "nope"],
            "unknown run 'nope'; known: hrm-6x6, hrm-6x6-late, hrm-6x6-seed1, hrm-6x6-seed2, hrm-9x9-brief, hrm-9x9-small, trm-6x6, trm-6x6-attention, trm-6x6-attention-seed1, trm-6x6-attention-seed2, trm-6x6-seed1, trm-6x6-seed2, trm-9x9-brief, trm-9x9-small",
        ),
        (
            ["chapter", "3_1", "-p", "strict_percentile", "high"],
            "strict_percentile='high': expected float",
        ),
        (["chapter", "3_3", "-p", "h", "four"], "h='four': expected int"),
    ],
)
def test_mistakes_are_answered_in_one_line(arguments, message, capsys, tmp_path, monkeypatch, root):
    monkeypatch.setenv("RRM_DATA", str(root / "data"))
    monkeypatch.chdir(tmp_path)
    status, _, err = rrm(*arguments, capsys=capsys)
    assert status == 2 and message in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_torch():
    code = (
        "import sys, rrm_core, rrm_core.cli, rrm_companion.show; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
