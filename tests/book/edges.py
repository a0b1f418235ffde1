"""Runs at their edges, and a chapter run on them in this process.

The tables are made up: synthetic numbers in the schema's form, for tests alone. No figure of the
book comes from here.
"""

import ast

import jupytext
import numpy as np
import pandas as pd

from rrm_core.models.config import SEGMENTS
from rrm_core.runs import tables
from rrm_core.runs.schema import columns, validate
from rrm_core.store.files import sha256, write_json
from rrm_core.sudoku import sets

UPDATES = {"hrm": 6, "trm": 8}
N = 96  # puzzles of a made-up run
SHARE = {  # of the puzzles that are solved
    "all solved": 1,
    "none solved": 0,
    "one solved": 1 / N,
    "one failed": 1 - 1 / N,
}
LEVEL = {  # log10 of late drift, whatever the outcome
    "one hump": lambda rng: rng.normal(0, 0.5, N),
    "one drift": lambda rng: np.full(N, -3.0),
    "drift of 0": lambda rng: np.full(N, -np.inf),
    "floor of float32": lambda rng: np.round(rng.normal(-4.1, 0.01, N), 2),
}
KINDS = ["ordinary", *SHARE, *LEVEL, "one puzzle", "one failure", "no exponents", "one tangent"]
KINDS += ["4x4", "imported", "halts nowhere"]
KINDS += (OTHER := ["twelve segments", "one part", "no halting head"])  # other code's models
SHORT = 12


def drifts(kind, solved, rng):
    """(B, 16) drift of a state: falling, then at a level by outcome, or as `kind` has it."""
    level = np.where(solved, -3, 0.5) + rng.normal(0, 0.3, len(solved))
    level = LEVEL[kind](rng) if kind in LEVEL else level
    fall = np.r_[np.linspace(2, 0.2, SEGMENTS - tables.LATE), np.zeros(tables.LATE)]
    return 10 ** (level[:, None] + fall)


def measurements(kind, model, frame, k, rng):
    """A measurement table of made-up numbers for the puzzles of `frame`."""
    n = len(frame)
    solved = np.arange(n) < round(n * SHARE.get(kind, 0.6))
    solved = solved & (kind != "one failure")
    at = np.where(solved, rng.integers(1, SEGMENTS + 1, n), SEGMENTS + 1)  # first right segment
    right = np.arange(1, SEGMENTS + 1) >= at[:, None]
    halts = np.where(solved & (at < SEGMENTS) & (kind != "halts nowhere"), at, 0)
    margin = np.where(right, 1, -1) + rng.normal(0, 0.3, right.shape)
    values = {"q_halt": margin, "drift_h": drifts(kind, solved, rng)}
    values |= {"drift_l": drifts(kind, solved, rng), "correct": right}
    values |= {"q_continue": 0 * margin} if model == "hrm" else {}
    growth = rng.normal(-1, 0.3, (n, SEGMENTS, k)) + (~solved)[:, None, None]
    values |= {f"growth_{i + 1}": growth[..., i] for i in range(k)}
    dtype = {"correct": "bool"}
    named = {
        name: v
        for what, array in values.items()
        for name, v in zip(columns(what), array.T.astype(dtype.get(what, "float32")), strict=True)
    }
    lambdas = -np.sort(-growth.sum(1), axis=1) / (SEGMENTS * UPDATES[model])
    named |= {f"lambda_{i + 1}": lambdas[:, i].astype("float32") for i in range(k)}
    named |= {"correct": right[:, -1], "halted_at": halts.astype("int8")}
    accuracy = np.where(solved, 1, rng.uniform(0.3, 0.9, n)).astype("float32")
    named |= {"token_acc": accuracy, "blank_acc": accuracy}
    return pd.concat([frame, pd.DataFrame(named)], axis=1)


def answers(table):
    """Decoded boards: the solution where right, else the solution with its first cell off."""
    out = {"idx": table.idx}
    wrong = ["2" + s[1:] if s[0] == "1" else "1" + s[1:] for s in table.solution]
    for t in range(1, tables.segments(table) + 1):
        out[f"answer_{t:02d}"] = np.where(table[f"correct_{t:02d}"], table.solution, wrong)
    return pd.DataFrame(out)


