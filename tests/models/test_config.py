"""Sizes of a model: what no published layer could have is refused."""

from dataclasses import asdict

import pytest

from rrm_core.models.config import PUBLISHED, Config, ModelError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "gpt"}, "expected trm with mlp or attention"),
        ({"mixing": "mlp"}, "or hrm with attention"),
        ({"H_layers": 0}, "an HRM has one at least"),
        ({"model": "trm"}, "a TRM, one network for both states, has 0"),
        ({"width": 0}, r"width=0: expected an integer in 1..8192"),
        ({"prefix": -1}, r"prefix=-1: expected an integer in 0..512"),
        ({"width": "512"}, "width is '512', expected int"),
        ({"width": 500}, "expected a multiple of 2 x heads = 16"),
        ({"expansion": float("nan")}, "expansion=nan"),
        ({"colour": 1}, r"unknown \['colour'\]"),
    ],
)
def test_bad_configs_are_refused(change, message):
    values = asdict(PUBLISHED["hrm"])
    assert Config.from_dict(values) == PUBLISHED["hrm"]
    with pytest.raises(ModelError, match=message):
        Config.from_dict(values | change)


def test_a_missing_size_is_named():
    values = asdict(PUBLISHED["trm"])
    del values["heads"]
    with pytest.raises(ModelError, match=r"missing \['heads'\]"):
        Config.from_dict(values)
