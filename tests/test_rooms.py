"""The rooms stand in one order: no import leads back, tables need no torch, both stay small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = [  # a room imports its own floor's own files and the floors above it in this list
    {"store"},
    {"sudoku", "models"},
    {"dynamics"},
    {"training"},
    {"runs"},
    {"analysis"},
    {"studies"},
    {"cli"},
]
FLOOR = {room: i for i, floor in enumerate(FLOORS) for room in floor}
MOST = {"rrm_core": 7_836, "companion": 2_000}  # lines of Python at 100 columns
UNTORCHED = ("store", "sudoku", "analysis", "runs.tables", "models.config", "training.recipes")


def imports(path: Path) -> set[str]:
    """Dotted names of rrm_core and rrm_companion that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its room"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("rrm_core", "rrm_companion")}


def test_the_rooms_are_those_of_the_plan():
    folders = {p.parent.name for p in (ROOT / "rrm_core").glob("*/__init__.py")}
    files = {p.stem for p in (ROOT / "rrm_core").glob("*.py")} - {"__init__"}
    assert folders | files == set(FLOOR)


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_no_import_leads_up_the_stairs(room):
    paths = [*(ROOT / "rrm_core" / room).glob("*.py")] or [ROOT / "rrm_core" / f"{room}.py"]
    for path in paths:
        for name in imports(path):
            package, *rest = name.split(".")
            if package == "rrm_companion":
                assert room == "cli", f"{path} shows things: only the command line may"
                continue
            other = rest[0] if rest and rest[0] in FLOOR else None
            ok = other in (None, room) or FLOOR[other] < FLOOR[room]
            assert ok, f"{path} imports {name}: {room} stands before {other}"


@pytest.mark.parametrize("room", sorted(set(FLOOR) - {"cli"}))
def test_a_room_says_what_belongs_there(room):
    text = ast.get_docstring(ast.parse((ROOT / "rrm_core" / room / "__init__.py").read_text()))
    assert text and len(text) > 120, f"rrm_core/{room}/__init__.py: say what belongs there"


def test_what_needs_only_tables_never_imports_torch():
    modules = []
    for name in UNTORCHED:
        path = ROOT / "rrm_core" / name.replace(".", "/")
        files = path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]
        modules += [".".join(p.relative_to(ROOT).with_suffix("").parts) for p in files]
    lines = [f"import {name.removesuffix('.__init__')}" for name in modules]
    code = "\n".join(["import sys", *lines, "assert 'torch' not in sys.modules, 'torch'"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "folder"), [("rrm_core", "rrm_core"), ("companion", "book/companion")]
)
def test_a_package_stays_small(name, folder):
    files = list((ROOT / folder).rglob("*.py"))
    lines = [line for p in files for line in p.read_text().splitlines()]
    assert len(lines) <= MOST[name]
    assert max(map(len, lines)) <= 100