def other_code(kind, table, model, k):
    """(the table as another model would have it, what its run.json says of that)."""
    if kind == "one part":
        return table.drop(columns=columns("drift_l")), {"parts": ["z"]}
    if kind == "no halting head":
        scores = [c for c in table if c.startswith(("q_halt", "q_continue"))]
        return table.drop(columns=scores).assign(halted_at=np.int8(0)), {"scores": []}
    if kind != "twelve segments":
        return table, {}
    late = tuple(f"_{t}" for t in range(SHORT + 1, SEGMENTS + 1))
    table = table.drop(columns=[c for c in table if c.endswith(late)])
    growth = [table[columns(f"growth_{i}", SHORT)].sum(axis=1) for i in range(1, k + 1)]
    lambdas = -np.sort(-np.stack(growth, 1), axis=1) / (SHORT * UPDATES[model])
    table = table.assign(**{f"lambda_{i + 1}": lambdas[:, i].astype("float32") for i in range(k)})
    halted = table.halted_at.where(table.halted_at <= SHORT, 0).astype("int8")
    found = table.assign(correct=table[f"correct_{SHORT}"], halted_at=halted)
    return found, {"segments": SHORT}


def write_run(data, kind, model):
    """Write the made-up run of `kind` below `data`; its name."""
    name, rng = f"{model}-{kind.replace(' ', '-')}", np.random.default_rng(0)
    side = 4 if kind == "4x4" else 6
    k = {"no exponents": 0, "one tangent": 1}.get(kind, 8)
    n = 1 if kind in ("one puzzle", "one failure") else N
    frame = sets.table(f"{side}x{side}-test").head(n).astype({"givens": "int16"})
    frame = frame.rename_axis("idx").reset_index()
    out = data / "runs" / name
    table, other = other_code(kind, measurements(kind, model, frame, k, rng), model, k)
    shape = other.get("segments", SEGMENTS), len(other.get("parts", "HL"))
    scores = other.get("scores", ["q_halt"])
    table = validate(table, kind, UPDATES[model], k, *shape, scores)
    tables.write(table, out / "measurements.parquet")
    tables.write(answers(table), out / "trajectories.parquet")
    digests = {p.name: sha256(p) for p in out.glob("*.parquet")}
    trained = {"step": 650, "recipe": {"puzzles": "6x6", "lr": 0.001, "seed": 0}}
    trained |= {"training_steps": 1000, "training_s": 60.0}
    imported = {"step": None, "recipe": None, "training_steps": None, "training_s": None}
    sizes = {"width": 96, "prefix": 1, "mixing": "mlp" if model == "trm" else "attention"}
    meta = {"name": name, "model": model, "parameters": 1, "side": side, "k": k, "seed": 0}
    meta |= {"updates_per_segment": UPDATES[model], "segments": SEGMENTS, "n": n}
    meta |= {"puzzles": f"{side}x{side}-test", "dtype": "float32", "weights": "0" * 64}
    meta |= {"architecture": sizes} | (imported if kind == "imported" else trained)
    write_json(meta | other | {"files": digests}, out / "run.json")
    return name


def shown(value):
    """What a notebook would store of `value`: {mimetype: data}; what IPython hides is raised."""
    if (bundle := getattr(value, "_repr_mimebundle_", None)) is not None:
        found = bundle(include=None, exclude=None)
        return found[0] if isinstance(found, tuple) else found
    kinds = {"text/html": "_repr_html_", "text/markdown": "_repr_markdown_"}
    return {kind: getattr(value, name)() for kind, name in kinds.items() if hasattr(value, name)}


def execute(path, parameters, monkeypatch):
    """The outputs of the code cells of the chapter `path`, run here with `parameters`."""
    import IPython.display

    out, names = [], {}
    with monkeypatch.context() as patch:
        patch.setattr(IPython.display, "display", lambda *v: out.extend(map(shown, v)))
        for cell in jupytext.read(path).cells:
            if cell.cell_type != "code":
                continue
            body = ast.parse(cell.source).body
            last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
            exec(compile(ast.Module(body, []), path.name, "exec"), names)
            if last:
                code = compile(ast.Expression(last.value), path.name, "eval")
                out.append(shown(eval(code, names)))
            if "parameters" in cell.metadata.get("tags", []):
                names |= parameters
    return out


def text_of(outputs):
    """The sentences and tables among `outputs`."""
    wanted = ("text/markdown", "text/html")
    return "\n".join(o[m] for o in outputs for m in wanted if m in o)
