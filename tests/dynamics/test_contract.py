"""Models of others: what keeps the contract is measured, what breaks it is told before."""

import itertools
import re

import numpy as np
import pytest
import torch
from torch import nn

from rrm_core.dynamics import check
from rrm_core.dynamics.exponents import spectrum
from rrm_core.dynamics.rollout import unroll
from rrm_core.models.recursive import digits, tokens
from rrm_core.runs import measure
from rrm_core.sudoku import sets

RATES = (0.5, 1.25)  # of the two coordinates: growth is known exactly


class Toy:
    """A map with a known spectrum as a reasoner: each of M parts a (B, 16, 2) that is stretched.

    ln 1.25 and ln 0.5 an update; cell i has a place of its own, so the read-out knows positions.
    """

    name, description, updates_per_segment = "toy", {}, 2
    encode, decode = staticmethod(tokens), staticmethod(digits)

    def __init__(self, parts=("y", "z"), scores=("q_halt",)):
        self.parts, self.scores = parts, scores

    def embed(self, ids):
        place = torch.linspace(0, 1, ids.shape[1], dtype=torch.float64)
        return torch.stack([ids.double(), place.expand(ids.shape)], -1) / 10

    def initial_state(self, x):
        return tuple(x + i for i in range(len(self.parts)))

    def updates(self, x):
        rates = torch.tensor(RATES, dtype=torch.float64)
        return [lambda state: tuple(z * rates for z in state)] * 2

    def readout(self, state):
        seen = state[0].sum(-1, keepdim=True) * torch.arange(6, dtype=torch.float64)
        return seen.sin(), torch.zeros(len(seen), 1)

    def would_halt(self, q):
        return q[:, 0] > 0


@pytest.fixture(scope="module")
def boards():
    return sets.boards(sets.table("4x4-test").head(check.ENOUGH))[0]


@pytest.mark.parametrize("parts", [("y",), ("y", "z"), ("low", "middle", "high")])
@pytest.mark.parametrize("scores", [("q_halt",), ()])
def test_a_map_with_a_known_spectrum_is_measured_with_any_parts_and_scores(boards, parts, scores):
    frame = measure.subset("4x4-test", 5)
    table, _ = measure.rows(Toy(parts, scores), frame, k=2, segments=12)
    assert np.allclose(table.lambda_1, np.log(1.25), atol=0.02)  # the frame turns to it
    late = table[[f"growth_1_{t:02d}" for t in range(9, 13)]]
    assert np.allclose(late, 2 * np.log(1.25), atol=1e-3)
    drifts = {c.rpartition("_")[0] for c in table if c.startswith("drift_")}
    assert drifts == {("drift_h", "drift_l", "drift_3")[i] for i in range(len(parts))}
    assert ("q_halt_12" in table) == bool(scores) and "q_halt_13" not in table
    assert check.check(Toy(parts, scores), boards) == check.Findings()


class Cut(Toy):
    def updates(self, x):
        return [lambda s: tuple(z.detach() * 0.5 for z in s)] * 2


class Writes(Toy):
    def updates(self, x):
        return [lambda s: tuple(z.mul_(0.5) for z in s)] * 2


class Random(Toy):
    def updates(self, x):
        return [lambda s: tuple(z + torch.rand(()) for z in s)] * 2


class Rough(Toy):
    def updates(self, x):
        return [lambda s: tuple((z.float().sin() * 0.5).double() for z in s)] * 2


class Reset(Toy):
    def updates(self, x):
        return [lambda s: (s[0] * 0.5, *s[1:]), lambda s: tuple(x + 0 * z for z in s)]


class Mixes(Toy):
    def updates(self, x):
        return [lambda s: tuple(z * 0.5 - z.mean(0) * 0.1 for z in s)] * 2


class MixesSome(Toy):
    def updates(self, x):
        return [lambda s: tuple(z * 0.5 - z.mean(0) * 1e-3 for z in s)] * 2


class ReadOut(Toy):
    """A toy whose state has scores and whose read-out a subclass spoils."""

    def plain(self, state):
        return Toy.readout(self, state)[0], state[0].mean((1, 2))[:, None].float()


class ReadsInto(ReadOut):
    def readout(self, state):
        state[0].mul_(0.9)
        return self.plain(state)


class ReadsAtRandom(ReadOut):
    def readout(self, state):
        logits, q = self.plain(state)
        return logits + torch.rand_like(logits), q


class ReadsTogether(ReadOut):
    def readout(self, state):
        logits, q = self.plain(state)
        return logits - logits.mean(0), q


