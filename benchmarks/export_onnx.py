"""The graph of one segment of a run's model for the page, without its weights.

    pip install -e .[export]
    python benchmarks/export_onnx.py trm-9x9-brief book/companion/static/runtime/segment.onnx

(z_H, z_L, token ids) -> (z_H, z_L, logits, q). Weights stand in the graph as names, shapes and
offsets of a file "weights": the run's ``model.safetensors``, in its order, each number as float32.
The page fills them in; a test compares the whole with torch. Needs a minute.
"""

import argparse
import json
from pathlib import Path

import onnx
import torch
from torch.func import functional_call

from rrm_core.models.weights import load_model, read_weights
from rrm_core.store import paths


class Segment(torch.nn.Module):
    """One segment and what is read out after it."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, z_h, z_l, tokens):
        state = self.model.segment((z_h, z_l), self.model.embed(tokens.long()))
        return *state, *self.model.readout(state)


class WeightsApart(torch.nn.Module):
    """The segment as a function of its weights too, so that the exporter folds none of them."""

    def __init__(self, model):
        super().__init__()
        self.segment = [Segment(model)]  # in a list: no submodule, its weights are not the graph's

    def forward(self, z_h, z_l, tokens, weights):
        named = {f"model.{name}": tensor for name, tensor in weights.items()}
        return functional_call(self.segment[0], named, (z_h, z_l, tokens))


def offsets(folder: Path) -> dict[str, tuple[int, int]]:
    """{tensor: (first byte, bytes)} in the run's weights, each number as float32."""
    raw = (folder / "model.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert all(entry["dtype"] == "BF16" for entry in header.values())
    spans = {name: entry["data_offsets"] for name, entry in header.items()}
    return {name: (2 * start, 2 * (end - start)) for name, (start, end) in spans.items()}


def external(value: onnx.ValueInfoProto, name: str, at: tuple[int, int]) -> onnx.TensorProto:
    """An initialiser whose bytes lie `at` a place of the file "weights"."""
    kind = value.type.tensor_type
    shape = [d.dim_value for d in kind.shape.dim]
    tensor = onnx.TensorProto(name=name, data_type=kind.elem_type, dims=shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, text in zip(("location", "offset", "length"), ("weights", *at), strict=True):
        tensor.external_data.add(key=key, value=str(text))
    return tensor


def exported(folder: Path) -> onnx.ModelProto:
    """The graph of the model in `folder`."""
    model, places = load_model(folder).requires_grad_(False), offsets(folder)
    weights = {name: t.float() for name, t in read_weights(folder).items()}
    state = tuple(z.clone() for z in model.initial_state(torch.zeros(1)))
    tokens = torch.ones(1, model.config.cells, dtype=torch.int32)
    program = torch.onnx.export(
        WeightsApart(model).eval(),
        (*state, tokens),
        kwargs={"weights": weights},
        dynamo=True,
        input_names=["z_h", "z_l", "tokens", *weights],
        output_names=["z_h_next", "z_l_next", "logits", "q"],
    )
    assert program is not None
    found = program.model_proto
    graph, used = found.graph, {name for node in found.graph.node for name in node.input}
    for value in [v for v in graph.input if v.name in places]:
        graph.input.remove(value)
        if value.name in used:
            graph.initializer.append(external(value, value.name, places[value.name]))
    del graph.value_info[:], found.metadata_props[:], graph.metadata_props[:]
    for node in graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(exported(paths.run_dir(options.run)).SerializeToString())
