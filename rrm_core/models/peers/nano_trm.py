"""`nano-trm` 0.1.0 (github.com/olivkoch): the same TRM under other names, in a Lightning file.

Its Sudoku settings have no puzzle embedding (a prefix of 0), an ``mlp_t`` as wide as the board, a
``q_head`` of one row read at cell 0, and a symbol more, an end of the rows that stands only on
padded boards. The averaged weights lie under ``shadow`` in the state of a callback, without the
start states, which are no parameters: those are taken from the state dict.
"""

from torch import Tensor

from rrm_core.models.config import ModelError

Tensors = dict[str, Tensor]

MARK = "inner.input_embedding.embedding_weight"
NAMES = {  # theirs: ours
    "inner.input_embedding.": "inner.embed_tokens.",
    "inner.lenet.": "inner.L_level.",
    "inner.z_H_init": "inner.H_init",
    "inner.z_L_init": "inner.L_init",
}
SYMBOLS = {7: 4, 9: 6, 12: 9}  # padding, end, blank and the digits: side
END = 1  # the symbol that is left out
SAME = ["hidden_size", "num_heads", "H_cycles", "L_cycles", "puzzle_emb_len", "rope_theta"]
SETTINGS = dict(zip(SAME, SAME, strict=True)) | {  # theirs: that of an official config
    "num_layers": "L_layers",
    "ffn_expansion": "expansion",
    "use_mlp_t": "mlp_t",
    "N_supervision_val": "halt_max_steps",
}


def translated(sets: dict[str, Tensors], told: dict) -> tuple[dict[str, Tensors], dict]:
    """(`sets`, settings as in an official config) of a file of nano-trm; others as they are."""
    if not any(MARK in tensors for tensors in sets.values()):
        return sets, {}
    whole = next((s for s in sets.values() if "inner.z_H_init" in s), {})
    for kind in ("use_conv_swiglu", "use_board_swiglu"):
        if told.get(kind):
            raise ModelError(f"nano-trm with {kind}: expected its plain SwiGLU")
    arch = {ours: told[name] for name, ours in SETTINGS.items() if told.get(name) is not None}
    rotary = told.get("pos_emb_type", "1d")
    arch["pos_encodings"] = {"1d": "rope", None: "none", "null": "none"}.get(rotary, rotary)
    side = SYMBOLS.get(len(next(iter(sets.values()))["inner.lm_head.weight"]), 0)
    if side and told.get("seq_len", side**2) != side**2:
        what = f"its boards are padded to {told['seq_len']} cells"
        raise ModelError(f"nano-trm: {what}; expected {side**2} (max_grid_size={side})")
    return {name: renamed(whole | tensors) for name, tensors in sets.items()}, arch


def renamed(tensors: Tensors) -> Tensors:
    """Tensors under the official names, without the symbol of an end."""
    found = {}
    for name, tensor in tensors.items():
        for theirs, ours in NAMES.items():
            name = name.replace(theirs, ours)
        symbols = name in ("inner.embed_tokens.embedding_weight", "inner.lm_head.weight")
        if symbols and len(tensor) in SYMBOLS:
            tensor = tensor[[i for i in range(len(tensor)) if i != END]]
        found[name] = tensor
    return found
