"""Re-execute a chapter with papermill, refusing parameters it does not have or values of the wrong type."""

from __future__ import annotations

import ast
from pathlib import Path

from rrm_core.runs import tables
from rrm_core.store import paths


class ParameterError(ValueError):
    """A chapter, parameter or value that does not exist or does not fit; the message lists what does."""


def folder() -> Path:
    """The notebooks/ folder beside data/, else that of the installed checkout."""
    beside = paths.data_dir().parent / "notebooks"
    return beside if beside.is_dir() else Path(__file__).resolve().parents[2] / "notebooks"


def find(name: str) -> Path:
    """The notebook of chapter `name` (``3_1`` or ``3_1_decomposition``)."""
    known = sorted(p for p in folder().glob("*.ipynb") if "." not in p.stem)  # not NAME.out.ipynb
    found = [p for p in known if p.stem == name or p.stem.startswith(f"{name}_")]
    if len(found) != 1:
        raise ParameterError(f"unknown chapter {name!r}; known: {', '.join(p.stem for p in known)}")
    return found[0]


def convert(name: str, text: str, hint: str) -> object:
    """`text` as the type of the parameter's hint; for list[str] a comma-separated list, possibly empty."""
    if hint == "str":
        return text
    if hint == "list[str]":
        return [
            part
            for part in text.strip("[] ")
            .replace("'", "")
            .replace('"', "")
            .replace(" ", "")
            .split(",")
            if part
        ]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    allowed = {
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
        "float | None": (int, float, type(None)),
        "int | None": (int, type(None)),
    }
    good = isinstance(value, allowed.get(hint, (object,))) and (
        hint == "bool" or not isinstance(value, bool)
    )
    if not good:
        raise ParameterError(f"parameter {name}={text!r}: expected {hint}")
    return value


def parameters(notebook: Path, given: dict[str, str]) -> dict[str, object]:
    """`given` (name -> text) checked against the notebook's parameters cell and converted to its types."""
    import papermill

    known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(given) - set(known))
    if unknown:
        listing = ", ".join(
            f"{k}: {v['inferred_type_name']} = {v['default']}" for k, v in known.items()
        )
        raise ParameterError(
            f"{notebook.stem} has no parameter {', '.join(unknown)}; known: {listing}"
        )
    values = {
        name: convert(name, text, known[name]["inferred_type_name"]) for name, text in given.items()
    }
    for name in ("run", "compare"):
        for run in [values[name]] if isinstance(values.get(name), str) else values.get(name, []):
            tables.load_run(
                run
            )  # a broken run is named here, in one line, and not by a kernel that stops
            tables.read_trajectories(run)
    return values


def execute(
    name: str, given: dict[str, str], out: Path | None = None, progress: bool = True
) -> Path:
    """Run chapter `name` with the given parameters; returns the executed notebook (default ``<chapter>.out.ipynb`` here)."""
    import papermill

    notebook = find(name)
    values = parameters(notebook, given)
    out = Path(f"{notebook.stem}.out.ipynb") if out is None else out
    try:
        papermill.execute_notebook(
            str(notebook),
            str(out),
            parameters=values,
            cwd=str(notebook.parent),
            progress_bar=progress,
            execution_timeout=600,
        )
    except papermill.PapermillExecutionError as error:
        raise ParameterError(
            f"{notebook.stem} stopped: {error.ename}: {error.evalue} ({out} shows where)"
        ) from None
    return out
