"""What a training keeps: it resumes bit for bit, and refuses what is not its own."""

import os
import signal
from dataclasses import asdict

import pandas as pd
import pytest
import torch

from rrm_core.models.weights import load_model, stored_digest, stored_dtype
from rrm_core.store import files
from rrm_core.training import recipes, saving
from rrm_core.training.recipes import TrainingError
from rrm_core.training.saving import checkpoints


def assert_same(one, two):
    """Two trainings are where each other is, to the last bit; what times them is left out."""
    left = {"elapsed", "rows"}
    for trainer in (one, two):
        assert trainer.rng.bit_generator.state == one.rng.bit_generator.state
    a, b = (saving.state(trainer) for trainer in (one, two))
    for state in (a, b):
        state["carried"] = {k: v for k, v in state["carried"].items() if k not in left}
        del state["rng"]
    torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("model", ["smoke", "small_hrm"])
def test_resume_continues_bit_for_bit(model, tmp_path, request):
    build = request.getfixturevalue(model)
    whole, first = build(tmp_path / "whole"), build(tmp_path / "parts", steps=3)
    whole.run(progress=False)
    first.run(progress=False)
    second = build(tmp_path / "parts")
    second.resume()
    assert second.step == 3
    second.run(progress=False)
    assert_same(whole, second)
    a, b = (
        pd.read_csv(tmp_path / p / "log.csv").drop(columns=["elapsed_s", "examples_per_s"])
        for p in ("whole", "parts")
    )
    pd.testing.assert_frame_equal(a, b)


def test_adam_atan2_trains_and_resumes(smoke, tmp_path):
    whole = smoke(tmp_path / "a", optimiser="adam-atan2", lr=1e-3)
    whole.run(progress=False)
    half = smoke(tmp_path / "b", optimiser="adam-atan2", lr=1e-3, steps=6)
    half.run(progress=False)
    rest = smoke(tmp_path / "b", optimiser="adam-atan2", lr=1e-3)
    rest.resume()
    rest.run(progress=False)
    assert_same(whole, rest)


def test_a_folder_without_a_training_or_with_another_is_refused(smoke, tmp_path):
    with pytest.raises(TrainingError, match=r"no state.pt to resume"):
        smoke(tmp_path).resume()
    smoke(tmp_path, steps=1).run(progress=False)
    with pytest.raises(TrainingError, match=r"another recipe: \{'lr'"):
        smoke(tmp_path, lr=0.5).resume()
    path = tmp_path / "state.pt"
    whole = path.read_bytes()
    for broken in (whole[:-50], b"", b"no archive", b"\x80\x02cos\nsystem\n(S'true'\ntR."):
        path.write_bytes(broken)
        with pytest.raises(TrainingError, match=r"state.pt is damaged, or no state of a training"):
            smoke(tmp_path).resume()
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(TrainingError, match="no state of a training"):
        smoke(tmp_path).resume()


def test_a_training_goes_on_with_its_own_puzzles_and_no_step_back(smoke, tmp_path):
    smoke(tmp_path, steps=3).run(progress=False)
    before = (tmp_path / "progress.json").read_bytes()
    with pytest.raises(TrainingError, match="is at step 3 already, beyond --steps 2; ask for more"):
        smoke(tmp_path, steps=2).resume()
    other = smoke(tmp_path)
    other.base = tuple(part[::-1].copy() for part in other.base)
    with pytest.raises(TrainingError, match=r"4x4-train holds other puzzles than when .* began"):
        other.resume()
    assert (tmp_path / "progress.json").read_bytes() == before


def test_checkpoints_in_bfloat16_are_the_average_rounded(smoke, tmp_path):
    trainer = smoke(tmp_path, steps=2, bf16_checkpoints=True)
    trainer.run(progress=False)
    folder = checkpoints(tmp_path)[2]
    assert stored_dtype(folder) == torch.bfloat16
    for name, weight in load_model(folder).state_dict().items():
        assert torch.equal(weight, trainer.average.state_dict()[name].bfloat16().float())


