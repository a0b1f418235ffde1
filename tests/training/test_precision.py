"""The precision of a training: what the processor has, said, kept, or forced."""

import time

import pytest
import torch

from rrm_core.store.files import read_json
from rrm_core.training import precision
from rrm_core.training.recipes import TrainingError, parsed

PROCESSORS = {  # what torch.cpu.get_capabilities() says of it
    "AMD Zen 5": ({"avx512_f": True, "avx512_bf16": True, "amx_bf16": False}, True),
    "Intel Sapphire Rapids": ({"avx512_bf16": True, "amx_bf16": True}, True),
    "AMD Zen 3": ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
    "ARM with units": ({"neon": True, "bf16": True}, True),
    "ARM without": ({"neon": True, "bf16": False}, False),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_cpu_is_given_what_it_has_units_for(name, monkeypatch):
    flags, bf16 = PROCESSORS[name]
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: flags)
    chosen, why = precision.choose(torch.device("cpu"))
    assert chosen is bf16
    assert why == f"this processor has {'' if bf16 else 'no '}bfloat16 units"


def test_a_torch_that_cannot_say_gets_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert precision.choose(torch.device("cpu"))[0] is False


def test_the_choice_is_the_same_on_a_busy_processor():
    """A timing beside other work chose now one and now the other: no clock is read."""
    assert len({precision.choose(torch.device("cpu")) for _ in range(5)}) == 1
    assert not hasattr(precision, "time")


def test_choosing_takes_a_moment():
    start = time.process_time()
    precision.choose(torch.device("cpu"))
    assert time.process_time() - start < 2


def test_the_choice_is_said_kept_and_can_be_forced(smoke, tmp_path, monkeypatch, capsys):
    def processor(name):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: PROCESSORS[name][0])

    processor("AMD Zen 3")
    first = smoke(tmp_path, steps=1)
    first.run()
    said = capsys.readouterr().out.splitlines()[0]
    assert said == "precision: float32 (this processor has no bfloat16 units)"
    assert read_json(tmp_path / "progress.json")["recipe"]["bf16"] is False
    processor("AMD Zen 5")
    second = smoke(tmp_path, steps=1)
    assert second.recipe.bf16 is True
    second.resume()
    assert second.recipe.bf16 is False and second.why == "as this training began"
    with pytest.raises(TrainingError, match=r"another recipe: \{'bf16': \(False, True\)\}"):
        smoke(tmp_path, steps=1, bf16=True).resume()
    forced = smoke(tmp_path / "forced", steps=1, **parsed({"bf16": "true"}))
    processor("AMD Zen 3")
    assert forced.recipe.bf16 is True and forced.why == "as asked"
