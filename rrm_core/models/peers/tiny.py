"""`tiny-recursive-model` 0.0.15 (github.com/lucidrains): y and z, refined by one network.

Sudoku with our token ids. Its ``forward`` detaches what it returns, so tangents through it are
zero: the updates here call the network itself. It would halt at a probability of one half and more,
and its own ``predict`` stops after 12 steps; here it goes on.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rrm_core.models.recursive import digits, tokens

State = tuple[Tensor, ...]


class TinyRecursive(nn.Module):
    """A ``TinyRecursiveModel`` as a reasoner; drift counts its registers with the cells."""

    name, parts, scores = "tiny-recursive-model", ("y", "z"), ("q_halt",)
    decode = staticmethod(digits)

    def __init__(self, model: nn.Module, **description: int) -> None:
        super().__init__()
        self.model, self.description = model, description
        self.rounds, self.latent = model.num_refinement_blocks, model.num_latent_refinements
        self.updates_per_segment = self.rounds * (self.latent + 1)
        self.eval()

    def encode(self, boards: np.ndarray) -> Tensor:
        return tokens(boards).to(self.model.device)

    def embed(self, ids: Tensor) -> Tensor:  # (B, registers + cells, D)
        return self.model.embed_inputs_with_registers(ids)[0]

    def initial_state(self, x: Tensor) -> State:
        return tuple(z.expand_as(x) for z in self.model.get_initial())

    def refine(self, latent: bool, x: Tensor, state: State) -> State:
        y, z = state
        return (y, self.model.network(y + z + x)) if latent else (self.model.network(y + z), z)

    def updates(self, x: Tensor) -> list[Callable[[State], State]]:
        order = ([True] * self.latent + [False]) * self.rounds
        return [partial(self.refine, latent, x) for latent in order]

    def readout(self, state: State) -> tuple[Tensor, Tensor]:
        registers, halt = len(self.model.register_tokens), self.model.to_halt_pred(state[0])
        return self.model.to_pred(state[0][:, registers:]), halt[:, None]

    def would_halt(self, q: Tensor) -> Tensor:
        return q[:, 0] >= 0  # the logit of a probability of one half


def built(sizes: dict) -> nn.Module:
    """A fresh ``TinyRecursiveModel`` with an x-transformers Encoder with rotary positions."""
    from tiny_recursive_model import TinyRecursiveModel
    from x_transformers import Encoder

    dim, head = sizes["dim"], sizes["head"]
    layers = {"depth": sizes["depth"], "heads": sizes["heads"], "attn_dim_head": head}
    network = Encoder(dim=dim, **layers, rotary_pos_emb=True, rotary_emb_dim=head)
    kinds = {"num_register_tokens": sizes["registers"], "num_tokens": sizes["vocabulary"]}
    return TinyRecursiveModel(dim=dim, network=network, **kinds)


def load(checkpoint: Path) -> TinyRecursive:
    """The model of a file that ``benchmarks/train_peer.py`` left."""
    kept = torch.load(checkpoint, weights_only=True, map_location="cpu")
    model = built(kept["sizes"])
    model.load_state_dict(kept["weights"])
    return TinyRecursive(model, **kept["sizes"], step=kept["step"], seed=kept["seed"])
