"""Official checkpoints: built here at full size, imported, and refused when anything is off."""

import gzip
import pickle
import re
import zipfile
from argparse import Namespace
from dataclasses import replace

import pytest
import torch
import yaml
from safetensors.torch import save_file

from rrm_core.models import official
from rrm_core.models.config import PUBLISHED, Config, ModelError
from rrm_core.models.recursive import RecursiveModel
from rrm_core.models.weights import load_model
from rrm_core.runs import folder as runs
from rrm_core.runs import tables
from rrm_core.store import manifest

ARCH = {
    "hrm": {
        "H_cycles": 2,
        "L_cycles": 2,
        "H_layers": 4,
        "L_layers": 4,
        "hidden_size": 512,
        "num_heads": 8,
        "expansion": 4,
        "pos_encodings": "rope",
        "puzzle_emb_ndim": 512,
    },
    "trm-mlp": {
        "H_cycles": 3,
        "L_cycles": 6,
        "H_layers": 0,
        "L_layers": 2,
        "hidden_size": 512,
        "num_heads": 8,
        "expansion": 4,
        "pos_encodings": "none",
        "puzzle_emb_ndim": 512,
        "puzzle_emb_len": 16,
        "mlp_t": True,
        "no_ACT_continue": True,
    },
    "trm-attention": {
        "H_cycles": 3,
        "L_cycles": 6,
        "H_layers": 0,
        "L_layers": 2,
        "hidden_size": 512,
        "num_heads": 8,
        "expansion": 4,
        "pos_encodings": "rope",
        "puzzle_emb_ndim": 512,
        "puzzle_emb_len": 16,
        "mlp_t": False,
        "no_ACT_continue": True,
    },
}
CONFIGS = {
    "hrm": PUBLISHED["hrm"],
    "trm-mlp": PUBLISHED["trm"],
    "trm-attention": replace(PUBLISHED["trm"], mixing="attention"),
}


def shapes_of(kind):
    """Names and shapes of an official state dict, written down from the published code."""
    d, inner = 512, 1536
    shapes = {
        "embed_tokens.embedding_weight": (11, d),
        "lm_head.weight": (11, d),
        "q_head.weight": (2, d),
        "q_head.bias": (2,),
        "puzzle_emb.weights": (1, d),
        "H_init": (d,),
        "L_init": (d,),
    }
    for level, count in {"hrm": [("H_level", 4), ("L_level", 4)]}.get(kind, [("L_level", 2)]):
        for i in range(count):
            start = f"{level}.layers.{i}"
            if kind == "trm-mlp":
                shapes |= {
                    f"{start}.mlp_t.gate_up_proj.weight": (1024, 97),
                    f"{start}.mlp_t.down_proj.weight": (97, 512),
                }
            else:
                shapes |= {
                    f"{start}.self_attn.qkv_proj.weight": (3 * d, d),
                    f"{start}.self_attn.o_proj.weight": (d, d),
                }
            shapes |= {
                f"{start}.mlp.gate_up_proj.weight": (2 * inner, d),
                f"{start}.mlp.down_proj.weight": (d, inner),
            }
    return {f"inner.{name}": shape for name, shape in shapes.items()}


def official_state(kind, prefix="_orig_mod.model."):
    generator = torch.Generator().manual_seed(0)
    tensors = {
        n: torch.randn(s, generator=generator) * (0.02 if len(s) > 1 else 1)
        for n, s in shapes_of(kind).items()
    }
    return {
        prefix + n: t.to(torch.bfloat16) if n.endswith("_init") else t for n, t in tensors.items()
    }


@pytest.fixture(params=list(ARCH))
def kind(request):
    return request.param


def test_full_size_checkpoints_are_read(kind, tmp_path):
    state = official_state(kind)
    torch.save(state, tmp_path / "step_26040")
    (tmp_path / "all_config.yaml").write_text(
        yaml.safe_dump({"arch": ARCH[kind] | {"name": "x"}, "lr": 1e-4})
    )
    model, found = official.read_checkpoint(tmp_path / "step_26040", tmp_path / "all_config.yaml")
    assert found["notes"] == [] and model.config == CONFIGS[kind]
    assert all(
        torch.equal(model.state_dict()[n.split("model.", 1)[1]], t.float())
        for n, t in state.items()
    )


