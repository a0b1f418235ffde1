"""Hostile and broken input: one line and exit status 2; no pickle runs, no text becomes HTML."""

import gzip
import json
import math
import pickle
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rrm_companion import boards, chapters, pagedata, show, widgets

from rrm_core.analysis import cells
from rrm_core.models import checkpoint
from rrm_core.models.recursive import Config, ModelError, RecursiveModel
from rrm_core.models.weights import save_model
from rrm_core.runs import tables
from rrm_core.store import paths
from rrm_core.sudoku import board as sudoku
from rrm_core.sudoku import sets as puzzles
from rrm_core.training import recipes
from rrm_core.training.trainer import Trainer

SCRIPT = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
fast = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# --- properties ---


@fast
@given(
    st.one_of(st.text(max_size=100), st.text(alphabet=".0123456789 \n", min_size=14, max_size=90))
)
def test_any_text_is_a_board_or_a_short_message(text):
    try:
        board = sudoku.parse(text)
    except sudoku.SudokuError as error:
        assert len(str(error)) < 300
    else:
        assert sudoku.to_text(board) == "".join(text.split()).replace("0", ".")


@fast
@given(
    st.sampled_from([4, 6, 9]).flatmap(
        lambda side: st.lists(st.integers(0, side), min_size=side**2, max_size=side**2)
    )
)
def test_a_board_is_refused_exactly_when_a_unit_holds_a_digit_twice(values):
    board = np.array(values, np.uint8)
    units = [board[u][board[u] > 0] for u in sudoku.geometry(math.isqrt(len(values)))[0]]
    twice = any(len(set(u)) < len(u) for u in units)
    try:
        sudoku.check(board)
    except sudoku.SudokuError:
        assert twice
    else:
        assert not twice


def narrow(df, updates):
    """A valid table of two exponents and three segments, of the head of another: quick to check."""
    late = [f"_{t:02d}" for t in range(4, 17)]
    gone = [c for c in df if (c.startswith("growth_") and c[7] not in "12") or c[-3:] in late]
    gone += [c for c in df if c.startswith("lambda_") and c[7:] not in "12"]
    found = df.drop(columns=gone)
    sums = [found[[f"growth_{i}_{t:02d}" for t in (1, 2, 3)]].sum(axis=1) for i in (1, 2)]
    values = {"lambda_1": np.maximum(*sums), "lambda_2": np.minimum(*sums)}
    values = {name: (v / updates / 3).astype("float32") for name, v in values.items()}
    found = found.assign(correct=found.correct_03, **values)
    return tables.validate(found, "here", updates, 2, 3)


@fast
@given(data=st.data())
def test_a_table_with_one_bad_value_is_refused_by_column_and_row(runs, data):
    df = narrow(runs["trm-6x6"].table.head(12), 8)
    column = data.draw(st.sampled_from([c for c in df if df[c].dtype.kind == "f"]))
    row = data.draw(st.integers(0, 11))
    df.loc[row, column] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    with pytest.raises(
        tables.TableError, match=rf"{column} is NaN or infinite at idx {df.idx[row]}"
    ):
        tables.validate(df, "here", 8, 2, 3)


@fast
@given(data=st.data())
def test_a_table_without_a_column_or_with_text_in_it_is_refused_by_name(runs, data):
    df = narrow(runs["hrm-6x6"].table.head(5), 6)
    column = data.draw(st.sampled_from(sorted(df)))
    with pytest.raises(tables.TableError, match=f"missing column {column}"):
        tables.validate(df.drop(columns=column), "here", 6, 2, 3)
    if column not in ("puzzle", "solution"):
        with pytest.raises(tables.TableError, match=f"column {column} holds"):
            tables.validate(df.assign(**{column: SCRIPT}), "here", 6, 2, 3)


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@fast
@given(
    st.lists(st.tuples(numbers, st.booleans()), min_size=1, max_size=40), st.floats(allow_nan=False)
)
def test_cells_partition_every_sample_at_every_threshold(pairs, threshold):
    values, correct = np.array([v for v, _ in pairs], "float64"), np.array([c for _, c in pairs])
    n = cells.count(cells.assign(values, correct, threshold))
    assert n["A"] + n["C"] == correct.sum() and n["B"] + n["D"] == (~correct).sum()
    assert n["A"] + n["B"] == (values < threshold).sum(), "settled is strictly below"


