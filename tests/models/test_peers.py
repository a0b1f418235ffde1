"""Models of other people's packages against those packages; skipped where they are not installed.

``pip install -e '.[peers]'`` installs them (nano-trm 0.1.0 asks for Python 3.12.1 and nothing
else); CI has none of them, as of the workflow's Snakemake.
"""

import pytest
import torch

from rrm_core.dynamics import check
from rrm_core.dynamics.exponents import push, start_frame
from rrm_core.dynamics.rollout import unroll
from rrm_core.models import official
from rrm_core.models.peers import hrm_pytorch, tiny
from rrm_core.sudoku import sets

NANO = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_grid_size": 4}
NANO |= {"H_cycles": 2, "L_cycles": 2, "ffn_expansion": 4, "puzzle_emb_len": 0}
NANO |= {"puzzle_emb_dim": 0, "vocab_size": 7, "num_puzzles": 1, "batch_size": 2}
SIZES = {"dim": 32, "depth": 1, "heads": 2, "head": 32, "registers": 1, "vocabulary": 6}


@pytest.fixture(scope="module")
def boards():
    return sets.boards(sets.table("4x4-test").head(5))[0]


def followed(model, boards, segments):
    """[(state, logits, q)] after each segment."""
    x, out = model.embed(model.encode(boards)), []
    state = model.initial_state(x)
    for _ in range(segments):
        for update in model.updates(x):
            state = update(state)
        out.append((state, *model.readout(state)))
    return out


class TestTiny:
    @pytest.fixture
    def package(self):
        pytest.importorskip("tiny_recursive_model")
        torch.manual_seed(0)
        model = tiny.built(SIZES).eval()
        torch.nn.init.normal_(model.to_halt_pred[1].weight)
        return model

    @torch.no_grad()
    def test_it_is_the_package_s_own_step(self, package, boards):
        model = tiny.TinyRecursive(package)
        seq, (y, z) = model.encode(boards), package.get_initial()
        for state, logits, q in followed(model, boards, 4):
            y, z, wanted, halt = package(seq, y, z)
            assert torch.equal(state[0], y) and torch.equal(state[1], z)
            assert torch.equal(logits, wanted) and torch.equal(q[:, 0].sigmoid(), halt)

    def test_it_stops_where_predict_does_with_the_same_answer(self, package, boards):
        model = tiny.TinyRecursive(package)
        out = unroll(model, model.encode(boards), segments=12, k=0)
        answers, steps = package.predict(model.encode(boards))
        for row, step in enumerate(steps.tolist()):
            halts = out.halts[row].nonzero().flatten().tolist()
            assert step == (halts[0] + 1 if halts else 12)
            assert torch.equal(out.answer[row, step - 1], answers[row])

    def test_it_keeps_the_contract_but_its_softmax_is_float32(self, package, boards):
        found = check.check(tiny.TinyRecursive(package), boards)
        assert not found.faults and "cast to float32" in found.notes[0]

    def test_forward_itself_would_read_as_strong_contraction(self, package, boards):
        class Detached(tiny.TinyRecursive):
            updates_per_segment = 1

            def __init__(self, model):
                super().__init__(model)
                self.updates_per_segment = 1

            def updates(self, x):
                ids = self.encode(boards)[: len(x)]
                return [lambda state: self.model(ids[: len(state[0])], *state)[:2]]

        faults = check.check(Detached(package), boards).faults
        assert len(faults) == 1 and "a tangent is cut" in faults[0]


