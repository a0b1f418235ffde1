"""Weights on disk: in one file or in shards, the same tensors and the same digest; refusals."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from rrm_core.models import weights
from rrm_core.models.config import Config, ModelError
from rrm_core.models.recursive import RecursiveModel

SMALL = Config("hrm", "attention", 4, 16, 1, 1, 1, 1, heads=2, prefix=1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return RecursiveModel(SMALL)


@pytest.fixture
def sharded(model, tmp_path, monkeypatch):
    """A folder with the model in several shards."""
    monkeypatch.setattr(weights, "SHARD", 2**16)
    weights.save_model(model, tmp_path)
    return tmp_path


def files_in(folder):
    """The files that hold the weights, the index first."""
    return sorted(folder.glob("model*"), key=lambda path: (path.name != weights.INDEX, path))


def same(one, two):
    one, two = one.state_dict(), two.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def edit(folder, change):
    """Change the weight_map of an index in place."""
    index = json.loads((folder / weights.INDEX).read_text())
    change(index["weight_map"])
    (folder / weights.INDEX).write_text(json.dumps(index))


def refused(folder, message):
    with pytest.raises(ValueError, match=message) as raised:
        weights.load_model(folder)
    assert "\n" not in str(raised.value)


def test_small_weights_are_one_file_that_gives_them_back(model, tmp_path):
    weights.save_model(model, tmp_path)
    assert files_in(tmp_path) == [tmp_path / "model.safetensors"]
    assert weights.has_weights(tmp_path) and not (tmp_path / weights.INDEX).exists()
    again = weights.load_model(tmp_path)
    assert again.config == SMALL and same(again, model) and not again.training
    assert all(p.requires_grad for p in again.parameters())


def test_large_weights_are_shards_in_the_known_layout(model, sharded):
    index, *shards = files_in(sharded)
    assert [p.name for p in shards] == [
        f"model-{i:05d}-of-{len(shards):05d}.safetensors" for i in range(1, len(shards) + 1)
    ]
    assert len(shards) > 1 and not (sharded / "model.safetensors").exists()
    found = json.loads(index.read_text())
    held = {name: p.name for p in shards for name in load_file(p)}
    assert found["weight_map"] == held and held.keys() == model.state_dict().keys()
    assert found["metadata"]["total_size"] == sum(t.nbytes for t in model.state_dict().values())
    alone = [p for p in shards if len(load_file(p)) > 1]
    assert all(p.stat().st_size <= weights.SHARD for p in alone)
    assert same(weights.load_model(sharded), model)


def test_the_digest_is_that_of_the_one_file_in_shards_or_not(model, sharded, tmp_path_factory):
    whole = tmp_path_factory.mktemp("whole")
    (whole / "model.safetensors").write_bytes(weights.weights_bytes(model))
    digest = hashlib.sha256(weights.weights_bytes(model)).hexdigest()
    assert weights.stored_digest(sharded) == weights.stored_digest(whole) == digest


def test_rounded_weights_say_so_and_are_loaded_in_any_dtype(model, tmp_path):
    weights.save_model(model, tmp_path, torch.bfloat16)
    assert weights.stored_dtype(tmp_path) == torch.bfloat16
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        again = weights.load_model(tmp_path, dtype)
        assert {t.dtype for t in again.state_dict().values()} == {dtype}
        assert torch.equal(again.inner.H_init, model.inner.H_init.bfloat16().to(dtype))


def test_another_layout_written_over_a_folder_leaves_nothing_of_the_first(model, sharded):
    many = files_in(sharded)
    weights.save_model(model.double(), sharded, torch.float64)
    more = files_in(sharded)
    assert len(more) > len(many)
    assert {p.name for p in more[1:]} == weights.files_of(
        weights.weights_of(model, torch.float64)
    ).keys()
    weights.SHARD = 2**24  # the fixture puts it back
    weights.save_model(model, sharded)
    assert [p.name for p in sharded.glob("model*")] == ["model.safetensors"]


def test_a_kill_leaves_no_weights_beside_the_config_of_another_model(model, tmp_path, monkeypatch):
    weights.save_model(model, tmp_path)
    other = RecursiveModel(replace(SMALL, H_cycles=2))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(weights, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        weights.save_model(model, tmp_path)
    assert same(weights.load_model(tmp_path), model), "the same config: the earlier weights stay"
    with pytest.raises(KeyboardInterrupt):
        weights.save_model(other, tmp_path)
    refused(tmp_path, "model.safetensors is not here")


def test_a_config_that_is_none_is_named_with_its_file(model, tmp_path):
    weights.save_model(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"oops": 1}))
    refused(
        tmp_path, r"config.json: model config: unknown \['oops'\], missing \[\]; expected model"
    )


def test_a_missing_truncated_or_foreign_shard_is_named(sharded):
    *_, last = files_in(sharded)
    whole = last.read_bytes()
    last.write_bytes(whole[:-40])
    refused(sharded, f"{last.name} is truncated or damaged")
    save_file({"inner.other": torch.zeros(2)}, last)
    refused(sharded, f"{last.name} is not the shard of its index")
    last.unlink()
    refused(sharded, f"{last.name} is not here; restore it")


@pytest.mark.parametrize(
    "name", ["../elsewhere.safetensors", "/etc/passwd", "a/b.safetensors", "config.json", 7, ""]
)
def test_an_index_that_names_anything_but_its_shards_is_refused(sharded, name):
    edit(sharded, lambda where: where.update({"inner.H_init": name}))
    refused(sharded, "names the shard")


def test_nothing_outside_the_folder_is_read(sharded, tmp_path_factory):
    _, first, *_ = files_in(sharded)
    outside = tmp_path_factory.mktemp("outside") / first.name
    first.rename(outside)
    first.symlink_to(outside)
    refused(sharded, "is a link")


@pytest.mark.parametrize("text", ["{", "[]", '{"weight_map": []}', '{"weight_map": {}}'])
def test_an_index_that_is_none_is_refused(sharded, text):
    (sharded / weights.INDEX).write_text(text)
    refused(sharded, "model.safetensors.index.json")


def test_an_index_that_leaves_a_tensor_out_is_refused(sharded):
    edit(sharded, lambda where: where.pop("inner.H_init"))
    refused(sharded, "is not the shard of its index")


def test_truncated_weights_are_refused_and_named(model, tmp_path):
    weights.save_model(model, tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(tmp_path, "truncated or damaged")


def test_a_folder_without_a_model_is_told_what_to_do(model, tmp_path):
    refused(tmp_path / "nowhere", "train or import")
    weights.save_model(model, tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert not weights.has_weights(tmp_path)
    refused(tmp_path, "train or import")


def test_weights_of_another_model_are_refused_and_named(model, tmp_path):
    weights.save_model(model, tmp_path)
    tensors = dict(model.state_dict()) | {"inner.extra": torch.zeros(1)}
    tensors["inner.H_init"] = torch.zeros(3)
    del tensors["inner.L_init"]
    (tmp_path / "model.safetensors").write_bytes(save(tensors))
    refused(tmp_path, 'Missing key.*"inner.L_init".*"inner.extra".*mismatch for inner.H_init')
    with pytest.raises(ModelError):
        weights.filled(Config("hrm", "attention", 4, 16, 2, 1, 1, 1, 2, 1), tensors, "here")


def test_a_model_of_other_code_is_named_as_such(root):
    with pytest.raises(ModelError, match="tiny-6x6: of other code; expected an HRM or a TRM"):
        weights.load_model(root / "data" / "runs" / "tiny-6x6")


def test_a_step_that_is_not_there_names_one_that_is(model, tmp_path):
    weights.save_model(model, tmp_path / "step_000200")
    refused(tmp_path / "step_000300", f"config.json is not here; measure {tmp_path}/step_000200")
    refused(tmp_path, f"config.json is not here; measure {tmp_path}/step_000200")
    refused(tmp_path / "other", "train or import a model first")
