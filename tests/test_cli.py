"""The commands as a stranger types them: one-line errors with exit status 2, nothing lost."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
import yaml

import rrm_core
from rrm_core import studies
from rrm_core.runs import tables
from rrm_core.store import manifest
from rrm_core.sudoku import sets as puzzles


def test_the_help_of_study_names_every_study(rrm):
    status, out, _ = rrm("study", "--help")
    assert status == 0 and [name for name in studies.NAMES if name not in out] == []


def test_the_help_of_train_names_every_preset(rrm, root):
    presets = yaml.safe_load((root / "rrm_core" / "training" / "presets.yml").read_text())
    words = set(re.findall(r"[\w-]+", rrm("train", "--help")[1]))
    assert presets.keys() <= words


def test_a_stranger_is_told_the_version_and_what_is_not_there(rrm):
    status, out, _ = rrm("--version")
    assert status == 0 and out.strip() == f"rrm, version {rrm_core.__version__}"
    status, _, err = rrm("import", "--checkpoint", "nope", "--name", "x")
    assert status == 2 and err.strip() == "rrm: nope: No such file or directory"
    status, _, err = rrm("puzzles", "import", "nope", "--name", "x", "--limit", 0)
    assert status == 2 and "'--limit': 0 is not in the range x>=1" in err


def test_claims_fit_a_screen_and_say_why_where_they_cannot_be_judged(rrm):
    name = "trm-9x9-brief"
    status, text, _ = rrm("claims", "--run", name)
    found = json.loads(rrm("claims", "--run", name, "--format", "json")[1])
    first, head, *lines = text.rstrip().splitlines()
    assert status == 0 and first == name and head.split()[-1] == "verdict"
    assert [line.split()[0] for line in lines] == [row["id"] for row in found]
    for line, row in zip(lines, found, strict=True):
        end = f"{row['n']}  {row['verdict']}" + (f": {row['reason']}" if row["reason"] else "")
        assert line.endswith(end) and row["measured here"] in line
        assert row["reason"] or len(line) <= 127


def test_from_training_to_a_verified_run(data_copy, tmp_path, rrm):
    folder = tmp_path / "training"
    assert rrm("train", "smoke", "--out", folder, "--steps", 80, "--quiet")[0] == 0
    status, _, err = rrm("train", "smoke", "--out", folder, "--quiet")
    assert status == 2 and "already holds a training; add --resume" in err
    assert rrm("train", "smoke", "--out", folder, "--steps", 120, "--resume", "--quiet")[0] == 0
    log = pd.read_csv(folder / "log.csv")
    assert log.step.iloc[-1] == 120 and log.step.is_unique
    asked = ["--run", "mine", "--puzzles", "4x4-test", "--n", 40, "--k", 2]
    assert rrm("measure", folder / "checkpoints" / "step_000120", *asked)[0] == 0
    assert rrm("checkpoints", folder, "--run", "mine", "--count", 3)[0] == 0
    meta = json.loads((data_copy / "runs" / "mine" / "run.json").read_text())
    assert meta["command"].startswith("rrm measure") and len(meta["checkpoints"]) == 3
    _, out, _ = rrm("verify", "--recompute", 2)
    missing = [line for line in out.splitlines() if "not there" in line]  # the shipped runs
    assert all(line.startswith("runs/") for line in missing)
    assert "runs/mine" not in out.split("mine\n")[0] and "True" in out


def test_a_field_given_twice_is_refused(tmp_path, rrm):
    for words in (["train", "smoke", "--out", tmp_path], ["chapter", "3_1"]):
        status, _, err = rrm(*words, "-p", "seed", 1, "-p", "seed", 2)
        assert status == 2 and "-p seed is given twice; give it once" in err
    status, _, err = rrm("train", "smoke", "--out", tmp_path, "-p", "seed", 3, "--seed", 4)
    assert status == 2 and "-p seed is given twice; give it once" in err
    assert not list(tmp_path.iterdir())


def test_measuring_on_the_training_set_is_said(smoke_training, data_copy, rrm):
    for name, said in (("4x4-train", True), ("4x4-test", False)):
        asked = ["--run", name, "--puzzles", name, "--n", 8, "--k", 0]
        status, out, _ = rrm("measure", smoke_training / "checkpoints" / "step_000120", *asked)
        assert status == 0 and ("note: these weights were trained on 4x4-train" in out) == said


@pytest.mark.parametrize("steps, rows", [(6, 1), (20, 1)])
def test_a_training_stopped_before_its_first_evaluation_is_measured(
    steps, rows, data_copy, tmp_path, rrm
):
    assert rrm("train", "smoke", "--out", tmp_path, "--steps", steps, "--quiet")[0] == 0
    checkpoint = tmp_path / "checkpoints" / f"step_{steps:06d}"
    asked = ["--run", "short", "--puzzles", "4x4-test", "--n", 32, "--k", 1]
    status, _, err = rrm("measure", checkpoint, *asked)
    assert status == 0, err
    assert not [line for line in manifest.verify() if "short" in line]
    log = tables.read_log("short")
    assert len(log) <= rows and log.eval_exact.isna().all()


@pytest.mark.parametrize(
    "dtype, k, status", [("bfloat16", 0, 0), ("bfloat16", 1, 2), ("int8", 0, 2)]
)
def test_the_arithmetic_is_chosen_by_dtype(dtype, k, status, data_copy, tmp_path, rrm):
    assert rrm("train", "smoke", "--out", tmp_path, "--steps", 2, "--quiet")[0] == 0
    asked = ["--run", "other", "--puzzles", "4x4-test", "--n", 2, "--k", k, "--dtype", dtype]
    found, _, err = rrm("measure", tmp_path / "checkpoints" / "step_000002", *asked)
    assert found == status and ("float32" in err) == bool(status) and err.count("Trace") == 0
    assert (data_copy / "runs" / "other" / "run.json").exists() == (status == 0)


def test_a_puzzle_set_is_replaced_only_when_asked(data_copy, tmp_path, rrm):
    before = {p.name: p.read_bytes() for p in (data_copy / "puzzles").iterdir()}
    (tmp_path / "two.txt").write_text(puzzles.table("4x4-test").puzzle[3] + "\n")
    status, _, err = rrm("puzzles", "import", tmp_path / "two.txt", "--name", "4x4-test")
    assert status == 2 and "there already, with other puzzles; add --replace" in err
    assert {p.name: p.read_bytes() for p in (data_copy / "puzzles").iterdir()} == before
    assert rrm("puzzles", "import", tmp_path / "two.txt", "--name", "4x4-test", "--replace")[0] == 0
    assert len(puzzles.table("4x4-test")) == 1
    assert (
        rrm("puzzles", "import", tmp_path / "two.txt", "--name", "4x4-test")[0] == 0
    )  # the same puzzles: nothing is lost


def test_runs_with_fewer_rows_do_not_keep_verify_from_the_others(data_copy, smoke_training, rrm):
    for name, n in (("a", 8), ("b", 16)):
        step = smoke_training / "checkpoints" / "step_000120"
        asked = ["--run", name, "--puzzles", "4x4-test", "--n", n, "--k", 1]
        assert rrm("measure", step, *asked)[0] == 0
    _, out, _ = rrm("verify", "--recompute", 12)
    assert "a: not measured again (recompute 12 rows: run 'a' has 8; ask for 1..8)" in out
    assert out.count("True") == 12


def test_an_empty_set_is_recorded_as_such(data_copy, rrm):
    assert (
        rrm("puzzles", "make", "--side", 4, "--train", 0, "--test", 4, "--seed", 1, "--replace")[0]
        == 0
    )
    assert not [line for line in manifest.verify() if "4x4" in line]
    status, _, err = rrm("train", "smoke", "--out", data_copy / "training", "--quiet")
    assert status == 2 and "4x4-train.csv.gz: cannot be read (it holds no puzzle)" in err


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
        (["chapter", "3_1", "-p", "rum", "x"], "has no parameter rum; known: hrm: str"),
        (
            ["chapter", "3_1", "-p", "trm", "nope"],
            "unknown run 'nope'; known: hrm-6x6, hrm-6x6-late, ",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(arguments, message, rrm, tmp_path, monkeypatch, root):
    monkeypatch.setenv("RRM_DATA", str(root / "data"))
    monkeypatch.chdir(tmp_path)
    status, _, err = rrm(*arguments)
    assert status == 2 and message in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def test_help_needs_no_torch():
    code = (
        "import sys, rrm_core, rrm_core.cli, rrm_companion.show; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["2024", "1e5", "true", "null"])
def test_a_run_that_papermill_would_misread_is_refused_when_it_is_made(name, rrm, tmp_path):
    import_ = ("import", "--checkpoint", tmp_path / "x", "--name", name)
    for command in (("measure", tmp_path, "--run", name), import_):
        status, _, err = rrm(*command)
        assert status == 2 and err.count("\n") == 1
        assert f"run name '{name}': papermill reads it as a number" in err


def test_a_parameter_in_another_form_is_answered_with_the_line_that_works(rrm, tmp_path):
    out = tmp_path / "a folder"
    for given, right in (
        (("chapter", "3_1", "-p", "trm=mine"), "rrm chapter 3_1 -p trm mine"),
        (("chapter", "-p", "trm=", "3_1"), "rrm chapter -p trm '' 3_1"),
        (
            ("train", "smoke", "--out", out, "-p", "lr=1e-3", "-p", "batch", "8"),
            f"rrm train smoke --out '{out}' -p lr 1e-3 -p batch 8",
        ),
    ):
        status, _, err = rrm(*given)
        assert status == 2 and err.count("\n") == 1
        assert err.endswith(f"; -p takes two words: {right}\n")
    assert "takes two words" not in rrm("chapter", "3_1", "-p", "trm")[2]


def test_output_that_is_not_utf_8_and_a_home_that_is_none(root, tmp_path):
    env = {"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "ascii", "RRM_DATA": str(root / "data")}
    code = "from rrm_core import cli; cli.main()"
    for arguments, status in ((["study", "λ", "--run", "trm-6x6"], 2), (["verify", "--help"], 0)):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            env=env,
            cwd=tmp_path,
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr and "codec" not in done.stderr
    wrapped = "from rrm_core import cli\ncli.app = lambda **_: print('λ1')\ncli.main()"
    done = subprocess.run([sys.executable, "-c", wrapped], capture_output=True, text=True, env=env)
    assert (done.returncode, done.stdout) == (0, "\\u03bb1\n")


def test_a_data_folder_that_is_none_is_no_verified_one(tmp_path, rrm, monkeypatch):
    monkeypatch.setenv("RRM_DATA", str(tmp_path / "nowhere"))
    status, out, err = rrm("verify")
    assert status == 2 and not out and f"{tmp_path / 'nowhere'}: no MANIFEST" in err
    status, _, err = rrm("claims")
    assert status == 2 and str(tmp_path / "nowhere") in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "smoke", "--out", "", "--steps", 2], "'--out': '' is no path"),
        (["puzzles", "import", "", "--name", "s"], "'' is no path"),
        (["claims", "--run", ""], "run name ''"),
        (
            ["train", "smoke", "--out", "x", "-p", "bf16", "maybe"],
            "expected bool | None (true or false)",
        ),
    ],
)
def test_an_empty_or_odd_value_is_named_and_nothing_made(words, said, tmp_path, rrm, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = rrm(*words)
    assert status == 2 and not out and said in err
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["make", "hard"])
def test_puzzles_that_would_be_lost_are_refused_before_the_work(kind, data_copy, rrm, monkeypatch):
    def never(*_):
        raise AssertionError("nothing is to be made")

    monkeypatch.setattr(puzzles, "make", never)
    monkeypatch.setattr("rrm_core.sudoku.hard.make", never)
    status, _, err = rrm("puzzles", kind, "--seed", 1)
    assert status == 2 and "there already, with other puzzles; add --replace" in err


def test_puzzles_of_a_killed_command_are_made_again(data_copy, rrm):
    """Written, not yet recorded: the sets themselves say whether they are the same."""
    text = (data_copy / "MANIFEST").read_text().splitlines(keepends=True)
    kept = [line for line in text if not line.startswith("puzzles/4x4-")]
    (data_copy / "MANIFEST").write_text("".join(kept))
    words = ["puzzles", "make", "--side", 4, "--train", 400, "--test", 256]
    assert rrm(*words)[0] == 0
    assert "puzzles/4x4-train" in (data_copy / "MANIFEST").read_text()


def test_the_same_puzzles_may_be_made_again_whatever_the_order_of_the_options(data_copy, rrm):
    before = (data_copy / "puzzles" / "4x4-train.csv.gz").read_bytes()
    words = ["--seed", 0, "--test", 256, "--train", 400, "--side", 4]
    assert rrm("puzzles", "make", *words)[0] == 0
    assert (data_copy / "puzzles" / "4x4-train.csv.gz").read_bytes() == before


def test_weights_of_ours_are_no_checkpoint_of_theirs(data_copy, smoke_training, rrm):
    step = smoke_training / "checkpoints" / "step_000120"
    status, _, err = rrm("measure", step / "model.safetensors", "--run", "m", "--n", 3)
    assert status == 2 and f"measure the one it lies in, {step}" in err
    for file in (step / "model.safetensors", smoke_training / "state.pt"):
        status, _, err = rrm("import", "--checkpoint", file, "--name", "m")
        assert status == 2 and "of this package" in err and not (data_copy / "runs" / "m").exists()
