"""The official modules with a run's weights: is our bfloat16 theirs? A study of one variant.

    python benchmarks/official.py --run hrm-9x9-brief --code CLONE   # of sapientinc/HRM
    python benchmarks/official.py --run trm-9x9-brief --code CLONE   # of TinyRecursiveModels

Runs the modules of a clone as they are, in bfloat16, on the run's first puzzles, and writes
`data/runs/RUN/studies/official.parquet` in the form of the study `precision`. Where flash-attn is
not installed (it needs a GPU) torch's scaled_dot_product_attention stands in its place. Needs
pydantic and einops; killed, it goes on.
"""

import argparse
import importlib.util
import sys
import time
import types
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from rrm_core.models.recursive import RecursiveModel
from rrm_core.runs import folder, measure, tables
from rrm_core.store import memory, paths
from rrm_core.store.files import read_json, write_json
from rrm_core.sudoku import sets

NAMES = {  # module, class
    "hrm": ("models.hrm.hrm_act_v1", "HierarchicalReasoningModel_ACTV1"),
    "trm": ("models.recursive_reasoning.trm", "TinyRecursiveReasoningModel_ACTV1"),
}
VARIANT, SEGMENTS, CHUNK = "official code, bfloat16", 16, 32


def attended(q: Tensor, k: Tensor, v: Tensor, causal: bool = False) -> Tensor:
    """What flash-attn computes, of (B, P, heads, d)."""
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).contiguous()


def modules(ours: RecursiveModel, code: Path) -> torch.nn.Module:
    """The official inner model with our weights."""
    if importlib.util.find_spec("flash_attn") is None:
        sys.modules["flash_attn"] = types.SimpleNamespace(flash_attn_func=attended)
    sys.path.insert(0, str(code))
    c = ours.config
    module, name = NAMES[c.model]
    settings = {name: getattr(c, name) for name in ("H_cycles", "L_cycles", "H_layers", "L_layers")}
    settings |= {"hidden_size": c.width, "num_heads": c.heads, "expansion": c.expansion}
    settings |= {"batch_size": CHUNK, "seq_len": c.side**2, "vocab_size": c.side + 2}
    settings |= {"puzzle_emb_ndim": c.width, "num_puzzle_identifiers": 1, "halt_max_steps": 16}
    settings |= {"halt_exploration_prob": 0.1, "forward_dtype": "bfloat16"}
    mlp = c.mixing == "mlp"
    settings |= {"pos_encodings": "none" if mlp else "rope"}
    if c.model == "trm":
        settings |= {"mlp_t": mlp, "puzzle_emb_len": c.prefix}
    found = getattr(importlib.import_module(module), name)(settings)
    found.load_state_dict(ours.state_dict())
    return found.inner.eval()


@torch.no_grad()
def rows(inner: torch.nn.Module, ours: RecursiveModel, frame: pd.DataFrame) -> pd.DataFrame:
    """One row a puzzle: outcome, halting and late drift by the official forward pass."""
    boards, solutions = sets.boards(frame)
    x = ours.encode(boards)
    batch = {"inputs": x, "puzzle_identifiers": torch.zeros(len(x), dtype=torch.int32)}
    shape = (len(x), ours.config.positions, ours.config.width)
    starts = {"z_H": inner.H_init, "z_L": inner.L_init}
    carry = types.SimpleNamespace(
        **{name: z.bfloat16().expand(shape) for name, z in starts.items()}
    )
    drift, halts = [], []
    for _ in range(SEGMENTS):
        before = carry.z_H
        carry, logits, q = inner(carry, batch)
        drift.append((carry.z_H.double() - before.double()).flatten(1).norm(dim=1))
        halts.append(ours.would_halt(torch.stack(q, 1)))
    right = ours.decode(logits.argmax(-1)) == solutions
    halted = torch.stack(halts, 1).numpy()
    return pd.DataFrame(
        {
            "variant": VARIANT,
            "idx": frame.idx,
            "correct": right.all(-1),
            "token_acc": right.mean(-1).astype("float32"),
            "halted_at": measure.first(halted),
            "halts": halted[:, -1],
            "late": tables.late(torch.stack(drift, 1).numpy()),
        }
    )


def main() -> None:
    """Measure, write, seal the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True)
    parser.add_argument("--code", type=Path, required=True, help="a clone of the official code")
    parser.add_argument("--n", type=int, default=128, help="puzzles")
    given = parser.parse_args()
    memory.keep_freed()
    started, home = time.monotonic(), paths.run_dir(given.run)
    run, ours = tables.load_run(given.run), folder.load(home, "float32", "cpu")
    inner = modules(ours, given.code)
    key = {"weights": tables.weights_digest(run.meta), "settings": {"puzzles": given.n}}
    parts, pieces = folder.scratch(home, "official", key), []
    for start in range(0, given.n, CHUNK):
        part = parts / f"rows_{start:06d}.parquet"
        if not part.exists():
            piece = run.table.iloc[start : min(start + CHUNK, given.n)]
            tables.write(rows(inner, ours, piece.reset_index(drop=True)), part)
        pieces.append(tables.read(part))
        print(f"{start + len(pieces[-1])} of {given.n}", flush=True)
    table, out = pd.concat(pieces, ignore_index=True), home / "studies"
    tables.write(table, out / "official.parquet")
    command = f"python benchmarks/official.py --run {given.run} --code CLONE --n {given.n}"
    record = {
        "study": "official",
        "run": given.run,
        **key,
        "rows": len(table),
        "units": len(pieces),
    }
    write_json(record | folder.environment("cpu", command, started), out / "official.json")
    folder.discard(parts)
    folder.seal(home, read_json(home / "run.json"))


if __name__ == "__main__":
    main()
