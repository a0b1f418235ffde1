"""The MANIFEST: what is recorded holds, what changed is named."""

import json

import pandas as pd
import pytest

from rrm_core.store import manifest
from rrm_core.store.files import read_json, sha256


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder with a table and a run, recorded."""
    monkeypatch.setenv("RRM_DATA", str(tmp_path))
    run = tmp_path / "runs" / "mine"
    run.mkdir(parents=True)
    table = run / "measurements.parquet"
    pd.DataFrame({"idx": [0, 1]}).to_parquet(table)
    (run / "run.json").write_text(json.dumps({"files": {table.name: sha256(table)}}))
    manifest.record([table, run / "run.json"], 'rrm measure "a\tb"')
    return tmp_path


def test_what_was_recorded_is_right_and_comes_back(data):
    assert manifest.verify() == []
    line = manifest.entries(data).loc["runs/mine/measurements.parquet"]
    assert (line.rows, line.command) == ("2", 'rrm measure "a\tb"')


def test_a_changed_file_is_named_with_the_command_that_makes_it(data):
    table = data / "runs" / "mine" / "measurements.parquet"
    pd.DataFrame({"idx": [0]}).to_parquet(table)
    changed, differs = manifest.verify()
    assert changed.endswith(
        'not the one in MANIFEST; restore the file or re-run `rrm measure "a\tb"`'
    )
    assert differs == "runs/mine/measurements.parquet: differs from the digest in run.json"


def test_missing_and_foreign_files_are_named_and_those_in_progress_are_not(data):
    (data / "runs" / "mine" / "run.json").rename(data / "extra.json")
    for name in ("parts/part_000000.parquet", ".MANIFEST.lock", "runs/.x.abc.tmp"):
        (data / name).parent.mkdir(exist_ok=True)
        (data / name).write_text("")
    assert manifest.verify() == [
        "runs/mine/run.json: listed in MANIFEST, not there",
        "extra.json: there, not listed in MANIFEST",
    ]
    manifest.record([data / "extra.json"], "a test")  # what is lost elsewhere stays lost
    assert manifest.verify() == ["runs/mine/run.json: listed in MANIFEST, not there"]
    manifest.record([data / "runs" / "mine" / "measurements.parquet"], "made anew")
    assert sorted(manifest.entries(data).index) == ["extra.json", "runs/mine/measurements.parquet"]


def test_a_file_that_a_merge_listed_twice_is_named(data):
    text = (data / "MANIFEST").read_text()
    (data / "MANIFEST").write_text(text + text.splitlines(keepends=True)[-1])
    with pytest.raises(ValueError, match=r"MANIFEST: runs/mine/run.json stands twice; keep"):
        manifest.verify()


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000, ""])
def test_a_json_file_that_is_no_object_is_named(text, tmp_path):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(ValueError, match=r"run.json is not readable as JSON .*`rrm verify`"):
        read_json(tmp_path / "run.json")
