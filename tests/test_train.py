"""Training: losses, halting, resuming bit for bit, refusing what does not fit."""

import numpy as np
import pandas as pd
import pytest
import torch

from rrm_core import train
from rrm_core.models import HRM, TRM, Config


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def smoke(folder, **changes):
    config, recipe = train.preset("smoke", **{"steps": 12, "batch": 16, "eval_every": 6, "checkpoint_every": 6, "eval_puzzles": 8} | changes)
    return train.Trainer(config, recipe, folder)


def small_hrm(folder, **changes):
    recipe = train.preset("smoke", **{"steps": 6, "batch": 8, "eval_every": 3, "checkpoint_every": 3, "eval_puzzles": 8} | changes)[1]
    return train.Trainer(Config("hrm", "attention", 4, 16, 1, 1, 2, 2, heads=2, prefix=1), recipe, folder)


def test_stablemax_is_the_published_function():
    x = torch.tensor([[-3.0, -1.0, 0.0, 1.0, 4.0]])
    s = torch.tensor([[1 / 4, 1 / 2, 1.0, 2.0, 5.0]], dtype=torch.float64)
    assert torch.allclose(train.log_stablemax(x), (s / s.sum()).log())


def test_stablemax_has_finite_gradients_where_the_unused_branch_is_infinite():
    x = torch.tensor([1.0, 1.0 + 1e-9, 0.0, -1.0], requires_grad=True)
    train.log_stablemax(x)[0].backward()
    assert torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0


def test_answer_loss_is_the_mean_over_cells():
    logits = torch.zeros(2, 3, 4)
    assert torch.allclose(train.answer_loss(logits, torch.ones(2, 3, dtype=torch.long)), torch.full((2,), np.log(4.0), dtype=torch.float64))


def test_halting_loss():
    q = torch.tensor([[0.0, 0.0]])
    assert train.halting_loss(q, torch.tensor([True])).item() == pytest.approx(np.log(2))
    assert train.halting_loss(q, torch.tensor([True]), torch.tensor([0.5])).item() == pytest.approx(2 * np.log(2))


def test_gradient_reaches_only_the_published_updates():
    assert train.gradient_start(TRM(side=4, width=16, prefix=1).config) == 14  # the last of 3 cycles of 7 updates
    assert train.gradient_start(HRM(side=4, width=16, heads=2).config) == 4  # the last L and the last H of 6 updates


def test_training_learns_logs_and_checkpoints(tmp_path):
    trainer = smoke(tmp_path, steps=120, batch=64, eval_every=40, checkpoint_every=40, eval_puzzles=64)
    trainer.run(progress=False)
    log = pd.read_csv(tmp_path / "log.csv")
    evaluations = log.dropna(subset=["eval_exact"])
    assert list(evaluations.step) == [40, 80, 120] and (np.diff(log.step) > 0).all()
    assert evaluations.eval_token_acc.iloc[-1] > 0.6 > 0.3 > log.token_acc.iloc[0] - 0.25
    assert log.loss.iloc[-1] < log.loss.iloc[0]
    assert sorted(train.checkpoints(tmp_path)) == [40, 80, 120]
    assert train.load_checkpoint(tmp_path, 80).config == trainer.config
    with pytest.raises(train.TrainingError, match=r"step 7.*40, 80, 120"):
        train.load_checkpoint(tmp_path, 7)


@pytest.mark.parametrize("build", [smoke, small_hrm])
def test_resume_continues_bit_for_bit(build, tmp_path):
    whole, first = build(tmp_path / "whole"), build(tmp_path / "parts", steps=3)
    whole.run(progress=False)
    first.run(progress=False)
    second = build(tmp_path / "parts")
    second.resume()
    assert second.step == 3
    second.run(progress=False)
    one, two = whole.tensors(), second.tensors()
    assert one.keys() == two.keys()
    assert not [name for name in one if not torch.equal(one[name], two[name])]
    a, b = (pd.read_csv(tmp_path / p / "log.csv").drop(columns=["elapsed_s", "examples_per_s"]) for p in ("whole", "parts"))
    pd.testing.assert_frame_equal(a, b)


def test_two_trainings_with_one_seed_are_equal_and_another_seed_differs(tmp_path):
    weights = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        trainer = smoke(tmp_path / folder, steps=3, seed=seed)
        trainer.run(progress=False)
        weights.append(trainer.average.inner.lm_head.weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_halting_follows_the_rule_and_exploration_holds(tmp_path):
    trainer = smoke(tmp_path, explore=0.0)
    trainer.used[:] = 3
    q = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(8, 1)
    trainer.halt(q)
    assert trainer.done.tolist() == [True, False] * 8
    trainer.used[:] = train.SEGMENTS
    trainer.halt(q)
    assert trainer.done.all()
    explorer = smoke(tmp_path, explore=1.0)
    explorer.used[:] = 1  # below every minimum of 2..16
    explorer.halt(q.abs())
    assert not explorer.done.any()


def test_rows_that_halt_get_a_fresh_puzzle_and_the_start_state(tmp_path):
    trainer = smoke(tmp_path)
    trainer.advance()
    before, state = trainer.tokens.clone(), trainer.state[0].clone()
    trainer.done[:] = False
    trainer.done[2] = True
    trainer.refill()
    assert (trainer.tokens != before).any(1).nonzero().squeeze(-1).tolist() == [2]
    assert torch.equal(trainer.state[0][2], trainer.model.initial_state(1)[0][0])
    assert torch.equal(trainer.state[0][3], state[3]) and trainer.used[2] == 0


def test_continue_target_uses_the_next_segment(tmp_path):
    trainer = small_hrm(tmp_path)
    trainer.refill()
    trainer.used[:] = 5
    trainer.used[0] = train.SEGMENTS
    x = trainer.model.embed(trainer.tokens)
    with torch.no_grad():
        trainer.model.inner.q_head.weight.normal_()
        q = trainer.model.readout(trainer.model.segment(trainer.state, x))[1]
    target = trainer.continue_target(trainer.state, x)
    assert torch.allclose(target[0], q[0, 0].sigmoid()) and torch.allclose(target[1:], q[1:].max(-1).values.sigmoid())


def test_unknown_presets_fields_and_foreign_folders_are_refused(tmp_path):
    with pytest.raises(train.TrainingError, match="unknown preset 'trm-7x7'; known: trm-6x6"):
        train.preset("trm-7x7")
    with pytest.raises(train.TrainingError, match="speed"):
        train.preset("smoke", speed=3)
    with pytest.raises(train.TrainingError, match="no state.safetensors to resume"):
        smoke(tmp_path).resume()
    smoke(tmp_path, steps=1).run(progress=False)
    with pytest.raises(train.TrainingError, match=r"another recipe: \{'lr'"):
        smoke(tmp_path, lr=0.5).resume()
    path = tmp_path / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(train.TrainingError, match="damaged"):
        smoke(tmp_path).resume()