@fast
@given(st.lists(numbers, min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_a_band_is_found_or_declined_and_does_not_depend_on_the_order(values, rng):
    shuffled = list(values)
    rng.shuffle(shuffled)
    band, other = cells.band(np.array(values)), cells.band(np.array(shuffled))
    assert np.array_equal([band.otsu, band.strict], [other.otsu, other.strict], equal_nan=True)
    assert band.exists or band.reason
    if np.isfinite(band.otsu):
        assert min(values) <= band.otsu <= max(values)


@fast
@given(
    st.text(max_size=30),
    st.sampled_from(["str", "int", "float", "bool"]),
)
def test_any_parameter_has_its_type_or_is_refused(text, hint):
    try:
        value = chapters.convert("x", text, hint)
    except chapters.ParameterError as error:
        assert hint in str(error)
    else:
        allowed = {"str": str, "int": int, "float": (int, float), "bool": bool}
        assert isinstance(value, allowed[hint])


@fast
@given(st.one_of(st.text(), st.text(alphabet="ab0./-_\\\n", max_size=12)))
def test_any_run_name_stays_in_its_folder_or_is_refused(name):
    try:
        safe = paths.safe_name(name)
    except ValueError as error:
        assert len(str(error)) < 700
    else:
        assert (Path("/data/runs") / safe).resolve().parent == Path(
            "/data/runs"
        ) and "<" not in safe


@fast
@given(
    st.binary(max_size=400),
    st.sampled_from(
        [
            b"",
            b"PK\x03\x04",
            b"\x80\x02",
            b"\x80\x04\x95",
            b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
        ]
    ),
    st.sampled_from([".pt", ".safetensors", ""]),
)
def test_any_bytes_are_no_checkpoint(tmp_path, data, start, suffix):
    path = tmp_path / f"bytes{suffix}"
    path.write_bytes(start + data)
    with pytest.raises(ModelError, match="bytes"):
        checkpoint.read_sets(path)


# --- a corpus of broken run folders ---


class Evil:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.fixture
def evil(tmp_path):
    """(bytes of a pickle that would make a file, the file); the test fails where it was made."""
    mark = tmp_path / "executed"
    pickle.loads(pickle.dumps(Evil(mark)))
    assert mark.exists(), "the corpus is harmless: this pickle does nothing"
    mark.unlink()
    yield pickle.dumps(Evil(mark))
    assert not mark.exists(), "a pickle was executed"


@pytest.fixture
def broken(data_copy, root):
    """A copy of a shipped run, named ``broken``, to be damaged."""
    folder = data_copy / "runs" / "broken"
    (data_copy.parent / "notebooks").symlink_to(root / "notebooks")
    shutil.copytree(
        root / "data" / "runs" / "trm-6x6", folder, ignore=shutil.ignore_patterns("checkpoints")
    )
    return folder


def edit(path, change):
    """Apply `change` to the table, or to the JSON object, in `path`."""
    if path.suffix == ".parquet":
        df = pd.read_parquet(path)
        (change(df) if change(df) is not None else df).to_parquet(path, index=False)
    else:
        value = json.loads(path.read_text())
        path.write_text(json.dumps(change(value)))


def cell(column, value):
    def change(df):
        values = pd.Series([value, *df[column].iloc[1:]], df.index)
        return df.assign(**{column: values.astype(df[column].dtype)})

    return change


TABLE, NOTE, BOARDS = "measurements.parquet", "run.json", "trajectories.parquet"
DAMAGES = {
    "truncated table": (
        TABLE,
        lambda p: p.write_bytes(p.read_bytes()[:-200]),
        "not a readable Parquet file",
    ),
    "empty table": (TABLE, lambda p: p.write_bytes(b""), "not a readable Parquet file"),
    "no table": (TABLE, Path.unlink, "is not there; measure the run"),
    "NaN": (
        TABLE,
        lambda p: edit(p, cell("drift_h_13", np.nan)),
        "drift_h_13 is NaN or infinite at idx 0",
    ),
    "duplicated idx": (TABLE, lambda p: edit(p, cell("idx", 1)), "duplicated idx 1"),
    "HTML for a puzzle": (
        TABLE,
        lambda p: edit(p, cell("puzzle", SCRIPT[:36])),
        "column puzzle holds no board at idx 0",
    ),
    "a board of a million cells": (
        TABLE,
        lambda p: edit(
            p,
            lambda d: d.assign(
                puzzle=["1" * 10**6, *d.puzzle[1:]], solution=["1" * 10**6, *d.solution[1:]]
            ),
        ),
        "column puzzle holds no board",
    ),
    "lambda that is no sum": (
        TABLE,
        lambda p: edit(p, lambda d: d.assign(lambda_1=d.lambda_1 + 1)),
        "not the sum of growths",
    ),
    "truncated boards": (
        BOARDS,
        lambda p: p.write_bytes(p.read_bytes()[:500]),
        "not a readable Parquet file",
    ),
    "HTML for an answer": (
        BOARDS,
        lambda p: edit(p, cell("answer_16", SCRIPT[:36])),
        "column answer_16 holds no board",
    ),
    "boards without a segment": (
        BOARDS,
        lambda p: edit(p, lambda d: d.drop(columns="answer_07")),
        "missing column answer_07",
    ),
    "run.json cut": (
        NOTE,
        lambda p: p.write_bytes(p.read_bytes()[:40]),
        "run.json is not readable as JSON",
    ),
    "run.json a list": (NOTE, lambda p: p.write_text("[]"), "holds a list, expected a JSON object"),
    "run.json too deep": (
        NOTE,
        lambda p: p.write_text("[" * 200_000),
        "run.json is not readable as JSON",
    ),
    "no updates": (
        NOTE,
        lambda p: edit(p, lambda m: m | {"updates_per_segment": 0}),
        "updates_per_segment is 0",
    ),
    "HTML for a number": (
        NOTE,
        lambda p: edit(p, lambda m: m | {"parameters": SCRIPT}),
        "parameters is .*expected int",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_broken_run_is_answered_in_one_line(damage, broken, rrm):
    name, act, message = DAMAGES[damage]
    act(broken / name)
    status, _, err = rrm("chapter", "2_setup", "-p", "hrm", "", "-p", "trm", "broken")
    assert status == 2 and err.count("\n") == 1 and len(err) < 600, err
    assert re.search(message, err), err
    status, out, err = rrm("verify")
    assert (status == 1 and "runs/broken/" in out) or (status == 2 and err.count("\n") == 1)


def test_a_wrong_digest_is_named_by_verify(broken, rrm):
    edit(
        broken / NOTE,
        lambda m: (
            m | {"files": m["files"] | {"log.csv": "0" * 64, "../../../../etc/passwd": "0" * 64}}
        ),
    )
    status, out, _ = rrm("verify")
    assert (
        status == 1
        and "runs/broken/log.csv: differs from the digest in run.json" in out
        and "passwd" not in out
    )


def test_a_pickle_in_place_of_any_file_is_refused_and_never_runs(broken, rrm, evil, tmp_path):
    training = tmp_path / "training"
    Trainer(*recipes.preset("smoke", steps=1, batch=2, eval_puzzles=2), training).run(
        progress=False
    )
    archive = tmp_path / "evil.pt"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", evil)
        file.writestr("archive/version", "3")
    for name, command in (
        (TABLE, ["chapter", "2_setup", "-p", "hrm", "", "-p", "trm", "broken"]),
        (BOARDS, ["chapter", "2_setup", "-p", "hrm", "", "-p", "trm", "broken"]),
        (NOTE, ["claims", "--run", "broken"]),
        ("model.safetensors", ["measure", broken, "--run", "other", "--n", 1]),
        ("config.json", ["measure", broken, "--run", "other", "--n", 1]),
    ):
        original = (broken / name).read_bytes()
        for content in (evil, archive.read_bytes()):
            (broken / name).write_bytes(content)
            status, _, err = rrm(*command)
            assert status == 2 and err.count("\n") == 1, (name, err)
        (broken / name).write_bytes(original)
    (training / "state.pt").write_bytes(evil)
    status, _, err = rrm("train", "smoke", "--out", training, "--resume", "--quiet")
    assert status == 2 and "damaged" in err and err.count("\n") == 1
    for content, suffix in (
        (evil, ".pt"),
        (evil, ".safetensors"),
        (archive.read_bytes(), ".pt"),
        (evil, ""),
    ):
        path = tmp_path / f"checkpoint{suffix}"
        path.write_bytes(content)
        status, _, err = rrm("import", "--checkpoint", path, "--name", "foreign")
        assert status == 2 and "not a checkpoint of tensors" in err and err.count("\n") == 1, err
    torch.save({"inner.lm_head.weight": torch.zeros(8, 96)}, tmp_path / "good.pt")
    (tmp_path / "evil.yaml").write_text(
        f"arch: !!python/object/apply:builtins.open ['{tmp_path / 'executed'}', 'w']"
    )
    status, _, err = rrm(
        "import",
        "--checkpoint",
        tmp_path / "good.pt",
        "--config",
        tmp_path / "evil.yaml",
        "--name",
        "foreign",
    )
    assert status == 2 and "not readable as YAML" in err and err.count("\n") == 1


def test_a_pickle_inside_parquet_metadata_never_runs(broken, evil):
    df = pa.Table.from_pandas(pd.read_parquet(broken / TABLE), preserve_index=False)
    field = df.schema.field("idx").with_metadata(
        {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": evil}
    )
    pq.write_table(df.cast(df.schema.set(df.schema.get_field_index("idx"), field)), broken / TABLE)
    assert (
        b"arrow.py_extension_type" in (broken / TABLE).read_bytes()
        or pq.read_schema(broken / TABLE).field("idx").metadata
    )
    tables.load_run("broken")


CONFIGS = {
    "text for a number": ({"width": "96"}, "width is '96', expected int"),
    "a width beyond memory": (
        {"width": 60_000, "heads": 1},
        r"width=60000: expected an integer in 1..8192",
    ),
    "layers beyond memory": ({"L_layers": 1000}, r"L_layers=1000: expected an integer in 1..64"),
    "cycles beyond patience": (
        {"H_cycles": 10**9},
        r"H_cycles=1000000000: expected an integer in 1..1024",
    ),
    "a negative side": ({"side": -6}, "side=-6"),
    "an endless expansion": ({"expansion": float("inf")}, "expansion=inf"),
    "HTML": ({"model": SCRIPT}, "expected trm"),
    "one name too many": ({"x": 1}, r"unknown \['x'\]"),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_a_config_that_does_not_fit_is_refused_before_a_model_is_built(what, broken, rrm):
    changes, message = CONFIGS[what]
    edit(broken / "config.json", lambda c: c | changes)
    status, _, err = rrm("measure", broken, "--run", "other", "--n", 1)
    assert status == 2 and err.count("\n") == 1 and re.search(message, err), err


def test_weights_that_are_not_numbers_give_a_refused_table(data_copy, tmp_path, rrm):
    model = RecursiveModel(Config("trm", "mlp", 4, 8, 1, 0, 1, 1, heads=1, prefix=1))
    with torch.no_grad():
        model.inner.lm_head.weight.fill_(np.nan)
        model.inner.L_level.layers[0].mlp.down_proj.weight.fill_(np.nan)
    save_model(model, tmp_path / "diverged")
    status, _, err = rrm(
        "measure",
        tmp_path / "diverged",
        "--run",
        "diverged",
        "--puzzles",
        "4x4-test",
        "--n",
        2,
        "--k",
        1,
    )
    assert (
        status == 2
        and "is NaN or infinite" in err
        and not (data_copy / "runs" / "diverged" / "run.json").exists()
    )


# --- puzzles and names ---

FILES = {
    "a board of a million cells": b"1" * 10**6,
    "a CSV cell of a million characters": b"source,question,answer,rating\nx,"
    + b"." * 10**6
    + b",1,2\n",
    "HTML": f"source,question,answer,rating\nx,{SCRIPT},1,2\n".encode(),
    "binary": bytes(range(256)) * 10,
    "nothing": b"",
    "no rating": b"source,question,answer,rating\nx," + b"." * 16 + b",1,high\n",
}


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_files_without_a_usable_puzzle(what, suffix, data_copy, tmp_path, rrm):
    path = tmp_path / f"puzzles{suffix}"
    path.write_bytes(gzip.compress(FILES[what], mtime=0) if suffix.endswith("gz") else FILES[what])
    status, _, err = rrm("puzzles", "import", path, "--name", "mine")
    assert status == 2 and err.count("\n") == 1 and len(err) < 900, err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no gzip",
        gzip.compress(b"puzzle\n1", mtime=0)[:-6],
        gzip.compress(b"puzzle\n1\n", mtime=0),
        gzip.compress(b"a\x00\xff", mtime=0),
    ],
)
def test_a_damaged_puzzle_set_is_refused(content, data_copy, rrm, tmp_path):
    (data_copy / "puzzles" / "bad.csv.gz").write_bytes(content)
    save_model(RecursiveModel(recipes.preset("smoke")[0]), tmp_path / "model")
    status, _, err = rrm("measure", tmp_path / "model", "--run", "x", "--puzzles", "bad", "--n", 1)
    assert status == 2 and err.count("\n") == 1 and "bad.csv.gz" in err, err
    with pytest.raises(ValueError):
        puzzles.table("../puzzles/4x4-test")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../../x",
        "",
        "x" * 10**6,
        SCRIPT,
        "a\nb",
        "\x00",
        "..",
        "con\x1b[31m",
    ],
)
def test_names_that_leave_their_folder_are_refused_everywhere(
    name, rrm, tmp_path, monkeypatch, root
):
    monkeypatch.setenv("RRM_DATA", str(root / "data"))
    for command in (
        ["measure", tmp_path, "--run", name],
        ["import", "--checkpoint", tmp_path, "--name", name],
        ["puzzles", "import", tmp_path, "--name", name],
        ["claims", "--run", name],
        ["checkpoints", tmp_path, "--run", name],
        ["chapter", "3_1", "-p", "hrm", name],
    ):
        if name == "" and command[0] in ("claims", "chapter"):
            continue  # no name: every run, or a slot left empty
        status, _, err = rrm(*command)
        assert status == 2 and err.count("\n") == 1 and len(err) < 700 and "\x1b" not in err, (
            command[0],
            err,
        )


def test_a_board_of_a_million_characters_is_answered_at_once():
    with pytest.raises(ValueError, match="board of 1000000 characters") as answer:
        sudoku.parse("1" * 10**6)
    assert len(str(answer.value)) < 300


@pytest.mark.parametrize("text", ["", "path\tsha256\n", "<html>", "path\tsha256\trows\tcommand\nx"])
def test_a_damaged_manifest_is_named(text, data_copy, rrm):
    (data_copy / "MANIFEST").write_text(text)
    status, out, err = rrm("verify")
    assert (status == 1 and out) or (status == 2 and err.count("\n") == 1 and "MANIFEST" in err)


# --- pages ---


def test_hostile_texts_do_not_run_in_a_page(page, runs, monkeypatch):
    """Had a hostile run got past the checks of names and tables, its texts would still be text."""
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    real = runs["trm-6x6"]
    df = real.table.assign(
        puzzle=[SCRIPT[:36]] * len(real.table), solution=[SCRIPT[-36:]] * len(real.table)
    )
    answers = tables.read_trajectories("trm-6x6").assign(answer_16=SCRIPT[5:41])
    monkeypatch.setattr(pagedata.fates, "study", lambda run, name: None)
    for module in (pagedata, widgets):
        monkeypatch.setattr(module, "read_trajectories", lambda name: answers)
    hostile = tables.Run(
        f"</script>{SCRIPT}", real.meta | {"import": {"checkpoint": SCRIPT}, "step": None}, df
    )
    html = (
        widgets.explorer({SCRIPT: hostile}).html
        + boards.board(answers.answer_16[0], SCRIPT, df.puzzle[0], df.solution[0])
        + show.table(df[["idx", "puzzle"]].rename(columns={"idx": SCRIPT}).head(), SCRIPT).html
    )
    page.set_content(f"<!doctype html><body>{html}</body>")
    page.wait_for_function("document.querySelector('.rrm-explorer').dataset.live === 'yes'")
    page.locator(".rrm-examples tbody button").first.click()
    page.wait_for_timeout(200)
    assert page.evaluate("window.hit") is None and page.locator("img[src='x']").count() == 0
    assert (
        page.locator(".rrm-detail").count() == 1
        and "window.hit" in page.locator("body").inner_text()
    )
