"""Training: it learns, halts by the rule, and says what to do where it cannot go on."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rrm_core.models.config import PUBLISHED, SEGMENTS
from rrm_core.models.weights import load_model
from rrm_core.training import losses, recipes, saving
from rrm_core.training.recipes import TrainingError
from rrm_core.training.saving import checkpoints
from rrm_core.training.trainer import gradient_start


def test_gradient_reaches_only_the_published_updates():
    assert gradient_start(PUBLISHED["trm"]) == 14  # the last of 3 cycles of 7 updates
    assert gradient_start(PUBLISHED["hrm"]) == 4  # the last L and the last H of 6 updates


def test_training_learns_logs_and_checkpoints(smoke_training):
    log = pd.read_csv(smoke_training / "log.csv")
    evaluations = log.dropna(subset=["eval_exact"])
    assert list(evaluations.step) == [40, 80, 120] and (np.diff(log.step) > 0).all()
    assert evaluations.eval_token_acc.iloc[-1] > 0.6 > 0.3 > log.token_acc.iloc[0] - 0.25
    assert log.loss.iloc[-1] < log.loss.iloc[0]
    assert sorted(checkpoints(smoke_training)) == [40, 80, 120]
    trained = replace(recipes.preset("smoke")[0], H_cycles=1)
    assert load_model(checkpoints(smoke_training)[80]).config == trained


def test_two_trainings_with_one_seed_are_equal_and_another_seed_differs(smoke, tmp_path):
    weights = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        trainer = smoke(tmp_path / folder, steps=3, seed=seed)
        trainer.run(progress=False)
        weights.append(trainer.average.inner.lm_head.weight)
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_halting_follows_the_rule_and_exploration_holds(smoke, tmp_path):
    trainer = smoke(tmp_path, explore=0.0)
    trainer.used[:] = 3
    q = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]).repeat(8, 1)
    trainer.halt(q)
    assert trainer.done.tolist() == [True, False] * 8
    trainer.used[:] = SEGMENTS
    trainer.halt(q)
    assert trainer.done.all()
    explorer = smoke(tmp_path, explore=1.0)
    explorer.used[:] = 1  # below every minimum of 2..16
    explorer.halt(q.abs())
    assert not explorer.done.any()


def test_rows_that_halt_get_a_fresh_puzzle_and_the_start_state(smoke, tmp_path):
    trainer = smoke(tmp_path)
    trainer.advance()
    before, state = trainer.tokens.clone(), trainer.state[0].clone()
    trainer.done[:] = False
    trainer.done[2] = True
    trainer.refill()
    assert (trainer.tokens != before).any(1).nonzero().squeeze(-1).tolist() == [2]
    assert torch.equal(trainer.state[0][2], trainer.model.initial_state(trainer.tokens)[0][0])
    assert torch.equal(trainer.state[0][3], state[3]) and trainer.used[2] == 0


def test_continue_target_uses_the_next_segment(small_hrm, tmp_path):
    trainer = small_hrm(tmp_path)
    trainer.refill()
    trainer.used[:] = 5
    trainer.used[0] = SEGMENTS
    x = trainer.model.embed(trainer.tokens)
    with torch.no_grad():
        trainer.model.inner.q_head.weight.normal_()
        q = trainer.model.readout(trainer.model.segment(trainer.state, x))[1]
    target = trainer.continue_target(trainer.state, x)
    assert torch.allclose(target[0], q[0, 0].sigmoid()) and torch.allclose(
        target[1:], q[1:].max(-1).values.sigmoid()
    )


def test_q_continue_on_a_share_of_rows(small_hrm, tmp_path):
    trainer = small_hrm(tmp_path, continue_share=0.25)
    trainer.refill()
    target = trainer.continue_target(trainer.state, trainer.model.embed(trainer.tokens))
    assert (~target.isnan()).sum() == 2
    q, solved = torch.randn(8, 2), torch.zeros(8, dtype=torch.bool)
    extra = losses.halting_loss(q, solved, target) - losses.halting_loss(q, solved)
    known = ~target.isnan()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(q[known, 1], target[known])
    assert extra.mean().item() == pytest.approx(expected.item(), rel=1e-5)


def test_branches_are_perturbed_copies_that_halt_together(smoke, tmp_path):
    trainer = smoke(tmp_path, branches=4, sigma=1e-3, batch=8)
    trainer.refill()
    tokens, z = trainer.tokens.view(4, 8, -1), trainer.state[0].view(4, 8, -1)
    assert (tokens == tokens[0]).all()
    kicks = (z - z[0])[1:]
    assert torch.equal(
        z[0], trainer.model.initial_state(trainer.tokens[:8])[0].flatten(1)
    ) and kicks.std().item() == pytest.approx(1e-3, rel=0.1)
    assert (kicks[0] - kicks[1]).abs().max() > 1e-3
    for _ in range(6):
        trainer.advance()
        assert (trainer.done.view(4, 8) == trainer.done[:8]).all()


def test_starting_from_a_checkpoint_takes_its_weights_and_refuses_another_model(
    smoke, small_hrm, tmp_path
):
    first = smoke(tmp_path / "a")
    first.run(progress=False)
    second = smoke(tmp_path / "b")
    second.start_from(first.average)
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            second.model.state_dict().values(), first.average.state_dict().values(), strict=True
        )
    )
    with pytest.raises(TrainingError, match="cannot start from a model with"):
        small_hrm(tmp_path / "c").start_from(first.average)


class Waits(TorchDispatchMode):
    """What asks a device for values, so that the host would wait for a GPU there."""

    KNOWN = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2")

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name().split("::")[1].split(".")[0]
        masks = (
            args[1]
            if name.lstrip("_").startswith("index") and isinstance(args[1], (list, tuple))
            else ()
        )
        masked = any(torch.is_tensor(m) and m.dtype == torch.bool for m in masks)
        if masked or name in self.KNOWN:
            self.seen.append(name)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("model", ["smoke", "small_hrm"])
@pytest.mark.parametrize("optimiser", ["adamw", "adam-atan2"])
def test_a_step_asks_its_device_for_what_halts_and_nothing_else(
    model, optimiser, tmp_path, request
):
    share = {"continue_share": 0.5} if model == "small_hrm" else {"branches": 2, "sigma": 1e-3}
    trainer = request.getfixturevalue(model)(tmp_path, optimiser=optimiser, **share)
    trainer.run(progress=False, minutes=0)
    with Waits() as waits:
        assert bool((torch.ones(2) == 1).all()) and torch.ones(2)[torch.ones(2) > 0].sum() == 2
    assert len(waits.seen) == 3, "a condition, a mask and a comparison"
    for _ in range(3):
        with Waits() as waits:
            trainer.advance()
        assert waits.seen == ["nonzero"], "of `done`, which was sent to the host before"
    assert all(torch.is_tensor(total) for name, total in trainer.totals.items() if name != "steps")
    trainer.collect()
    assert trainer.totals["steps"] == 3 and type(trainer.totals["loss"]) is float


def test_what_halts_is_sent_before_the_gradients(smoke, tmp_path):
    trainer, order = smoke(tmp_path), []
    halt, learn = trainer.halt, trainer.learn
    trainer.halt = lambda q: order.append("halt") or halt(q)
    trainer.learn = lambda: order.append("learn") or learn()
    trainer.model.inner.lm_head.weight.register_hook(lambda grad: order.append("gradient"))
    trainer.advance()
    assert order == ["halt", "gradient", "learn"]


def test_a_device_without_memory_is_told_so(smoke, tmp_path, monkeypatch):
    trainer = smoke(tmp_path, batch=64)
    trainer.run(progress=False, minutes=0)

    def full():
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer, "advance", full)
    with pytest.raises(
        TrainingError,
        match="cpu has not enough memory for batches of 64; train with a smaller one",
    ):
        trainer.run(progress=False)


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
)  # the compiler's own look at its inputs
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python:RuntimeWarning")  # on 3.13.0
def test_a_compiled_step_is_the_same_but_for_round_off(smoke, tmp_path):
    options = {"bf16": False, "steps": 1, "log_every": 1}
    plain = smoke(tmp_path / "plain", **options)
    compiled = smoke(tmp_path / "compiled", compile=True, **options)
    for trainer in (plain, compiled):
        trainer.run(progress=False)
    assert compiled.rows[0]["loss"] == pytest.approx(plain.rows[0]["loss"], rel=1e-5)
    moved = [m.inner.lm_head.weight for m in (plain.model, compiled.model)]
    assert torch.allclose(*moved, atol=1e-5)
    with pytest.raises(TrainingError, match=r"another recipe: {'compile': \(True, False\)}"):
        smoke(tmp_path / "compiled", **options).resume()


def test_without_a_compiler_the_command_says_what_to_do(tmp_path):
    environment = os.environ | {
        "CXX": str(tmp_path / "no-compiler"),
        "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache"),
    }
    command = [
        sys.executable,
        "-m",
        "rrm_core.cli",
        "train",
        "smoke",
        "--compile",
        "--quiet",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "install a C++ compiler, or train without --compile" in done.stderr.splitlines()[-1]


def test_what_a_model_or_its_puzzles_cannot_follow_is_refused_before_the_first_step(
    smoke, tmp_path, data_copy
):
    for changes, said in (
        ({"extra_givens": 13}, "extra_givens=13: the puzzles of 4x4-train have 12 blanks at most"),
        ({"continue_share": 0.5}, "continue_share=0.5: a TRM has no q_continue; leave it at 1"),
        ({"puzzles": "nope"}, "unknown puzzle set 'nope-train'; known: 4x4-test"),
        ({"puzzles": "6x6"}, "set '6x6-train' has 36 cells a board, the model wants 4x4"),
    ):
        with pytest.raises(ValueError, match=said):
            smoke(tmp_path / "training", **changes)
    (data_copy / "puzzles" / "4x4-validation.csv.gz").unlink()
    with pytest.raises(TrainingError, match=r"'4x4-validation'.* or train without it: -p eval_e"):
        smoke(tmp_path / "training")
    assert not (tmp_path / "training").exists()
    smoke(tmp_path / "training", steps=1, eval_every=0).run(progress=False)


def test_a_resumed_training_is_not_logged_as_faster(smoke, tmp_path):
    """The row that a stop fell into counts the seconds of both parts."""
    first = smoke(tmp_path, steps=9, log_every=10)
    first.run(progress=False)
    first.totals["seconds"] = 50.0  # as if these nine had been slow
    saving.save(first)
    again = smoke(tmp_path, steps=10, log_every=10)
    again.resume()
    again.run(progress=False)
    row = next(row for row in again.rows if row["step"] == 10)
    assert row["examples_per_s"] < 10 * again.recipe.batch / 50


def test_never_is_a_choice(smoke, tmp_path):
    never = {"eval_every": 0, "log_every": 0, "checkpoint_every": 0, "warmup": 0}
    smoke(tmp_path, steps=3, **never).run(progress=False)
    assert list(checkpoints(tmp_path)) == [3] and not (tmp_path / "log.csv").exists()


@pytest.mark.parametrize("minutes", [-1, float("nan")])
def test_a_time_that_is_none_is_refused(smoke, tmp_path, minutes):
    with pytest.raises(TrainingError, match=f"minutes={minutes}: expected 0 or more"):
        smoke(tmp_path).run(minutes, progress=False)


def test_a_training_that_diverges_stops_and_keeps_its_last_save(smoke, tmp_path):
    trainer = smoke(tmp_path, steps=6, eval_every=0, checkpoint_every=2)
    advance = trainer.advance

    def spoiled():
        if trainer.step == 3:
            trainer.model.inner.lm_head.weight.data.fill_(torch.inf)
        advance()

    trainer.advance = spoiled
    with pytest.raises(TrainingError, match="the loss is nan at step 4: the last save is kept"):
        trainer.run(progress=False)
    assert list(checkpoints(tmp_path)) == [2]
    assert torch.load(tmp_path / "state.pt", weights_only=True)["carried"]["step"] == 2


def test_a_folder_that_cannot_be_written_is_known_before_the_first_step(smoke, tmp_path):
    (tmp_path / "file").write_text("")
    trainer = smoke(tmp_path / "file" / "training")
    with pytest.raises(OSError, match=r"could not write .*Not a directory"):
        trainer.run(progress=False)
    assert trainer.step == 0


def test_a_processor_without_memory_is_told_like_a_gpu(smoke, tmp_path, monkeypatch):
    trainer = smoke(tmp_path)

    def full():
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")

    monkeypatch.setattr(trainer, "advance", full)
    with pytest.raises(TrainingError, match="cpu has not enough memory for batches of 16"):
        trainer.attempt()