def test_without_a_config_the_published_settings_are_taken_and_said(kind, tmp_path):
    save_file(official_state(kind, "model."), tmp_path / "checkpoint.safetensors")
    model, found = official.read_checkpoint(tmp_path / "checkpoint.safetensors")
    assert model.config == CONFIGS[kind]
    assert {"H_cycles", "L_cycles"} <= {a.split("=")[0] for a in found["taken as published"]}


def test_import_then_measure_then_read(data_copy, tmp_path, capsys, monkeypatch):
    """Two commands from a checkpoint to a run, with a small model in the official format."""
    small = RecursiveModel(Config("trm", "mlp", 4, 32, 2, 0, 2, 2, 2, prefix=1))
    torch.save(
        {f"_orig_mod.model.{n}": t for n, t in small.state_dict().items()}, tmp_path / "step_10"
    )
    arch = {"H_cycles": 2, "L_cycles": 2, "num_heads": 2, "hidden_size": 32, "L_layers": 2}
    (tmp_path / "all_config.yaml").write_text(yaml.safe_dump({"arch": arch}))
    folder, notes = official.import_checkpoint(
        tmp_path / "step_10", "mine", tmp_path / "all_config.yaml"
    )
    assert notes == []
    runs.make(folder, folder, runs.Settings("4x4-test", 20, k=2))
    run = tables.load_run("mine")
    assert run.meta["import"]["checkpoint"] == "step_10" and len(run.table) == 20
    assert torch.equal(load_model(folder).inner.lm_head.weight, small.inner.lm_head.weight)
    with pytest.raises(ModelError, match="exists already"):
        official.import_checkpoint(tmp_path / "step_10", "mine")


def test_missing_unexpected_and_misshapen_names_are_listed(tmp_path):
    state = official_state("trm-mlp", "")
    state.pop("inner.q_head.bias")
    state["inner.extra"] = torch.zeros(1)
    state["inner.H_init"] = torch.zeros(3)
    torch.save(state, tmp_path / "x")
    with pytest.raises(ModelError) as raised:
        official.read_checkpoint(tmp_path / "x")
    said = str(raised.value)
    assert said.count("\n") == 0 and re.search(r'Missing key.*"inner.q_head.bias"', said)
    assert 'Unexpected key(s) in state_dict: "inner.extra"' in said
    assert re.search(r"size mismatch for inner.H_init: .*\[3\].*\[512\]", said)


def test_a_wrong_config_is_refused(tmp_path):
    torch.save(official_state("hrm"), tmp_path / "x")
    for change, message in (
        ({"hidden_size": 256}, "hidden_size: config says 256, the tensors 512"),
        ({"H_layers": 2}, "H_layers: config says 2"),
        ({"pos_encodings": "learned"}, "pos_encodings='learned'"),
        ({"pos_encodings": "none"}, "pos_encodings='none' with attention"),
        ({"rms_norm_eps": 1e-6}, "rms_norm_eps: 1e-06, not 1e-05"),
        ({"rope_theta": 5e5}, "rope_theta: 500000.0, not 10000"),
    ):
        (tmp_path / "c.yaml").write_text(yaml.safe_dump({"arch": ARCH["hrm"] | change}))
        with pytest.raises(ModelError, match=message):
            official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")
    for key, value in (("H_cycles", [2]), ("num_heads", "eight"), ("expansion", {})):
        (tmp_path / "c.yaml").write_text(yaml.safe_dump({"arch": ARCH["hrm"] | {key: value}}))
        with pytest.raises(ModelError, match=f"the config says {key}: .*; expected a number"):
            official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"arch": ARCH["hrm"] | {"H_cycles": None}}))
    assert (
        "H_cycles=2"
        in official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")[1]["taken as published"]
    )  # null says nothing: as published
    (tmp_path / "c.yaml").write_text("lr: 1\n")
    with pytest.raises(ModelError, match="no 'arch' block"):
        official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")


