"""Training: losses, halting, resuming bit for bit, refusing what does not fit."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch

from rrm_core.models.recursive import HRM, TRM, Config
from rrm_core.models.weights import load_model, stored_dtype
from rrm_core.store import files
from rrm_core.training import losses, recipes
from rrm_core.training import trainer as train


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def smoke(folder, **changes):
    config, recipe = train.preset(
        "smoke",
        **{"steps": 12, "batch": 16, "eval_every": 6, "checkpoint_every": 6, "eval_puzzles": 8}
        | changes,
    )
    return train.Trainer(config, recipe, folder)


def small_hrm(folder, **changes):
    recipe = train.preset(
        "smoke",
        **{"steps": 6, "batch": 8, "eval_every": 3, "checkpoint_every": 3, "eval_puzzles": 8}
        | changes,
    )[1]
    return train.Trainer(
        Config("hrm", "attention", 4, 16, 1, 1, 2, 2, heads=2, prefix=1), recipe, folder
    )


def test_stablemax_is_the_published_function():
    x = torch.tensor([[-3.0, -1.0, 0.0, 1.0, 4.0]])
    s = torch.tensor([[1 / 4, 1 / 2, 1.0, 2.0, 5.0]], dtype=torch.float64)
    assert torch.allclose(losses.log_stablemax(x), (s / s.sum()).log())


def test_stablemax_has_finite_gradients_where_the_unused_branch_is_infinite():
    x = torch.tensor([1.0, 1.0 + 1e-9, 0.0, -1.0], requires_grad=True)
    losses.log_stablemax(x)[0].backward()
    assert torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0


def test_answer_loss_is_the_mean_over_cells():
    logits = torch.zeros(2, 3, 4)
    assert torch.allclose(
        losses.answer_loss(logits, torch.ones(2, 3, dtype=torch.long)),
        torch.full((2,), np.log(4.0), dtype=torch.float64),
    )


def test_halting_loss():
    q = torch.tensor([[0.0, 0.0]])
    assert losses.halting_loss(q, torch.tensor([True])).item() == pytest.approx(np.log(2))
    assert losses.halting_loss(
        q, torch.tensor([True]), torch.tensor([0.5])
    ).item() == pytest.approx(2 * np.log(2))


def test_gradient_reaches_only_the_published_updates():
    assert (
        train.gradient_start(TRM(side=4, width=16, prefix=1).config) == 14
    )  # the last of 3 cycles of 7 updates
    assert (
        train.gradient_start(HRM(side=4, width=16, heads=2).config) == 4
    )  # the last L and the last H of 6 updates


def test_training_learns_logs_and_checkpoints(tmp_path):
    trainer = smoke(
        tmp_path, steps=120, batch=64, eval_every=40, checkpoint_every=40, eval_puzzles=64
    )
    trainer.run(progress=False)
    log = pd.read_csv(tmp_path / "log.csv")
    evaluations = log.dropna(subset=["eval_exact"])
    assert list(evaluations.step) == [40, 80, 120] and (np.diff(log.step) > 0).all()
    assert evaluations.eval_token_acc.iloc[-1] > 0.6 > 0.3 > log.token_acc.iloc[0] - 0.25
    assert log.loss.iloc[-1] < log.loss.iloc[0]
    assert sorted(train.checkpoints(tmp_path)) == [40, 80, 120]
    assert load_model(train.checkpoints(tmp_path)[80]).config == trainer.config


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
    a, b = (
        pd.read_csv(tmp_path / p / "log.csv").drop(columns=["elapsed_s", "examples_per_s"])
        for p in ("whole", "parts")
    )
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
    assert torch.allclose(target[0], q[0, 0].sigmoid()) and torch.allclose(
        target[1:], q[1:].max(-1).values.sigmoid()
    )


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


def test_fields_of_the_recipe_given_as_texts():
    given = {
        "lr": "2e-4",
        "batch": "32",
        "compile": "true",
        "betas": "0.9,0.99",
        "optimiser": "adam-atan2",
    }
    assert train.preset("smoke", **train.parsed(given))[1] == replace(
        train.preset("smoke")[1],
        lr=2e-4,
        batch=32,
        compile=True,
        betas=(0.9, 0.99),
        optimiser="adam-atan2",
    )
    for name, text, said in (
        ("lrr", "1", "unknown recipe fields ['lrr']"),
        ("batch", "1.5", "batch='1.5': expected int"),
        ("compile", "yes", "compile='yes': expected bool"),
    ):
        with pytest.raises(train.TrainingError, match=re.escape(said)):
            train.parsed({name: text})


def test_a_device_without_memory_is_told_so(tmp_path, monkeypatch):
    trainer = train.Trainer(*train.preset("smoke"), tmp_path)
    trainer.run(progress=False, minutes=0)

    def full():
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trainer, "advance", full)
    with pytest.raises(
        train.TrainingError,
        match="cpu has not enough memory for batches of 64; train with a smaller one",
    ):
        trainer.run(progress=False)


def test_checkpoints_in_bfloat16_are_the_average_rounded(tmp_path):
    trainer = train.Trainer(*train.preset("smoke", steps=2, bf16_checkpoints=True), tmp_path)
    trainer.run(progress=False)
    folder = train.checkpoints(tmp_path)[2]
    assert stored_dtype(folder) == torch.bfloat16
    for name, weight in load_model(folder).state_dict().items():
        assert torch.equal(weight, trainer.average.state_dict()[name].bfloat16().float())


def test_adam_atan2_is_adam_without_epsilon_on_the_angle():
    from rrm_core.training.optim import AdamAtan2

    start, gradients = (
        torch.tensor([1.0, -2.0, 3.0]),
        [torch.tensor([1e-9, 5.0, -0.5]), torch.tensor([2e-9, -1.0, 0.0])],
    )
    p = torch.nn.Parameter(start.clone())
    optimiser, m, v, expected = (
        AdamAtan2([p], lr=0.1, betas=(0.9, 0.95), weight_decay=0.5),
        0.0,
        0.0,
        start.clone(),
    )
    for t, g in enumerate(gradients, 1):
        p.grad = g.clone()
        optimiser.step()
        m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g**2
        expected = expected * (1 - 0.1 * 0.5) - 0.1 / (1 - 0.9**t) * torch.atan2(
            m, (v / (1 - 0.95**t)).sqrt()
        )  # as in the published kernel
    assert torch.allclose(p.detach(), expected, atol=1e-6)
    assert abs(p[0].item() - (start[0] * 0.95**2).item()) > 0.05, (
        "a gradient of 1e-9 moves a weight as any other"
    )


def test_published_presets_have_the_published_sizes():
    for name, parameters, batch in (("trm-9x9", 5_028_866, 768), ("hrm-9x9", 27_275_266, 768)):
        config, recipe = train.preset(name)
        with torch.device("meta"):
            sizes = [p.numel() for p in train.RecursiveModel(config).parameters()]
        assert (sum(sizes), recipe.batch, recipe.optimiser) == (parameters, batch, "adam-atan2")


def test_adam_atan2_trains_and_resumes(tmp_path):
    whole = smoke(tmp_path / "a", optimiser="adam-atan2", lr=1e-3)
    whole.run(progress=False)
    half = smoke(tmp_path / "b", optimiser="adam-atan2", lr=1e-3, steps=6)
    half.run(progress=False)
    rest = smoke(tmp_path / "b", optimiser="adam-atan2", lr=1e-3)
    rest.resume()
    rest.run(progress=False)
    expected, found = whole.tensors(), rest.tensors()
    assert expected.keys() == found.keys() and all(
        torch.equal(expected[k], found[k]) for k in expected
    )


def test_branches_are_perturbed_copies_that_halt_together(tmp_path):
    trainer = smoke(tmp_path, branches=4, sigma=1e-3, batch=8)
    trainer.refill()
    tokens, z = trainer.tokens.view(4, 8, -1), trainer.state[0].view(4, 8, -1)
    assert (tokens == tokens[0]).all()
    kicks = (z - z[0])[1:]
    assert torch.equal(
        z[0], trainer.model.initial_state(8)[0].flatten(1)
    ) and kicks.std().item() == pytest.approx(1e-3, rel=0.1)
    assert (kicks[0] - kicks[1]).abs().max() > 1e-3
    for _ in range(6):
        trainer.advance()
        assert (trainer.done.view(4, 8) == trainer.done[:8]).all()


def test_q_continue_on_a_share_of_rows(tmp_path):
    trainer = small_hrm(tmp_path, continue_share=0.25)
    trainer.refill()
    target = trainer.continue_target(trainer.state, trainer.model.embed(trainer.tokens))
    assert (~target.isnan()).sum() == 2
    q, solved = torch.randn(8, 2), torch.zeros(8, dtype=torch.bool)
    extra = losses.halting_loss(q, solved, target) - losses.halting_loss(q, solved)
    known = ~target.isnan()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(q[known, 1], target[known])
    assert extra.mean().item() == pytest.approx(expected.item(), rel=1e-5)


def test_starting_from_a_checkpoint_takes_its_weights_and_refuses_another_model(tmp_path):
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
    with pytest.raises(train.TrainingError, match="cannot start from a model with"):
        small_hrm(tmp_path / "c").start_from(first.average)


def test_a_training_says_what_it_began_with_and_repeats_nothing_else(tmp_path):
    first, fresh = smoke(tmp_path / "a", steps=3), smoke(tmp_path / "b", steps=3, seed=1)
    first.run(progress=False)
    second = smoke(tmp_path / "c", steps=3, seed=1)
    second.start_from(first.average)
    second.run(progress=False)
    digest = files.sha256(train.checkpoints(tmp_path / "a")[3] / "model.safetensors")
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
    with pytest.raises(train.TrainingError, match="another recipe: {'start'"):
        other.resume()


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
)  # the compiler's own look at its inputs
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python:RuntimeWarning")  # on 3.13.0
def test_a_compiled_training_is_the_same_but_for_round_off_and_resumes_bit_for_bit(tmp_path):
    logs = {}
    for compiled in (False, True):
        trainer = small_hrm(
            tmp_path / str(compiled), compile=compiled, bf16=False, steps=4, log_every=1
        )
        trainer.run(progress=False)
        logs[compiled] = pd.read_csv(trainer.folder / "log.csv")
    assert (
        np.allclose(logs[True].loss, logs[False].loss, rtol=1e-5)
        and (logs[True].token_acc.dropna() == logs[False].token_acc.dropna()).all()
    )
    first = small_hrm(tmp_path / "two", compile=True, bf16=False, steps=2, log_every=1)
    first.run(progress=False)
    second = small_hrm(tmp_path / "two", compile=True, bf16=False, steps=4, log_every=1)
    second.resume()
    second.run(progress=False)
    found, wanted = second.tensors(), trainer.tensors()
    assert set(found) == set(wanted) and all(
        torch.equal(found[name], wanted[name]) for name in wanted
    )
    plain = small_hrm(tmp_path / "two", bf16=False, steps=4, log_every=1)
    with pytest.raises(train.TrainingError, match=r"another recipe: {'compile': \(True, False\)}"):
        plain.resume()


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
