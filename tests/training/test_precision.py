"""The precision of a training: what the processor does well, said, kept, or forced."""

import time

import pytest
import torch

from rrm_core.store.files import read_json
from rrm_core.training import precision
from rrm_core.training.recipes import TrainingError, parsed


@pytest.mark.parametrize(("ratio", "bf16"), [(0.4, True), (0.9, False), (7.1, False)])
def test_a_cpu_is_given_what_it_does_well(smoke, ratio, bf16, monkeypatch):
    monkeypatch.setattr(precision, "slowdown", lambda: ratio)
    chosen, why = precision.choose(torch.device("cpu"))
    assert chosen is bf16
    assert (
        why
        == {
            0.4: "bfloat16 is 2.5 times faster on this processor",
            0.9: "bfloat16 is 1.1 times faster on this processor",
            7.1: "bfloat16 is 7.1 times slower on this processor",
        }[ratio]
    )


def test_choosing_takes_a_moment():
    precision.slowdown.cache_clear()
    start = time.process_time()
    precision.choose(torch.device("cpu"))
    assert time.process_time() - start < 2  # measured: .07 without bfloat16 units


def test_the_choice_is_said_kept_and_can_be_forced(smoke, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision, "slowdown", lambda: 7.1)
    first = smoke(tmp_path, steps=1)
    first.run()
    said = capsys.readouterr().out.splitlines()[0]
    assert said == "precision: float32 (bfloat16 is 7.1 times slower on this processor)"
    assert read_json(tmp_path / "progress.json")["recipe"]["bf16"] is False
    monkeypatch.setattr(precision, "slowdown", lambda: 0.4)  # another processor
    second = smoke(tmp_path, steps=1)
    assert second.recipe.bf16 is True
    second.resume()
    assert second.recipe.bf16 is False and second.why == "as this training began"
    with pytest.raises(TrainingError, match=r"another recipe: \{'bf16': \(False, True\)\}"):
        smoke(tmp_path, steps=1, bf16=True).resume()
    forced = smoke(tmp_path / "forced", steps=1, **parsed({"bf16": "true"}))
    monkeypatch.setattr(precision, "slowdown", lambda: 7.1)
    assert forced.recipe.bf16 is True and forced.why == "as asked"
