"""A trained model that runs in the page: its weights as a sidecar script, and the HTML of the player.

``static/model.js`` is the forward pass in plain JavaScript (every op of :mod:`rrm_core.models.recursive`), ``static/puzzle.js`` the
rules, ``static/player.js`` the interface. Weights stand in ``model/<run>.js`` beside them and are loaded by a script tag
only when a reader asks; in a notebook output they travel inertly with the cell. ONNX Runtime Web was tried instead: its
smallest wasm is 14 MB (3.7 MB compressed), and it starts by importing a module, which browsers refuse from ``file://``.
"""

from __future__ import annotations

import base64
from html import escape
from pathlib import Path

import numpy as np
from rrm_companion import embed
from rrm_companion.embed import HTML
from rrm_companion.pagedata import null

from rrm_core.analysis import cells
from rrm_core.runs.tables import SEGMENTS, Run
from rrm_core.store import paths
from rrm_core.store.files import read_json, sha256, write_bytes

SCRIPTS = ("dom.js", "puzzle.js", "model.js", "player.js")
LIMIT = (
    4 * 2**20
)  # bytes of float32 weights; beyond this neither the download nor a segment in plain JavaScript is bearable
EACH = 30  # puzzles of either outcome that travel with a run


class InPageError(ValueError):
    """A run that cannot run in a page; the message says why and which can."""


def tensors(name: str) -> dict[str, np.ndarray]:
    """{name: float32 array} of the weights of run `name`, in the file's order of names.

    :class:`InPageError` when the run ships no weights, other numbers than float32, or more than :data:`LIMIT` bytes.
    """
    from safetensors.numpy import load_file

    path = paths.run_dir(name) / "model.safetensors"
    if not path.exists():
        raise InPageError(
            f"run {name!r} ships no model.safetensors ({path}); choose a run whose weights are in its folder"
        )
    if path.stat().st_size > LIMIT + 2**16:  # the header of names is small
        raise InPageError(
            f"run {name!r}: {path.stat().st_size:,} bytes of weights, expected at most {LIMIT:,} for a model in a page; choose a smaller run"
        )
    found = load_file(path)
    other = sorted({str(v.dtype) for v in found.values()} - {"float32"})
    if other:
        raise InPageError(
            f"run {name!r}: weights are {', '.join(other)}, expected float32; save the model again with dtype=torch.float32"
        )
    return dict(sorted(found.items()))


def runnable(name: str) -> bool:
    """Whether run `name` ships weights that a page can carry."""
    path = paths.run_dir(name) / "model.safetensors"
    return path.exists() and path.stat().st_size <= LIMIT + 2**16


def examples(run: Run, each: int = EACH, seed: int = 0) -> list[dict]:
    """Held-out puzzles of both outcomes, at most `each` of either, drawn at random from the run's table.

    Each with what was measured (PyTorch, unperturbed): solved or not, first segment that would halt (0: never), log10
    late drift. Drawn by outcome, so that the share of failures here is not the run's.
    """
    late = cells.late_drift(run.table)
    rng = np.random.default_rng(seed)
    chosen = []
    for outcome in (True, False):
        rows = np.flatnonzero(run.table.correct.to_numpy() == outcome)
        chosen += rng.choice(rows, min(each, len(rows)), replace=False).tolist()
    return [
        {
            "idx": int(row.idx),
            "puzzle": row.puzzle,
            "solution": row.solution,
            "correct": bool(row.correct),
            "halted_at": int(row.halted_at),
            "late": round(float(late[i]), 4),
        }
        for i, row in zip(chosen, run.table.iloc[chosen].itertuples(), strict=True)
    ]


def payload(run: Run) -> dict:
    """Everything that ``model.js`` and ``player.js`` know about a run, as JSON values.

    ``data`` is base64 of float32, little endian, the tensors one after another; ``sha256`` that of the safetensors file.
    """
    weights = tensors(run.name)
    band = cells.band_of(run)
    folder = paths.run_dir(run.name)
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
        "sha256": sha256(folder / "model.safetensors"),
        "tensors": [[name, list(array.shape)] for name, array in weights.items()],
        "data": base64.b64encode(
            b"".join(array.astype("<f4").tobytes() for array in weights.values())
        ).decode(),
    }


def model_script(run: Run) -> str:
    """The sidecar script of a run: it puts :func:`payload` where ``model.js`` looks."""
    return embed.sidecar("weights", run.name, payload(run))


def write_static(out: Path, runs: list[Run]) -> None:
    """Write the player's scripts and styles, and the weights of every run that a page can carry, to ``out``."""
    for name in (*SCRIPTS, "player.css"):
        write_bytes(embed.static_text(name).encode(), out / name)
    for run in runs:
        if runnable(run.name):
            write_bytes(model_script(run).encode(), out / "model" / f"{run.name}.js")


def size(name: str) -> int:
    """Bytes of the weights of run `name` as they travel: base64 of float32."""
    return -(-sum(array.nbytes for array in tensors(name).values()) // 3) * 4


def still(runs: list[Run]) -> str:
    """What a reader without scripts sees: what would run here, and what each run did on its held-out puzzles."""
    lines = []
    for run in runs:
        band = cells.band_of(run)
        settled = (
            f"settled below log10 late drift {band.otsu:.2f} (Otsu)"
            if band.exists
            else f"no settled band: {band.reason}"
        )
        lines.append(
            f"<tr><td>{escape(run.label)}</td><td>{run.meta['parameters']:,}</td><td>{int(run.table.correct.sum()):,} of {len(run.table):,}</td><td>{escape(settled)}</td></tr>"
        )
    head = "".join(
        f'<th scope="col">{h}</th>'
        for h in ("run", "parameters", "held-out puzzles solved", "late drift")
    )
    return (
        "<p>With JavaScript, a trained model runs here on a board that you type. Without it, this is what the models did on their held-out puzzles:</p>"
        f"<table><caption>The models of this page</caption><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )


def player(runs: list[Run]) -> HTML:
    """The player of `runs`, the first one chosen: works in the page alone, from disk, without a network.

    In a notebook the weights of all `runs` travel in the output (about 1.1 MB for ``trm-6x6``), parsed when asked for.
    """
    if not runs:
        raise InPageError(
            "player([]): expected at least one run, for instance tables.load_run('trm-6x6')"
        )
    options = {
        "runs": [{"name": run.name, "label": run.label, "bytes": size(run.name)} for run in runs]
    }
    carried = (
        ""
        if embed.publishing()
        else "".join(
            f'<script type="application/json" data-weights="{run.name}">{embed.as_json(payload(run))}</script>'
            for run in runs
        )
    )
    assets = embed.once("player.css", "charts.js", *SCRIPTS)
    return HTML(
        f'{assets}<div class="rrm-player"><script type="application/json" class="rrm-options">{embed.as_json(options)}</script>{carried}{still(runs)}</div>'
        "<script>window.rrm && rrm.players && rrm.players()</script>"
    )
