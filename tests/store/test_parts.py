"""Parts of a measurement: whole, marked with what they measure, never mixed."""

import pandas as pd
import pytest

from rrm_core.store import parts

KEY = {"k": 2, "segments": 16}


@pytest.fixture
def folder(tmp_path):
    """Two parts of one row each."""
    for start in (0, 1):
        table = pd.DataFrame({"idx": [start], "correct": [True]})
        texts = pd.DataFrame({"idx": [start], "answer_01": ["1234"]})
        parts.write(table, texts, parts.path_of(tmp_path, start), KEY)
    return tmp_path


def test_both_tables_come_back_in_order(folder):
    table, texts = parts.read(folder, [0, 1])
    assert list(table) == ["idx", "correct"] and list(texts) == ["idx", "answer_01"]
    assert list(table.idx) == list(texts.idx) == [0, 1]


def test_damaged_and_absent_parts_are_measured_again(folder):
    parts.path_of(folder, 1).write_bytes(b"PAR1 half")
    assert parts.missing(folder, [0, 1, 2], KEY) == [1, 2]
    parts.refuse_foreign(folder, KEY)


def test_parts_of_another_measurement_are_refused_with_what_differs(folder):
    with pytest.raises(ValueError, match=r"another measurement: \{'k': \(2, 3\)\}"):
        parts.refuse_foreign(folder, KEY | {"k": 3})


def test_removing_parts_leaves_those_of_studies(folder):
    (folder / "long").mkdir()
    parts.remove(folder)
    assert [p.name for p in folder.iterdir()] == ["long"]