def test_the_length_of_the_puzzle_embedding_is_the_published_one_where_a_config_leaves_it_out(
    tmp_path,
):
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump(
            {"arch": {k: v for k, v in ARCH["trm-attention"].items() if k != "puzzle_emb_len"}}
        )
    )
    torch.save(official_state("trm-attention"), tmp_path / "x")
    model, found = official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")
    assert model.config.prefix == 16 and found["taken as published"] == ["prefix=16"]
    torch.save(official_state("trm-mlp"), tmp_path / "y")
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump({"arch": ARCH["trm-mlp"] | {"puzzle_emb_len": 1}})
    )
    with pytest.raises(ModelError, match="puzzle_emb_len: config says 1, the tensors 16"):
        official.read_checkpoint(tmp_path / "y", tmp_path / "c.yaml")


SMALL = Config("trm", "mlp", 4, 16, 1, 0, 2, 2, heads=2, prefix=1)


def state_of(config=SMALL, seed=0):
    torch.manual_seed(seed)
    return {name: t.clone() for name, t in RecursiveModel(config).state_dict().items()}


def under(prefix, state):
    return {prefix + name: t for name, t in state.items()}


STATE = state_of()
OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}
WRAPPED = {
    "module.": under("module.", STATE),
    "several prefixes": under("module._orig_mod.model.", STATE),
    "a prefix of the trainer's own": under("net.core.", STATE),
    "without inner": {name.removeprefix("inner."): t for name, t in STATE.items()},
    "model_state": {"model_state": STATE, "epoch": 3},
    "wrapped twice": {"checkpoint": {"state_dict": under("model.", STATE)}},
    "weights": {"weights": STATE, "step": torch.tensor(3)},
    "an optimiser beside": {"state_dict": under("module.", STATE), "optimizer": OPTIMIZER},
}


@pytest.mark.parametrize("what", WRAPPED)
def test_wrappers_and_prefixes_of_trainers_are_understood(what, tmp_path):
    torch.save(WRAPPED[what], tmp_path / "x")
    model, found = official.read_checkpoint(tmp_path / "x")
    assert all(torch.equal(t, STATE[name]) for name, t in model.state_dict().items())
    left = {"an optimiser beside": "optimizer", "weights": "step"}.get(what)
    assert (f"left in the file: {left}" in found["notes"]) == (left is not None)


TWO = {
    "prefixes": (
        under("online_model.", STATE) | under("ema_model.", state_of(seed=1)),
        "ema_model",
    ),
    "wrappers": ({"model": STATE, "ema_state_dict": state_of(seed=1)}, "ema_state_dict"),
    "no average": ({"model": state_of(seed=1), "other": STATE}, "model"),
}


@pytest.mark.parametrize("what", TWO)
def test_of_two_sets_of_weights_it_is_said_which_is_taken(what, tmp_path):
    content, taken = TWO[what]
    torch.save(content, tmp_path / "x")
    model, found = official.read_checkpoint(tmp_path / "x")
    assert torch.equal(model.inner.lm_head.weight, state_of(seed=1)["inner.lm_head.weight"])
    said = found["notes"][0]
    other = re.search(r"taken, (\w+) left \(--weights NAME chooses\)", said)[1]
    assert said.startswith(f"2 sets of weights: {taken} is taken") and found["weights"] == taken
    model, found = official.read_checkpoint(tmp_path / "x", weights=other)
    assert torch.equal(model.inner.lm_head.weight, STATE["inner.lm_head.weight"])
    with pytest.raises(ModelError, match=rf"--weights 'x': the file has .*{other}"):
        official.read_checkpoint(tmp_path / "x", weights="x")


def without(state, *parts):
    return {name: t for name, t in state.items() if not any(part in name for part in parts)}


HEADS = {name: torch.zeros(12, 16) for name in STATE if "lm_head" in name or "embed" in name}
MIXER = "inner.L_level.layers.0.mlp_t.gate_up_proj.weight"
OTHERS = {
    "no L_level: it is no HRM or TRM": without(STATE, "L_level"),
    r"knows 12 symbols \(12: ARC\)": STATE | HEADS,
    "has 916 positions: expected 16 cells or more": STATE | {MIXER: torch.zeros(512, 916)},
    "tells 9 tasks apart": STATE | {"inner.puzzle_emb.weights": torch.zeros(9, 16)},
    "has learned positions": STATE | {"inner.embed_pos.embedding_weight": torch.zeros(17, 16)},
    "H_init holds NaN or infinity": STATE | {"inner.H_init": torch.full((16,), torch.nan)},
    "q_head.bias holds NaN or inf": STATE | {"inner.q_head.bias": torch.tensor([0, torch.inf])},
}