def test_a_training_says_what_it_began_with_and_repeats_nothing_else(smoke, tmp_path):
    first, fresh = smoke(tmp_path / "a", steps=3), smoke(tmp_path / "b", steps=3, seed=1)
    first.run(progress=False)
    second = smoke(tmp_path / "c", steps=3, seed=1)
    second.start_from(first.average)
    second.run(progress=False)
    digest = stored_digest(checkpoints(tmp_path / "a")[3])
    assert (
        files.read_json(tmp_path / "c" / "progress.json")["recipe"]["start"] == digest
        and fresh.recipe.start == ""
    )
    assert (
        recipes.essentials(asdict(second.recipe))
        != recipes.essentials(asdict(fresh.recipe))
        == recipes.essentials(asdict(first.recipe))
    )
    again = smoke(tmp_path / "c", steps=5, seed=1)
    again.resume()  # without naming the start again
    assert again.recipe.start == digest and again.step == 3
    other = smoke(tmp_path / "c", steps=5, seed=1)
    other.start_from(fresh.average)
    with pytest.raises(TrainingError, match=r"another recipe: {'start'"):
        other.resume()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_asked_to_stop_saves_its_step_and_goes_on(smoke, tmp_path, number):
    """Ctrl-C, or a cluster's SIGTERM, cost no step, and the end is that of an undisturbed one."""
    whole = smoke(tmp_path / "whole", steps=6)
    whole.run(progress=False)
    first = smoke(tmp_path / "stopped", steps=6)
    advance, before = first.advance, signal.getsignal(number)

    def third():
        advance()
        if first.step == 3:
            os.kill(os.getpid(), number)

    first.advance = third
    with pytest.raises(KeyboardInterrupt):
        first.run(progress=False)
    assert first.step == 3 and signal.getsignal(number) is before
    second = smoke(tmp_path / "stopped", steps=6)
    second.resume()
    assert second.step == 3
    second.run(progress=False)
    for mine, theirs in zip(second.average.parameters(), whole.average.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_checkpoints_of_a_training_whose_state_is_gone_are_not_mixed_with_another_s(
    smoke, tmp_path
):
    """The last one stayed the other training's, and was measured under this one's recipe."""
    often = {"steps": 6, "checkpoint_every": 3}
    smoke(tmp_path, **often).run(progress=False)
    (tmp_path / "state.pt").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}
    with pytest.raises(
        TrainingError, match=r"holds 2 checkpoints and no state.pt to go on from; r"
    ):
        smoke(tmp_path, seed=1, **often).run(progress=False)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.safetensors")}


def test_a_checkpoint_that_a_kill_prevented_is_written_when_the_training_goes_on(smoke, tmp_path):
    often = {"steps": 6, "checkpoint_every": 3, "eval_every": 0}
    whole = smoke(tmp_path / "whole", **often)
    whole.run(progress=False)
    part = smoke(tmp_path / "part", **often)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "checkpoint", lambda trainer: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            part.run(progress=False)
    assert not checkpoints(tmp_path / "part")
    part = smoke(tmp_path / "part", **often)
    part.resume()
    assert part.step == 3
    part.run(progress=False)
    theirs, ours = checkpoints(tmp_path / "whole"), checkpoints(tmp_path / "part")
    assert list(theirs) == list(ours) == [3, 6]
    for step in (3, 6):
        one, other = (found[step] / "model.safetensors" for found in (theirs, ours))
        assert one.read_bytes() == other.read_bytes()


def test_a_stop_asked_for_in_the_last_step_ends_a_training_that_is_done(smoke, tmp_path, capsys):
    trainer = smoke(tmp_path, steps=3, eval_every=0)
    advance = trainer.advance

    def asked():
        advance()
        if trainer.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    trainer.advance = asked
    trainer.run(progress=False)
    assert (
        list(checkpoints(tmp_path)) == [3] and "go on with --resume" not in capsys.readouterr().err
    )
