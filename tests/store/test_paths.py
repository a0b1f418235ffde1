"""The data folder is found; a name cannot leave it."""

import pytest

from rrm_core.store import paths


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


@pytest.mark.parametrize("name", ["../../etc", "a/b", "", ".hidden", "TRM", "a" * 81])
def test_a_name_that_could_leave_its_folder_is_refused(name):
    with pytest.raises(ValueError, match="expected lower-case letters"):
        paths.safe_name(name)


MISREAD = (
    "2024 1e5 007 1_000 0x1f 0b1 0o17 1.5 3e-4 1. 2024-01-31 2024-13-45 0x_ nan inf infinity "
    "true false yes no on off y n null none"
)


@pytest.mark.parametrize("name", MISREAD.split())
def test_a_new_run_has_a_name_that_papermill_reads_as_it_is(name):
    with pytest.raises(ValueError, match=f"run name '{name}': papermill reads it as .* run-{name}"):
        paths.new_name(name)
    assert paths.new_name(f"run-{name}") == f"run-{name}" and paths.safe_name(name) == name


def test_the_names_of_shipped_runs_could_be_given_again(root):
    found = [note.parent.name for note in (root / "data" / "runs").glob("*/run.json")]
    assert found and [paths.new_name(name) for name in found] == found
    assert [paths.new_name(n) for n in ("e5", "1e", "2024-000080", "v1.5", "nano")]


def test_without_a_checkout_it_is_said_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RRM_DATA", raising=False)
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site" / "rrm_core" / "store" / "x.py"))
    with pytest.raises(FileNotFoundError, match="work in a clone of the repository, or set RRM_DA"):
        paths.data_dir()