@pytest.mark.parametrize("message", OTHERS)
def test_a_model_of_another_kind_is_refused_in_words(message, tmp_path):
    torch.save(OTHERS[message], tmp_path / "x")
    with pytest.raises(ModelError, match=message) as error:
        official.read_checkpoint(tmp_path / "x")
    assert "\n" not in str(error.value) and str(error.value).startswith(f"{tmp_path}")


def test_segments_and_data_of_a_config_are_told_and_kept(data_copy, tmp_path):
    arch = {"H_cycles": 2, "L_cycles": 2, "num_heads": 2, "halt_max_steps": 8}
    torch.save(STATE, tmp_path / "x")
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"arch": arch}))
    folder, notes = official.import_checkpoint(tmp_path / "x", "mine", tmp_path / "c.yaml")
    assert len(notes) == 1 and "for 8 segments (halt_max_steps): add --segments 8" in notes[0]
    runs.make(folder, folder, runs.Settings("4x4-test", 2, k=1))
    assert tables.load_run("mine").meta["import"]["halt_max_steps"] == 8
    text = yaml.safe_dump({"arch": arch, "data_paths": ["data/maze-30x30-hard-1k"]})
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(
        ModelError, match=r"trained on \['data/maze-30x30-hard-1k'\]: expected a Su"
    ):
        official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "cp1252", "utf-16"])
def test_a_config_is_read_in_any_encoding(encoding, tmp_path):
    text = "run_name: für mich\narch:\n  H_cycles: 2\n  hidden_size: 16\n"
    (tmp_path / "c.yaml").write_bytes(text.encode(encoding))
    assert official.read_arch(tmp_path / "c.yaml")["H_cycles"] == 2


@pytest.mark.parametrize(
    "config",
    [
        replace(SMALL, prefix=0, heads=8),
        replace(SMALL, prefix=0, mixing="attention"),
        Config("hrm", "attention", 4, 16, 1, 1, 2, 2, heads=2, prefix=0),
    ],
    ids=lambda config: f"{config.model}-{config.mixing}",
)
def test_a_model_without_a_puzzle_embedding_halts_by_its_first_cell(config, tmp_path):
    state = without(state_of(config), "puzzle_emb")
    torch.save(state, tmp_path / "x")
    arch = {"H_cycles": 2, "L_cycles": 2, "num_heads": 2, "puzzle_emb_ndim": 0}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"arch": arch}))
    model, found = official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")
    assert model.config == config and found["notes"] == ["the file has no puzzle embedding"]
    x = model.embed(torch.tensor([[1, 2, 3, 4] * 4]))
    assert torch.equal(x[0], 4.0 * state["inner.embed_tokens.embedding_weight"][[1, 2, 3, 4] * 4])
    after = model.segment(model.initial_state(x), x)
    logits, q = model.readout(after)
    wanted = after[0][:, 0] @ state["inner.q_head.weight"].T + state["inner.q_head.bias"]
    assert logits.shape == (1, 16, 6) and torch.allclose(q, wanted)


def test_positions_without_their_embedding_get_zeros_and_it_is_said(tmp_path):
    torch.save(without(STATE, "puzzle_emb"), tmp_path / "x")
    model, found = official.read_checkpoint(tmp_path / "x")
    assert model.config.prefix == 1 and not model.inner.puzzle_emb.weights.any()
    assert "the file has no puzzle embedding: zeros in its 1 positions" in found["notes"]