class ScoresTogether(ReadOut):
    def readout(self, state):
        logits, q = self.plain(state)
        return logits, q - q.max()


class ReadsNone(ReadOut):
    def readout(self, state):
        logits, q = self.plain(state)
        return logits, q * torch.nan


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (ReadsInto, "readout(state) writes into the state that it is given: drift would be wrong"),
        (ReadsAtRandom, "readout(state) gives another result the second time"),
        (ReadsTogether, "a puzzle alone ends elsewhere than in a batch: something mixes the rows"),
        (ScoresTogether, "a puzzle alone ends elsewhere than in a batch: something mixes the rows"),
        (ReadsNone, "readout(state) gives NaN or infinite"),
    ],
)
def test_a_read_out_that_is_not_a_puzzle_s_own_is_a_fault(boards, model, said):
    (fault,) = check.check(model(), boards).faults
    assert fault.startswith(said)


class Placed(Toy):
    def initial_state(self, x):
        draw = torch.Generator().manual_seed(0)
        return tuple(torch.randn(x.shape, generator=draw, dtype=x.dtype) for _ in self.parts)


class Counts(Toy):
    """Stops after six updates, whatever they are applied to."""

    def updates(self, x):
        calls = itertools.count()
        return [lambda s: s if next(calls) > 5 else tuple(0.9 * z for z in s)] * 2


class Freezes(Toy):
    def updates(self, x):
        def update(s):
            done = (s[0].mean((1, 2)) > 5)[:, None, None]
            return tuple(torch.where(done, z, z + 0.3) for z in s)

        return [update] * 2


class OneTensor(Toy):
    def initial_state(self, x):
        return x


class GivesOne(Toy):
    def updates(self, x):
        return [lambda s: s[0] * 0.5] * 2


class Probable(Toy):
    def would_halt(self, q):
        return q[:, 0].sigmoid()


class Column(Toy):
    def would_halt(self, q):
        return q > 0


class Wide(Toy):
    def readout(self, state):
        logits, q = super().readout(state)
        return torch.cat([logits, logits], -1), q


class Described(Toy):
    description = {"weights": torch.zeros(2)}  # noqa: RUF012


class Nowhere(Toy):
    def embed(self, ids):
        return torch.stack([ids.double(), ids.double()], -1) / 10


class Miscounts(Toy):
    updates_per_segment = 3


class Trains(nn.Module, Toy):
    def __init__(self):
        nn.Module.__init__(self)
        Toy.__init__(self)


class Root(Toy):
    def updates(self, x):
        return [lambda s: tuple(x + z * z.square().sum(-1, True).sqrt() / 9 for z in s)] * 2

    def initial_state(self, x):
        return tuple(torch.zeros_like(z) for z in super().initial_state(x))


class Undefined(Toy):
    def updates(self, x):
        return [lambda s: tuple(z / z.norm() * 0 for z in s)] * 2

    def initial_state(self, x):
        return tuple(torch.zeros_like(z) for z in super().initial_state(x))


class NoRule(Toy):
    def updates(self, x):
        class Forward(torch.autograd.Function):
            generate_vmap_rule = True

            @staticmethod
            def forward(z):
                return z * 0.5

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

            @staticmethod
            def backward(ctx, grad):
                return grad * 0.5

        return [lambda s: tuple(Forward.apply(z) for z in s)] * 2


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Cut(), "a tangent is cut"),
        (Writes(), "writes into the state"),
        (Random(), "something in it is random"),
        (Reset(), "tangent"),
        (Mixes(), "mixes the rows"),
        (MixesSome(), "mixes the rows"),
        (Placed(), "depends on a puzzle's place"),
        (Counts(), "depends on how often it was called"),
        (OneTensor(), "the start state is a Tensor: expected a tuple"),
        (GivesOne(), "update 1 gives a Tensor: expected a tuple"),
        (Probable(), "would_halt(q) gives other than (B,) bool"),
        (Column(), "would_halt(q) gives other than (B,) bool"),
        (Wide(), "decode gives uint8 of shape (12, 16) up to 10: expected uint8 up to 4"),
        (Described(), "cannot be kept as JSON"),
        (Toy(scores=("ponder",)), "`scores` is ('ponder',): expected one of"),
        (Toy(scores=("q_halt", "q_continue")), "and 2 `scores`: expected (logits"),
        (Nowhere(), "knows no positions"),
        (Miscounts(), "updates_per_segment` says 3"),
        (Trains(), "training mode"),
        (NoRule(), "take math attention, sdpa_kernel(SDPBackend.MATH), or give `pushes`"),
        (Undefined(), "update 1 gives NaN or infinite: a root, norm or division at 0"),
        (Root(), "update 1 or its tangents are NaN or infinite"),
        (Toy(parts=("y",)), ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Toy) else None,
)
def test_what_breaks_the_contract_is_told_in_a_sentence(boards, model, said):
    faults = check.check(model, boards).faults
    assert [said in fault for fault in faults] == ([True] if said else [])
    if said:
        with pytest.raises(check.ContractError, match=re.escape(said)):
            check.insist(model, boards)


