"""A trained model that runs in the page: its weights as a sidecar script, and the player's HTML.

``static/model.js`` is the forward pass in plain JavaScript (every op of
:mod:`rrm_core.models.recursive`), ``static/puzzle.js`` the rules, ``static/player.js`` the
interface. Weights stand in ``model/<run>.js`` beside them and are loaded by a script tag only when
a reader asks; in a notebook output they travel inertly with the cell. ONNX Runtime Web starts by
importing a module, which browsers refuse from ``file://``, and its smallest wasm is 14 MB.
"""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pandas as pd
from rrm_companion import embed, show
from rrm_companion.embed import HTML
from rrm_companion.pagedata import null

from rrm_core.analysis import cells
from rrm_core.runs.tables import SEGMENTS, Run
from rrm_core.store import paths
from rrm_core.store.files import read_json, sha256, write_bytes

SCRIPTS = ("dom.js", "puzzle.js", "model.js", "player.js")
LIMIT = 4 * 2**20  # bytes of float32 weights that plain JavaScript carries and runs bearably
HEADER = 2**16  # the file's list of names is smaller
EACH = 30  # puzzles of either outcome that travel with a run


class InPageError(ValueError):
    """A run that cannot run in a page; the message says why and which can."""


def weights_file(name: str) -> Path:
    """Where the weights of run `name` lie, in one file."""
    return paths.run_dir(name) / "model.safetensors"


def runnable(name: str) -> bool:
    """Whether run `name` ships weights that a page can carry."""
    path = weights_file(name)
    return path.exists() and path.stat().st_size <= LIMIT + HEADER


def tensors(name: str) -> dict[str, np.ndarray]:
    """{name: float32 array} of the weights of run `name`, in the order of names.

    :class:`InPageError` where the run ships none, other numbers than float32, or too many bytes.
    """
    from safetensors.numpy import load_file

    path = weights_file(name)
    if not path.exists():
        raise InPageError(f"run {name!r} ships no {path.name}; choose one whose weights are there")
    if not runnable(name):
        found = f"{path.stat().st_size:,} bytes of weights, expected at most {LIMIT:,}"
        raise InPageError(f"run {name!r}: {found} for a page; choose a smaller run")
    arrays = load_file(path)
    if other := sorted({str(v.dtype) for v in arrays.values()} - {"float32"}):
        found = f"weights are {', '.join(other)}, expected float32"
        raise InPageError(f"run {name!r}: {found}; save the model again")
    return dict(sorted(arrays.items()))


def examples(run: Run) -> list[dict]:
    """Held-out puzzles with what was measured on them, at most :data:`EACH` of either outcome."""
    table = run.table.assign(late=cells.late_drift(run.table).round(4))
    rng, chosen = np.random.default_rng(0), []
    for outcome in (True, False):
        rows = np.flatnonzero(run.table.correct.to_numpy() == outcome)
        chosen += rng.choice(rows, min(EACH, len(rows)), replace=False).tolist()
    shown = ["idx", "puzzle", "solution", "correct", "halted_at", "late"]
    return table.iloc[chosen][shown].to_dict("records")


def payload(run: Run) -> dict:
    """Everything that ``model.js`` and ``player.js`` know about a run, as JSON values.

    ``data`` is base64 of float32, little endian, the tensors one after another.
    """
    weights, band, folder = tensors(run.name), cells.band_of(run), paths.run_dir(run.name)
    raw = b"".join(array.astype("<f4").tobytes() for array in weights.values())
    return {
        "run": run.name,
        "label": run.label,
        "config": read_json(folder / "config.json"),
        "step": run.meta.get("step"),
        "parameters": run.meta["parameters"],
        "n": len(run.table),
        "solved": int(run.table.correct.sum()),
        "segments": SEGMENTS,
        "otsu": null(band.otsu),
        "strict": null(band.strict),
        "exists": band.exists,
        "reason": band.reason,
        "puzzles": examples(run),
        "sha256": sha256(weights_file(run.name)),
        "tensors": [[name, list(array.shape)] for name, array in weights.items()],
        "data": base64.b64encode(raw).decode(),
    }


def write_static(out: Path, runs: list[Run]) -> None:
    """Write the player's scripts and styles, and the weights that a page can carry, to ``out``."""
    for name in (*SCRIPTS, "player.css"):
        write_bytes(embed.static_text(name).encode(), out / name)
    for name, run in ((run.name, run) for run in runs if runnable(run.name)):
        script = embed.sidecar("weights", name, payload(run))
        write_bytes(script.encode(), out / "model" / f"{name}.js")


def still(runs: list[Run]) -> str:
    """What a reader without scripts sees: what each run did on its held-out puzzles."""
    rows = []
    for run in runs:
        band, solved = cells.band_of(run), int(run.table.correct.sum())
        settled = f"settled below {band.otsu:.2f}" if band.exists else "no settled band"
        rows.append((run.label, f"{solved:,} of {len(run.table):,}", settled))
    columns = ["run", "held-out puzzles solved", "log10 late drift"]
    known = show.table(pd.DataFrame(rows, columns=columns), "The models of this page").html
    return f"<p>With JavaScript, a trained model runs here on a board that you type.</p>{known}"


def player(runs: list[Run]) -> HTML:
    """The player of `runs`, the first one chosen: works in the page alone, from disk.

    In a notebook the weights of all `runs` travel in the output (1.1 MB for ``trm-6x6``).
    """
    if not runs:
        raise InPageError("player([]): expected at least one run, as tables.load_run('trm-6x6')")
    known = {"runs": [{"name": r.name, "label": r.label, "bytes": size(r.name)} for r in runs]}
    tag = '<script type="application/json" {}>{}</script>'
    tags = [tag.format('class="rrm-options"', embed.as_json(known))]
    if not embed.publishing():
        tags += [tag.format(f'data-weights="{r.name}"', embed.as_json(payload(r))) for r in runs]
    return HTML(
        f'{embed.once("player.css", "charts.js", *SCRIPTS)}<div class="rrm-player">{"".join(tags)}'
        f"{still(runs)}</div><script>window.rrm && rrm.players && rrm.players()</script>"
    )


def size(name: str) -> int:
    """Bytes of the weights of run `name` as they travel: base64 of float32."""
    return -(-sum(array.nbytes for array in tensors(name).values()) // 3) * 4