@pytest.mark.parametrize("levels", [2, 3])
class TestHRM:
    def package(self, levels, kind):
        package = pytest.importorskip("HRM")
        torch.manual_seed(0)
        network = {"dim": 32, "depth": 1, "heads": 2, "attn_dim_head": 32}
        network |= {"rotary_pos_emb": True, "use_rmsnorm": True, "pre_norm": False}
        return getattr(package, kind)([network] * levels, dim=32, num_tokens=6).eval()

    @torch.no_grad()
    def test_it_is_the_package_s_own_reasoning_step(self, levels, boards):
        package = self.package(levels, "HRM")
        model = hrm_pytorch.HRM(package)
        seq = model.encode(boards)
        _, hiddens = package(seq, reasoning_steps=1)
        for state, logits, _ in followed(model, boards, 3):
            wanted, hiddens = package(seq, tuple(hiddens), reasoning_steps=1)
            for ours, theirs in zip(reversed(state), hiddens, strict=True):
                assert torch.allclose(ours, theirs, atol=1e-6)
            assert torch.allclose(logits, wanted, atol=1e-6)

    @torch.no_grad()
    def test_with_act_it_would_halt_where_the_package_does(self, levels, boards):
        package = self.package(levels, "HRM_ACT")
        model = hrm_pytorch.HRM(package)
        seq = model.encode(boards)
        _, _, steps = package(seq, max_reasoning_steps=6)
        x = model.embed(seq)
        first = model.would_halt(model.readout(model.initial_state(x))[1])
        halts = torch.cat([first[:, None], unroll(model, seq, segments=5, k=0).halts], 1)
        wanted = torch.where(halts.any(1), halts.int().argmax(1) + 1, -1)
        assert torch.equal(steps, wanted)

    def test_the_high_state_never_reads_itself(self, levels, boards):
        model = hrm_pytorch.HRM(self.package(levels, "HRM")).double()
        x = model.embed(model.encode(boards[:2]))
        state = tuple(z.contiguous() for z in model.initial_state(x))
        frame = start_frame(state, 2)
        own = (frame[0], *[torch.zeros_like(part) for part in frame[1:]])
        _, moved = push(model.updates(x)[-1], state, own)
        assert not moved[0].any() and frame[0].any()

    def test_it_keeps_the_contract(self, levels, boards):
        for kind, scores in (("HRM", ()), ("HRM_ACT", ("q_halt", "q_continue"))):
            model = hrm_pytorch.HRM(self.package(levels, kind))
            assert model.scores == scores and check.check(model, boards).faults == []


class TestNano:
    """A Lightning file of nano-trm, imported like an official checkpoint, against its own steps."""

    @pytest.fixture(params=[(None, True), ("1d", False)], ids=["mlp", "attention"])
    def package(self, request):
        module = pytest.importorskip("src.nn.models.trm")
        torch.manual_seed(0)
        kinds = {"pos_emb_type": request.param[0], "use_mlp_t": request.param[1]}
        return module.TRMModule(**NANO, **kinds, seq_len=16).eval()

    @pytest.fixture
    def file(self, package, tmp_path):
        shadow = {name: 1.1 * p.detach() for name, p in package.named_parameters()}
        kept = {"state_dict": package.state_dict(), "hyper_parameters": dict(package.hparams)}
        kept |= {"callbacks": {"EMACallback": {"shadow": shadow, "decay": 0.999}}}
        torch.save(kept, tmp_path / "last.ckpt")
        return tmp_path / "last.ckpt"

    @torch.no_grad()
    @pytest.mark.parametrize("weights", ["state_dict", "callbacks.EMACallback.shadow"])
    def test_it_is_the_package_s_own_step(self, package, file, weights, boards):
        model, found = official.read_checkpoint(file, weights=weights)
        assert found["weights"] == weights and found["taken as published"] == []
        if "shadow" in weights:
            for p in package.parameters():
                p.mul_(1.1)
        theirs = torch.from_numpy(boards.astype("int64")) + 2  # 0 padding, 1 end, 2 blank
        batch = {"input": theirs, "puzzle_identifiers": torch.zeros(5, dtype=torch.long)}
        carry = package.reset_carry(torch.ones(5, dtype=torch.bool), package.empty_carry(5, "cpu"))
        for segment, (state, logits, q) in enumerate(followed(model, boards, 3)):
            near = {"atol": 1e-5 * 10**segment}  # round-off, which a fresh model lets grow
            carry, wanted, halt = package.inner_forward(carry, batch)
            assert torch.allclose(state[0], carry.z_H, **near)
            assert torch.allclose(state[1], carry.z_L, **near)
            keep = [0, 2, 3, 4, 5, 6]  # all but the end
            assert torch.allclose(logits, wanted[..., keep], **near)
            assert torch.allclose(q[:, 0], halt, **near)

    def test_the_average_is_taken_unless_another_is_asked_for(self, file):
        _, found = official.read_checkpoint(file)
        assert found["weights"] == "callbacks.EMACallback.shadow"
