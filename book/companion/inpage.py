"""A published model in the page: what it needs, cut into scripts, and the player's HTML.

``static/player.js`` is the interface; ``player_worker.js`` runs the model in a Web Worker with ONNX
Runtime Web and ``runtime/segment.onnx``, the graph of one segment (benchmarks/export_onnx.py). A
page from disk may not fetch, so all travels as base64 in scripts, which a reader's click loads.
"""

import base64
import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from rrm_companion import embed, pagedata
from rrm_companion.embed import HTML

from rrm_core.analysis import cells
from rrm_core.runs.tables import Run
from rrm_core.store import paths
from rrm_core.store.files import read_json, write_bytes

NAME = "trm-9x9-brief"  # the run whose graph is shipped
SCRIPTS = ("dom.js", "puzzle.js", "examples.js", "player.js")
RUNTIME = embed.STATIC / "runtime"
PIECE = 3 * 2**18  # bytes of the package in a script: one MiB of base64
EACH = 10  # puzzles of either outcome that travel with the page
SHOWN = ["idx", "correct", "halted_at", "late", "puzzle", "solution", "answers", "drift", "margin"]


@cache
def package() -> tuple[dict, bytes]:
    """(what ``player_worker.js`` must know, all that it needs): each file deflated.

    Weights are bfloat16, the high bytes of all numbers first: an eighth smaller than mixed.
    """
    folder = paths.run_dir(NAME)
    raw, sizes = (folder / "model.safetensors").read_bytes(), read_json(folder / "config.json")
    start = 8 + int.from_bytes(raw[:8], "little")
    tensors = {n: t["data_offsets"] for n, t in json.loads(raw[8:start]).items()}
    halves = np.frombuffer(raw[start:], np.uint8).reshape(-1, 2)[:, ::-1].T
    parts = {
        "runtime": zlib.compress((RUNTIME / "ort.wasm.bundle.min.mjs").read_bytes()),
        "wasm": (RUNTIME / "ort-wasm-simd-threaded.wasm.z").read_bytes(),
        "graph": zlib.compress((RUNTIME / "segment.onnx").read_bytes()),
        "weights": zlib.compress(halves.tobytes()),
    }
    files, whole = {name: len(part) for name, part in parts.items()}, b"".join(parts.values())
    about = {"positions": sizes["prefix"] + sizes["side"] ** 2, "bytes": len(whole)}
    return about | {"files": files, "tensors": tensors}, whole


def write_static(out: Path) -> None:
    """Write the player's scripts and styles, and the pieces of the package, to `out`."""
    for name in (*SCRIPTS, "player.css"):
        write_bytes(embed.static_text(name).encode(), out / name)
    if not (paths.data_dir() / "runs" / NAME / "model.safetensors").exists():
        return  # a reader's own data folder, without that run
    about, whole = package()
    parts = [whole[at : at + PIECE] for at in range(0, len(whole), PIECE)]
    texts = {"worker": embed.static_text("player_worker.js"), "about": about}
    texts |= {str(i): base64.b64encode(part).decode() for i, part in enumerate(parts)}
    for name, value in texts.items():
        script = embed.sidecar("pieces", name, embed.as_json(value))
        write_bytes(script.encode(), out / "model" / f"{name}.js")


def recordings(run: Run) -> list[dict]:
    """Hard puzzles with what torch did on them, segment by segment; the first is solved late."""
    late, right = cells.late_drift(run.table), run.table.filter(like="correct_").sum(axis=1)
    known = run.table.assign(late=late.round(3), right=right).set_index("idx", drop=False)
    rows = known.join(pagedata.examples(run)[["answers", "drift", "margin"]])
    chosen = rows.groupby("correct").sample(EACH, random_state=0)
    chosen = chosen.sort_values(["correct", "right"], ascending=[False, True])
    return chosen[SHOWN].to_dict("records")


def player(run: Run) -> HTML:
    """The player: recordings at once, and the model itself after a click, in the built book."""
    size, solved, n = package()[0]["bytes"], int(run.table.correct.sum()), len(run.table)
    options = {
        "pieces": -(-size // PIECE),
        "bytes": -(-size // 3) * 4,
        "parameters": run.meta["parameters"],
        "n": n,
        "solved": solved,
        "otsu": pagedata.null(cells.band_of(run).otsu),
        "puzzles": recordings(run),
        "address": embed.publishing(),
    }
    return HTML(
        f'{embed.once("player.css", "charts.js", *SCRIPTS)}<div class="rrm-player">'
        f'<script type="application/json">{embed.as_json(options)}</script><p>With JavaScript, '
        f"the TRM runs here on your own Sudoku. It solved {solved:,} of {n:,} hard ones.</p></div>"
        "<script>window.rrm && rrm.players && rrm.players()</script>"
    )
