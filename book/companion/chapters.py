"""Re-execute a chapter with papermill, refusing parameters that it does not have or cannot read."""

import ast
from pathlib import Path

from rrm_companion import show

from rrm_core.runs import tables
from rrm_core.store import paths

QUIET = ["--IPKernelApp.log_level=CRITICAL"]  # it tells how it is called, and of its last interrupt
KINDS = {"int": (int,), "float": (int, float), "bool": (bool,)}


class ParameterError(ValueError):
    """A chapter, parameter or value that does not exist or does not fit; it lists what does."""


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
    """`text` as the type of the parameter's hint; a text stays as it is."""
    if hint == "str":
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    kinds = KINDS.get(hint, (object,))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ParameterError(f"parameter {name}={text!r}: expected {hint}")
    return value


def parameters(notebook: Path, given: dict[str, str]) -> dict[str, object]:
    """`given` (name -> text) checked against the notebook's parameters cell, in its types.

    A run that is missing, broken or of the other architecture is named here, in one line, and not
    by a kernel that stops.
    """
    import papermill

    known = papermill.inspect_notebook(str(notebook))
    if unknown := sorted(set(given) - set(known)):
        kinds = (f"{k}: {v['inferred_type_name']} = {v['default']}" for k, v in known.items())
        note = " (run and compare gave way to hrm and trm)" * bool({"run", "compare"} & {*unknown})
        text = f"{notebook.stem} has no parameter {', '.join(unknown)}{note}; known: "
        raise ParameterError(text + ", ".join(kinds))
    values = {n: convert(n, text, known[n]["inferred_type_name"]) for n, text in given.items()}
    if {"hrm", "trm"} & set(values):
        default = {n: ast.literal_eval(known[n]["default"]) for n in ("hrm", "trm")}
        chosen = default | {n: values[n] for n in default if n in values}
        for run in show.chosen(**chosen).values():
            tables.read_trajectories(run.name)
    return values


def execute(
    name: str, given: dict[str, str], out: Path | None = None, progress: bool = True
) -> Path:
    """Run chapter `name`; the executed notebook (default ``<chapter>.out.ipynb`` here)."""
    import papermill

    values = parameters(notebook := find(name), given)
    out = out or Path(f"{notebook.stem}.out.ipynb")
    place = {"cwd": str(notebook.parent), "progress_bar": progress, "extra_arguments": QUIET}
    try:
        papermill.execute_notebook(str(notebook), str(out), parameters=values, **place)
    except papermill.PapermillExecutionError as error:
        why = f"{error.ename}: {error.evalue} ({out} shows where)"
        raise ParameterError(f"{notebook.stem} stopped: {why}") from None
    return out
