"""Official checkpoints: built here in the official format at full size, imported, and refused when anything is off."""

import pickle

import pytest
import torch
import yaml
from safetensors.torch import save_file

from rrm_core import cli
from rrm_core.models import official
from rrm_core.models.recursive import HRM, TRM, ModelError, RecursiveModel
from rrm_core.models.weights import load_model
from rrm_core.runs import measure, tables
from rrm_core.sudoku import sets as puzzles

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
BUILD = {"hrm": HRM, "trm-mlp": TRM, "trm-attention": lambda: TRM("attention")}


def shapes_of(kind):
    """Names and shapes of an official state dict, written down from the published code, not from ours."""
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
    assert assumed == [] and model.config == BUILD[kind]().config
    assert all(
        torch.equal(model.state_dict()[official.stripped(n)], t.float()) for n, t in state.items()
    )


def test_without_a_config_the_published_settings_are_taken_and_said(kind, tmp_path):
    save_file(official_state(kind, "model."), tmp_path / "checkpoint.safetensors")
    model, assumed = official.read_checkpoint(tmp_path / "checkpoint.safetensors")
    assert model.config == BUILD[kind]().config
    assert {"H_cycles", "L_cycles"} <= {a.split("=")[0] for a in assumed}


def test_import_then_measure_then_read(data_copy, tmp_path, capsys, monkeypatch):
    """Two commands from a checkpoint to a run; a small model in the official format, one puzzle chunk."""
    from rrm_core.models.recursive import Config

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
    measure.run(folder, folder, "4x4-test", 20, k=2)
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
    with pytest.raises(
        ModelError,
        match=r"Missing \['inner.q_head.bias'\]; unexpected \['inner.extra'\]; wrong shape \['inner.H_init: \(3,\), expected \(512,\)'\]",
    ):
        official.read_checkpoint(tmp_path / "x")


def test_a_wrong_config_is_refused(tmp_path):
    torch.save(official_state("hrm"), tmp_path / "x")
    for change, message in (
        ({"hidden_size": 256}, "hidden_size: config says 256, the tensors 512"),
        ({"H_layers": 2}, "H_layers: config says 2"),
        ({"pos_encodings": "learned"}, "pos_encodings='learned'"),
        ({"pos_encodings": "none"}, "pos_encodings='none' with attention"),
        ({"rms_norm_eps": 1e-6}, "rms_norm_eps: 1e-06, expected 1e-05"),
        ({"rope_theta": 5e5}, "rope_theta: 500000.0, expected 10000"),
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


# --- puzzles of others -------------------------------------------------------------------------------------------

GOOD = "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79"
ANSWER = "534678912672195348198342567859761423426853791713924856961537284287419635345286179"


def test_sudoku_extreme_csv(tmp_path):
    lines = [
        "source,question,answer,rating",
        f"a,{GOOD},{ANSWER},7",
        f"b,5{GOOD[1:4]}5{GOOD[5:]},{ANSWER},1",
        f"c,{GOOD[:80]},{ANSWER},1",
        f"d,{'.' * 81},{ANSWER},1",
        f"e,{GOOD},{ANSWER[::-1]},1",
        f"f,{GOOD},{ANSWER},hard",
    ]
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    table, problems = puzzles.import_file(tmp_path / "test.csv")
    assert (
        list(table.puzzle) == [GOOD]
        and list(table.solution) == [ANSWER]
        and list(table.rating) == [7]
        and list(table.backtracks) == [0]
    )
    for line, reason in zip(
        problems,
        [
            "line 3: digit 5 stands twice in row 1",
            "line 4: board of 80",
            "line 5: more than one solution",
            "line 6: the answer given is not",
            "line 7: could not convert",
        ],
        strict=True,
    ):
        assert line.startswith(reason)


@pytest.mark.parametrize(
    "text",
    [
        f"source,question\na,{GOOD}\n",
        f"'source','question','answer'\n'a','{GOOD}','{ANSWER}'\n".replace("'", '"'),
        f"\ufeffquestion,answer\n{GOOD},{ANSWER}\n",
    ],
)
def test_a_csv_is_known_by_its_header_wherever_the_question_stands(text, tmp_path):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    table, problems = puzzles.import_file(tmp_path / "x.csv")
    assert list(table.puzzle) == [GOOD] and problems == []
    if "answer" in text:  # and its answer is checked
        (tmp_path / "x.csv").write_text(text.replace(ANSWER, ANSWER[::-1]), encoding="utf-8")
        with pytest.raises(ValueError, match="line 2: the answer given is not the solution"):
            puzzles.import_file(tmp_path / "x.csv")


def test_text_files_and_plain_lists(tmp_path):
    import gzip

    (tmp_path / "tdoku.txt.gz").write_bytes(
        gzip.compress(f"# a comment\n{GOOD.replace('.', '0')} # note\n\n{GOOD}, 4\n".encode())
    )
    table, problems = puzzles.import_file(tmp_path / "tdoku.txt.gz")
    assert list(table.puzzle) == [GOOD, GOOD] and problems == [] and "rating" not in table
    assert len(puzzles.import_file(tmp_path / "tdoku.txt.gz", limit=1)[0]) == 1
    (tmp_path / "none.txt").write_text("hello\n")
    with pytest.raises(ValueError, match="no usable puzzle. line 1: board of 5 characters"):
        puzzles.import_file(tmp_path / "none.txt")


def test_import_command_reports_and_keeps_the_rating(data_copy, tmp_path, capsys, monkeypatch):
    (tmp_path / "x.csv").write_text(
        f"source,question,answer,rating\na,{GOOD},{ANSWER},7\nb,{GOOD[:-1]},{ANSWER},1\n"
    )
    monkeypatch.setattr(
        "sys.argv", ["rrm", "puzzles", "import", str(tmp_path / "x.csv"), "--name", "extreme"]
    )
    status = 0
    try:
        cli.main()
    except SystemExit as stop:
        status = stop.code
    assert not status
    out = capsys.readouterr().out
    assert "line 3: board of 80 characters" in out and "1 puzzles kept, 1 rows refused" in out
    assert list(measure.subset("extreme", 1).rating) == [7]


def test_fetching_offline_says_what_to_place_where():
    with pytest.raises(
        ValueError,
        match="download test.csv from https://huggingface.co/datasets/sapientinc/sudoku-extreme",
    ):
        puzzles.fetch()
