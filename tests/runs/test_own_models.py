"""A model of one's own code, from the command line to a run that is verified and re-executed."""

import json
import sys

import pytest
import torch

from rrm_core.models import factory
from rrm_core.runs import folder, tables
from rrm_core.runs.measure import MeasureError

OWN = '''
import torch

from rrm_core.models.recursive import digits, tokens


class Damped(torch.nn.Module):
    """Twelve numbers a cell, mixed over cells and damped: it settles, and now and then is right."""

    name, parts, scores, updates_per_segment = "damped", ("z",), ("q_halt",), 2
    encode, decode = staticmethod(tokens), staticmethod(digits)

    def __init__(self, seed=0):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.mix = torch.nn.Parameter(torch.randn(16, 16, generator=draw) / 3)
        self.head = torch.nn.Parameter(torch.randn(12, 6, generator=draw))
        self.place = torch.nn.Parameter(torch.randn(16, 12, generator=draw))
        self.description = {"seed": seed}
        self.eval()

    def embed(self, ids):
        return torch.nn.functional.one_hot(ids, 12).to(self.mix.dtype) + self.place

    def initial_state(self, x):
        return (torch.zeros_like(x),)

    def updates(self, x):
        return [lambda s: (torch.tanh(self.mix @ s[0] + x) * 0.8,)] * 2

    def readout(self, state):
        return state[0] @ self.head, state[0].mean((1, 2))[:, None]

    def would_halt(self, q):
        return q[:, 0] > 0


def make(checkpoint=None):
    model = Damped()
    if checkpoint:
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
    return model


def none():
    return object.nothing


def training():
    return Damped().train()


def nothing():
    pass


class Unread(Damped):
    readout = property()


def unread():
    return Unread()
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module ``own_model`` in the working directory, and a checkpoint of it."""
    (tmp_path / "own_model.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(OWN, names)
    torch.save(names["Damped"](seed=3).state_dict(), tmp_path / "own.pt")
    return tmp_path / "own.pt"


def test_a_model_of_one_s_own_becomes_a_run_like_any_other(own, data_copy, rrm, monkeypatch):
    asked = ["--puzzles", "4x4-test", "--n", 40, "--k", 2, "--segments", 12, "--run", "mine"]
    assert rrm("check", own, "--model", "own_model:make", "--puzzles", "4x4-test")[0] == 0
    status, _, err = rrm("measure", own, "--model", "own_model:make", *asked)
    assert status == 0, err
    home = data_copy / "runs" / "mine"
    meta = json.loads((home / "run.json").read_text())
    assert (meta["model"], meta["parts"], meta["segments"]) == ("damped", ["z"], 12)
    assert meta["architecture"] == {"seed": 0} and meta["parameters"] == 16 * 16 + 12 * 22
    assert meta["files"].keys() >= {"model.json", "checkpoint.pt"} and not (home / "parts").exists()
    _, out, _ = rrm("verify", "--recompute", 3)
    assert "True" in out.split("mine")[-1] and "False" not in out.split("mine")[-1]
    status, _, err = rrm("measure", "--model", "own_model:make", *asked)  # other weights
    assert status == 2 and "weights" in err
    status, _, err = rrm("study", "long", "--run", "mine")
    assert status == 0, err
    (own.parent / "own_model.py").write_text(OWN.replace("* 0.8", "* 0.7"))
    monkeypatch.delitem(sys.modules, "own_model")
    status, _, err = rrm("study", "long", "--run", "mine")
    assert status == 2 and "mine: the code of its model gives other numbers" in err
    before = (home / "measurements.parquet").read_bytes()
    again = ["measure", own, "--model", "own_model:make", *asked]
    status, _, err = rrm(*again)
    assert status == 2 and "the code of its model gives other numbers" in err and "--replace" in err
    assert (home / "measurements.parquet").read_bytes() == before and (home / "studies").exists()
    status, _, err = rrm(*again, "--replace")
    assert status == 0 and not (home / "studies").exists(), "studies of the code before are gone"
    assert (home / "measurements.parquet").read_bytes() != before
    assert folder.recompute("mine", 4).agrees.all() and not (home / "parts").exists()
    assert rrm(*again)[0] == 0 and rrm("study", "long", "--run", "mine")[0] == 0


def test_a_read_out_that_has_changed_is_seen_too(own, data_copy, rrm, monkeypatch, tmp_path):
    """Drift and growth are the same, the boards are others: the old accuracy stood on."""
    wrong = OWN.replace("staticmethod(digits)", "staticmethod(lambda a: digits(a) % 4 + 1)")
    again = ["measure", own, "--model", "own_model:make", "--puzzles", "4x4-test", "--n", 8]
    again += ["--k", 1, "--segments", 5, "--run", "mine"]
    for text, status, agrees in ((wrong, 0, True), (OWN, 2, False)):
        (tmp_path / "own_model.py").write_text(text)
        monkeypatch.delitem(sys.modules, "own_model", raising=False)
        found, _, err = rrm(*again)
        assert found == status and ("gives other numbers" in err) == (status == 2)
        assert folder.recompute("mine", 4).agrees.eq(agrees).all()
    assert rrm(*again, "--replace")[0] == 0 and folder.recompute("mine", 4).agrees.all()
    halting = OWN.replace("state[0].mean((1, 2))", "1 + state[0].mean((1, 2))")
    (tmp_path / "own_model.py").write_text(halting)
    monkeypatch.delitem(sys.modules, "own_model")
    assert rrm(*again)[0] == 2 and not folder.recompute("mine", 4).agrees.any()


def test_parts_of_code_that_has_changed_are_not_taken_up(own, data_copy, monkeypatch, tmp_path):
    """A killed measurement, and a folder that is no run of data/runs: both know their code."""
    asked, out = folder.Settings("4x4-test", n=40, k=1, segments=5), tmp_path / "elsewhere"

    def measured(share=(0, 1)):
        return folder.make(
            factory.store(tmp_path / "kept", "own_model:make", own), out, asked, share
        )

    assert measured((0, 2)) is None and len(list(out.glob("parts/*/part_*"))) == 1
    (tmp_path / "own_model.py").write_text(OWN.replace("* 0.8", "* 0.7"))
    monkeypatch.delitem(sys.modules, "own_model")
    assert measured((1, 2)) is None, "the first part was of the code before"
    assert measured() == out == measured()
    table = tables.read(out / "measurements.parquet")
    model = folder.load(out, "float32")
    assert (folder.apart(model, table, asked.k, asked.seed) <= folder.TOLERANCE["float32"]).all()
    (tmp_path / "own_model.py").write_text(OWN)
    monkeypatch.delitem(sys.modules, "own_model")
    with pytest.raises(MeasureError, match="elsewhere: the code of its model gives other numbers"):
        measured()


FAULTY = """
from own_model import Damped


class One(Damped):
    def readout(self, state):
        return state[0] @ self.head


class Late(Damped):
    def readout(self, state):
        raise RuntimeError("a read-out of its own")
"""


@pytest.mark.parametrize(
    ("model", "puzzles", "said"),
    [
        ("own_model:make", "6x6-test", "damped fails on boards of 36 cells (RuntimeError: "),
        ("faulty:One", "4x4-test", "readout(state) gives other than (logits (B, cells, tokens)"),
        ("faulty:Late", "4x4-test", "(RuntimeError: a read-out of its own; "),
    ],
)
def test_what_a_model_raises_is_told_with_its_place(
    own, data_copy, rrm, model, puzzles, said, monkeypatch
):
    for name in ("faulty", "own_model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (own.parent / "faulty.py").write_text(FAULTY)
    status, out, err = rrm("check", "--model", model, "--puzzles", puzzles)
    assert status in (1, 2) and said in out + err and "Traceback" not in err
    asked = ["--puzzles", puzzles, "--n", 4, "--run", "mine"]
    status, _, err = rrm("measure", "--model", model, *asked)
    assert status == 2 and said in err and len(err.strip().splitlines()) == 1
    if model == "faulty:Late":
        assert f"{own.parent / 'faulty.py'}, line " in err
    assert not (data_copy / "runs" / "mine").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("own_model", "expected package.module:function"),
        ("nowhere_at_all:make", "No module named 'nowhere_at_all'"),
        ("own_model:absent", "has no attribute 'absent'"),
        ("own_model:none", "AttributeError"),
        ("own_model:training", "call eval()"),
        ("own_model:nothing", "made a NoneType without name, parts, scores"),
        ("own_model:unread", "made a Unread without readout: expected a model"),
    ],
)
def test_what_is_no_model_is_told_in_one_line_and_leaves_nothing(own, data_copy, rrm, model, said):
    before = sorted((data_copy / "runs").iterdir())
    asked = ["--puzzles", "4x4-test", "--n", 4, "--run", "mine"]
    status, _, err = rrm("measure", "--model", model, *asked)
    assert status == 2 and said in err and len(err.strip().splitlines()) == 1
    assert sorted((data_copy / "runs").iterdir()) == before


def test_a_run_that_another_model_replaces_keeps_nothing_of_it(own, data_copy, rrm, smoke_training):
    asked = ["--puzzles", "4x4-test", "--n", 8, "--k", 1, "--run", "mine", "--replace"]
    home, plain = data_copy / "runs" / "mine", smoke_training / "checkpoints" / "step_000120"
    assert rrm("measure", own, "--model", "own_model:make", *asked)[0] == 0
    assert rrm("measure", plain, *asked)[0] == 0
    names = {path.name for path in home.iterdir()}
    assert not {"model.json", "checkpoint.pt"} & names and "log.csv" in names
    assert folder.recompute("mine", 4).agrees.all()
    assert rrm("measure", own, "--model", "own_model:make", *asked)[0] == 0
    names = {path.name for path in home.iterdir()}
    assert not {"config.json", "model.safetensors", "log.csv"} & names
    assert folder.recompute("mine", 4).agrees.all()


PLAIN = """
from own_model import Damped


class Plain:
    def __init__(self, gain):
        self.gain, self.damped = gain, Damped()

    def __getattr__(self, name):
        return getattr(self.damped, name)


def make(path):
    return Plain(float(path.read_text()))
"""


def test_a_weight_may_be_a_single_number(tmp_path, monkeypatch):
    """A learned temperature, or what BatchNorm counts, has no dimension."""
    text = OWN.replace("self.eval()", "self.heat = torch.nn.Parameter(torch.tensor(1.0))")
    (tmp_path / "own_model.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_model", raising=False)
    assert len(factory.digest(factory.store(tmp_path / "kept", "own_model:make", None))) == 64
    monkeypatch.delitem(sys.modules, "own_model")


def test_a_model_without_weights_goes_by_its_checkpoint(tmp_path, monkeypatch):
    (tmp_path / "own_model.py").write_text(OWN)
    (tmp_path / "plain.py").write_text(PLAIN)
    monkeypatch.chdir(tmp_path)
    digests = []
    for text in ("0.5", "0.9", "0.5"):
        (tmp_path / "gain.txt").write_text(text)
        (tmp_path / text).mkdir(exist_ok=True)
        factory.store(tmp_path / text, "plain:make", tmp_path / "gain.txt")
        digests.append(factory.digest(tmp_path / text))
    assert digests[0] == digests[2] != digests[1]