def test_a_halting_head_of_one_row_halts_as_it_did(tmp_path):
    one = {name: STATE[name][:1].clone() for name in ("inner.q_head.weight", "inner.q_head.bias")}
    torch.save(STATE | one, tmp_path / "x")
    model, _ = official.read_checkpoint(tmp_path / "x")
    state = torch.randn(5, 17, 16), torch.zeros(5, 17, 16)
    q = model.readout(state)[1]
    wanted = state[0][:, 0] @ one["inner.q_head.weight"].T + one["inner.q_head.bias"]
    assert torch.allclose(q[:, :1], wanted)
    assert torch.equal(model.would_halt(q), wanted[:, 0] > 0)
    hrm = state_of(Config("hrm", "attention", 4, 16, 1, 1, 2, 2, heads=2, prefix=1))
    torch.save(hrm | {name: hrm[name][:1].clone() for name in one}, tmp_path / "y")
    with pytest.raises(ModelError, match=r"size mismatch for inner\.q_head\.weight"):
        official.read_checkpoint(tmp_path / "y")


def test_measure_says_that_a_file_wants_an_import(data_copy, tmp_path, rrm):
    torch.save(STATE, tmp_path / "step_10")
    status, _, err = rrm("measure", tmp_path / "step_10", "--run", "mine", "--puzzles", "4x4-test")
    assert status == 2 and f"`rrm import --checkpoint {tmp_path / 'step_10'} --name NAME`" in err
    arguments = ("--checkpoint", tmp_path / "step_10", "--name", "mine")
    status, out, err = rrm("import", *arguments, "--weights", "raw")
    assert status == 2 and "--weights 'raw': the file has model" in err
    home = data_copy / "runs" / "mine"
    (home / "parts").mkdir(parents=True)  # as a killed measurement leaves them
    (home / ".model.safetensors.99.tmp").touch()  # and a killed write
    status, out, _ = rrm("import", *arguments)
    assert not [line for line in manifest.verify() if "runs/mine" in line]
    assert status == 0 and "taken as published: H_cycles=3, L_cycles=6" in out


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle was executed')",))


def test_foreign_files_are_refused_and_never_executed(tmp_path):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    torch.save({"weights": torch.zeros(2), "evil": Evil()}, tmp_path / "evil2.pt")
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    torch.save([1, 2, 3], tmp_path / "list.pt")
    torch.save({"model": STATE, "args": Namespace(lr=1)}, tmp_path / "args.pt")
    torch.save(STATE, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[:5000])
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "cut-old.pt").write_bytes((tmp_path / "old.pt").read_bytes()[:2000])
    save_file(STATE, tmp_path / "whole.safetensors")
    (tmp_path / "step_1").write_bytes((tmp_path / "whole.safetensors").read_bytes()[:4000])
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "page").write_text("\n<!doctype html><html>Log in</html>")
    (tmp_path / "lfs.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(whole))
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as file:
        file.write(tmp_path / "whole.pt", "whole.pt")
    (tmp_path / "noise").write_bytes(bytes(range(256))[::-1] * 4)
    (tmp_path / "folder").mkdir()
    torch.save({"layer.weight": torch.zeros(2, 2)}, tmp_path / "other.pt")
    for name, message in (
        ("evil.pt", "not a checkpoint of tensors"),
        ("evil2.pt", "not a checkpoint of tensors"),
        ("text.pt", "not a checkpoint of tensors: it is a text file"),
        ("args.pt", r"holds more than tensors \(argparse.Namespace\), .* save its state_dict"),
        ("cut.pt", "the file is truncated"),
        ("cut-old.pt", "the file is truncated or damaged"),
        ("step_1", "the file is truncated or damaged"),
        ("empty.pt", "the file is empty"),
        ("page", "not a checkpoint of tensors: it is a web page"),
        ("lfs.pt", "it is a pointer of Git LFS"),
        ("packed.gz", "it is an archive"),
        ("packed.zip", "it is a zip with whole.pt"),
        ("noise", "it is neither safetensors nor a torch file"),
        ("folder", "is a folder with nothing"),
        ("cut.safetensors", "not a checkpoint of tensors"),
        ("list.pt", "no tensor at all"),
        ("other.pt", "not an official HRM or TRM"),
        ("none.pt", "no such checkpoint"),
    ):
        with pytest.raises(ModelError, match=message) as error:
            official.read_checkpoint(tmp_path / name)
        assert "\n" not in str(error.value) and "weights_only" not in str(error.value)
