"""Official checkpoints: built here at full size, imported, and refused when anything is off."""

import pickle
import re
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
    model, assumed = official.read_checkpoint(tmp_path / "step_26040", tmp_path / "all_config.yaml")
    assert assumed == [] and model.config == CONFIGS[kind]
    assert all(
        torch.equal(model.state_dict()[n.split("model.", 1)[1]], t.float())
        for n, t in state.items()
    )


def test_without_a_config_the_published_settings_are_taken_and_said(kind, tmp_path):
    save_file(official_state(kind, "model."), tmp_path / "checkpoint.safetensors")
    model, assumed = official.read_checkpoint(tmp_path / "checkpoint.safetensors")
    assert model.config == CONFIGS[kind]
    assert {"H_cycles", "L_cycles"} <= {a.split("=")[0] for a in assumed}


def test_import_then_measure_then_read(data_copy, tmp_path, capsys, monkeypatch):
    """Two commands from a checkpoint to a run, with a small model in the official format."""
    small = RecursiveModel(Config("trm", "mlp", 4, 32, 2, 0, 2, 2, 2, prefix=1))
    torch.save(
        {f"_orig_mod.model.{n}": t for n, t in small.state_dict().items()}, tmp_path / "step_10"
    )
    arch = {"H_cycles": 2, "L_cycles": 2, "num_heads": 2, "hidden_size": 32, "L_layers": 2}
    (tmp_path / "all_config.yaml").write_text(yaml.safe_dump({"arch": arch}))
    folder, assumed = official.import_checkpoint(
        tmp_path / "step_10", "mine", tmp_path / "all_config.yaml"
    )
    assert assumed == []
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
        "H_cycles=2" in official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")[1]
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
    model, assumed = official.read_checkpoint(tmp_path / "x", tmp_path / "c.yaml")
    assert model.config.prefix == 16 and assumed == ["prefix=16"]
    torch.save(official_state("trm-mlp"), tmp_path / "y")
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump({"arch": ARCH["trm-mlp"] | {"puzzle_emb_len": 1}})
    )
    with pytest.raises(ModelError, match="puzzle_emb_len: config says 1, the tensors 16"):
        official.read_checkpoint(tmp_path / "y", tmp_path / "c.yaml")


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle was executed')",))


def test_foreign_files_are_refused_and_never_executed(tmp_path):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    torch.save({"weights": torch.zeros(2), "evil": Evil()}, tmp_path / "evil2.pt")
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    torch.save([1, 2, 3], tmp_path / "list.pt")
    torch.save({"layer.weight": torch.zeros(2, 2)}, tmp_path / "other.pt")
    for name, message in (
        ("evil.pt", "not a checkpoint of tensors"),
        ("evil2.pt", "not a checkpoint of tensors"),
        ("text.pt", "not a checkpoint of tensors"),
        ("cut.safetensors", "not a checkpoint of tensors"),
        ("list.pt", "expected a state dict"),
        ("other.pt", "not an official HRM or TRM"),
        ("none.pt", "no such checkpoint"),
    ):
        with pytest.raises(ModelError, match=message):
            official.read_checkpoint(tmp_path / name)
