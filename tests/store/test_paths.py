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