class OwnMistake(Toy):
    def pushes(self, x):
        def pushed(state, frame):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

        return [pushed] * 2


def test_a_mistake_in_the_model_itself_is_not_taken_for_a_missing_rule(boards):
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        check.check(OwnMistake(), boards)


def test_a_rough_map_is_a_note_and_no_fault(boards):
    found = check.check(Rough(), boards)
    assert not found.faults and "cast to float32" in found.notes[0]


def test_a_state_that_stops_dead_is_a_note(boards):
    """A model that freezes what has halted; one that settles comes to rest on its way."""
    assert "stops dead in segment" in check.check(Freezes(), boards).notes[0]


def test_without_exponents_tangents_are_not_asked_for(boards):
    assert check.check(Cut(), boards, tangent=False).faults == []


def test_a_start_state_may_depend_on_the_puzzle(boards):
    one, two = (unroll(Toy(), tokens(b[None]), segments=1, k=0) for b in boards[:2])
    assert any(not torch.equal(a, b) for a, b in zip(one.state, two.state, strict=True))
    assert len(list(itertools.chain(one.state))) == 2


class Sine(Toy):
    """z -> sin(gain z) + x, whose tangents are its own times `factor`."""

    updates_per_segment = 6

    def __init__(self, gain=0.9, factor=1.0):
        super().__init__()
        self.gain, self.factor = gain, factor

    def updates(self, x):
        return [lambda s: tuple((self.gain * z).sin() + x for z in s)] * 6

    def pushes(self, x):
        def pushed(state, frame):
            slopes = [self.factor * self.gain * (self.gain * z).cos() for z in state]
            new = self.updates(x)[0](state)
            return new, tuple(d * slope for d, slope in zip(frame, slopes, strict=True))

        return [pushed] * 6


@pytest.mark.parametrize("factor", [-1.0, 0.5, 0.9, 0.99, 1.01, 1.1, 1.5, 2.0])
def test_a_wrong_tangent_is_a_fault_whichever_way_it_is_wrong(boards, factor):
    assert "are off their differences" in check.check(Sine(factor=factor), boards).faults[0]


@pytest.mark.parametrize("gain", [0.3, 1.0, 6.0, 10.0, 30.0])
def test_a_map_that_stretches_or_shrinks_much_is_no_fault(boards, gain):
    assert check.check(Sine(gain), boards) == check.Findings()


class Late(Sine):
    """Rough in its first update, wrong in the tangents of its last."""

    def updates(self, x):
        rough = [lambda s: tuple((z.float().sin() * 0.5).double() for z in s)]
        return rough + super().updates(x)[1:]

    def pushes(self, x):
        def first(state, frame):
            new = self.updates(x)[0](state)
            slopes = [0.5 * z.cos() for z in state]
            return new, tuple(d * slope for d, slope in zip(frame, slopes, strict=True))

        def last(state, frame):
            new, moved = super(Late, self).pushes(x)[0](state, frame)
            return new, tuple(2 * d for d in moved)

        return [first, *super().pushes(x)[1:-1], last]


def test_a_note_on_one_update_hides_no_fault_of_a_later_one(boards):
    found = check.check(Late(), boards)
    assert "cast to float32" in found.notes[0] and "tangents of update 6" in found.faults[0]


class Shrinks(Toy):
    """21 updates that keep 0.18 of a tangent each: strong, and no annihilation."""

    updates_per_segment = 21

    def updates(self, x):
        return [lambda s: tuple(0.18 * z + x for z in s)] * 21


def test_many_strong_contractions_are_no_annihilated_tangent(boards):
    assert check.check(Shrinks(), boards) == check.Findings()


def test_a_spectrum_of_no_steps_is_refused():
    with pytest.raises(ValueError, match="steps=0: expected 1 or more"):
        spectrum(lambda s: s, (torch.ones(1, 2),), steps=0, k=1)
