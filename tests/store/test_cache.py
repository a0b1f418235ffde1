"""The cache of computed tables."""

import pandas as pd
import pytest

from rrm_core.store.cache import cached


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setenv("RRM_DATA", str(tmp_path / "data"))
    return tmp_path / "_build" / ".tables"


class Make:
    """A table whose making is counted."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return pd.DataFrame({"run": ["a", None], "auc": [0.5, float("nan")]})


def test_a_table_is_made_once_and_comes_back_the_same(tables):
    make = Make()
    first, second = (cached("summary", {"run": "a", "digest": "0"}, make) for _ in range(2))
    pd.testing.assert_frame_equal(first, second)
    assert make.calls == 1 and len(list(tables.iterdir())) == 1


def test_another_key_makes_it_anew_and_drops_the_old_one(tables):
    make = Make()
    for key in ("a", "b", "b"):
        cached("summary", key, make)
        cached("summary.of", "a", make)
    assert make.calls == 3 and len(list(tables.iterdir())) == 2


def test_the_order_of_a_key_does_not_matter(tables):
    make = Make()
    cached("summary", {"a": 1, "b": 2}, make)
    cached("summary", {"b": 2, "a": 1}, make)
    assert make.calls == 1


def test_a_damaged_table_is_made_anew(tables):
    make = Make()
    cached("summary", "a", make)
    next(tables.iterdir()).write_bytes(b"PAR1 half")
    pd.testing.assert_frame_equal(cached("summary", "a", make), make())


def test_a_folder_that_cannot_be_written_is_no_error(tables):
    tables.parent.write_text("a file where the folder would be")
    make = Make()
    assert len(cached("summary", "a", make)) == len(cached("summary", "a", make)) == 2
    assert make.calls == 2


def test_a_mistake_in_the_making_is_not_swallowed(tables):
    def broken():
        raise OSError("no such run")

    with pytest.raises(OSError, match="no such run"):
        cached("summary", "a", broken)
