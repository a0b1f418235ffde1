"""The chapters: pairs in step, parameters, and a full run of each with papermill."""

import ast
import json
import shutil
import subprocess
import sys
import time

import jupytext
import nbformat
import papermill
import pytest
from rrm_companion import chapters, report

NAMES = [
    "2_setup",
    "3_1_decomposition",
    "3_2_controls",
    "3_3_early_window",
    "3_4_training",
    "4_prior_accounts",
    "5_implications",
]
DEMOS = ["finite_exponents", "settle_or_wander", "train_4x4"]
PAIRS = [*NAMES, *(f"demos/{d}" for d in DEMOS)]


def cells_of(notebook):
    return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in notebook.cells]


def test_every_chapter_is_there(root):
    assert (
        sorted(p.stem for p in (root / "notebooks").glob("*.md"))
        == NAMES
        == sorted(p.stem for p in (root / "notebooks").glob("*.ipynb"))
    )
    assert (
        sorted(p.stem for p in (root / "notebooks/demos").glob("*.md"))
        == DEMOS
        == sorted(p.stem for p in (root / "notebooks/demos").glob("*.ipynb"))
    )


@pytest.mark.parametrize("name", PAIRS)
def test_the_two_files_of_a_chapter_say_the_same(root, name):
    text, twin = (
        jupytext.read(root / "notebooks" / f"{name}.md"),
        nbformat.read(root / "notebooks" / f"{name}.ipynb", 4),
    )
    assert cells_of(text) == cells_of(twin), (
        f"run `make notebooks`: {name}.ipynb is not what {name}.md says"
    )
    assert all(not c.get("outputs") and c.get("execution_count") is None for c in twin.cells)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_come_first_and_are_checked_next(root, name):
    code = [
        c
        for c in nbformat.read(root / "notebooks" / f"{name}.ipynb", 4).cells
        if c.cell_type == "code"
    ]
    assert code[0].metadata.tags == ["parameters"] and "open_runs(run, compare)" in code[1].source
    assert all(isinstance(node, ast.AnnAssign) for node in ast.parse(code[0].source).body) and code[
        0
    ].source.count("#") == len(code[0].source.splitlines())
    assert {"run", "compare"} <= set(
        papermill.inspect_notebook(str(root / "notebooks" / f"{name}.ipynb"))
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_runs_from_a_checkout(root, name, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    started = time.monotonic()
    out = tmp_path / "out.ipynb"
    papermill.execute_notebook(
        f"notebooks/{name}.ipynb",
        str(out),
        parameters={"run": "hrm-6x6", "compare": []},
        progress_bar=False,
        execution_timeout=120,
    )
    text = json.dumps(nbformat.read(out, 4))
    assert "hrm-6x6" in text and "cdn.jsdelivr" not in text.replace(
        "https://cdn.jsdelivr.net/npm/vega", ""
    )
    assert time.monotonic() - started < 60, "a chapter takes 15 s on a free machine"


WITHOUT = """
import sys
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, requires
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

def closure(*texts):
    wanted, found = [Requirement(text) for text in texts], {}
    while wanted:
        one = wanted.pop()
        name = canonicalize_name(one.name)
        if one.extras <= found.get(name, set()) and name in found:
            continue
        found[name] = found.get(name, set()) | one.extras
        rules = (Requirement(text) for text in requires(name) or [])
        wanted += [r for r in rules if r.marker is None or any(r.marker.evaluate({"extra": e}) for e in [*one.extras, ""])]
    return set(found)

class Without(PathFinder):
    allowed, owners = closure("rrm-core[chapters]", "ipykernel"), packages_distributions()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        owners = {canonicalize_name(o) for o in cls.owners.get(name.partition(".")[0], [])}
        return None if owners and not owners & cls.allowed else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
exec(compile(sys.stdin.read(), "chapter", "exec"), {"__name__": "__main__"})
"""


def test_a_chapter_needs_no_more_than_the_extra_that_colab_installs(root):
    code = "\n".join(
        c.source
        for c in nbformat.read(root / "notebooks" / "3_1_decomposition.ipynb", 4).cells
        if c.cell_type == "code"
    )
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        input=code,
        capture_output=True,
        text=True,
        cwd=root / "notebooks",
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    refused = subprocess.run(
        [sys.executable, "-c", WITHOUT],
        input="import papermill",
        capture_output=True,
        text=True,
        cwd=root / "notebooks",
        timeout=300,
    )
    assert refused.returncode == 1 and "No module named 'papermill'" in refused.stderr


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_has_parameters_first_and_checks_them_next(root, name):
    code = [
        c
        for c in nbformat.read(root / "notebooks" / "demos" / f"{name}.ipynb", 4).cells
        if c.cell_type == "code"
    ]
    assert code[0].metadata.tags == ["parameters"]
    hints = ast.parse(code[0].source).body
    assert all(isinstance(node, ast.AnnAssign) for node in hints) and code[0].source.count(
        "#"
    ) == len(code[0].source.splitlines())
    numbers = [
        node.target.id
        for node in hints
        if ast.unparse(node.annotation) != "str" and node.target.id != "seed"
    ]
    assert all(f'demos.within("{key}"' in code[1].source for key in numbers), (
        "a number is not checked"
    )


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_runs_in_a_class(root, name, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    out = tmp_path / "out.ipynb"
    started = time.monotonic()
    papermill.execute_notebook(
        f"notebooks/demos/{name}.ipynb", str(out), progress_bar=False, execution_timeout=120
    )
    taken = time.monotonic() - started
    done = nbformat.read(out, 4)
    assert all(c.get("execution_count") for c in done.cells if c.cell_type == "code")
    said = {
        "train_4x4": "**unfinished**",
        "settle_or_wander": "ends the other way",
        "finite_exponents": "start frames",
    }[name]
    assert said in json.dumps(done)
    assert taken < 120, "a demo takes under 60 s on a free machine; twice that is allowed here"


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        ("train_4x4", {"every": 0}, "every=0: expected a number from 0.5 to 60"),
        (
            "settle_or_wander",
            {"puzzle": 999_999},
            "puzzle=999999: the run 'trm-6x6' has the puzzles",
        ),
        ("finite_exponents", {"frames": 2.5}, "frames=2.5: expected a whole number"),
    ],
)
def test_a_demo_refuses_what_is_out_of_range(root, name, bad, message, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(papermill.PapermillExecutionError, match=message):
        papermill.execute_notebook(
            f"notebooks/demos/{name}.ipynb",
            str(tmp_path / "out.ipynb"),
            parameters=bad,
            progress_bar=False,
            execution_timeout=120,
        )


def test_an_executed_notebook_beside_a_chapter_is_no_chapter(root, tmp_path, monkeypatch):
    shutil.copytree(root / "data", tmp_path / "data", ignore=shutil.ignore_patterns("runs"))
    (tmp_path / "notebooks").mkdir()
    for name in ("3_1_decomposition.ipynb", "3_1_decomposition.out.ipynb"):
        shutil.copy(root / "notebooks" / "3_1_decomposition.ipynb", tmp_path / "notebooks" / name)
    monkeypatch.setenv("RRM_DATA", str(tmp_path / "data"))
    assert chapters.find("3_1").name == "3_1_decomposition.ipynb"


def test_converting_values():
    assert (
        chapters.convert("x", "4", "int") == 4
        and chapters.convert("x", "None", "float | None") is None
        and chapters.convert("x", "60", "float | None") == 60
    )
    assert (
        chapters.convert("x", "['a', 'b']", "list[str]")
        == ["a", "b"]
        == chapters.convert("x", "a,b", "list[str]")
        and chapters.convert("x", "", "list[str]") == []
    )
    for value, hint in (("True", "int"), ("4.5", "int"), ("x", "float"), ("1", "bool")):
        with pytest.raises(chapters.ParameterError, match=f"expected {hint}"):
            chapters.convert("x", value, hint)


def test_open_runs_refuses_wrong_types():
    with pytest.raises(TypeError, match="expected the name of one run"):
        report.open_runs(["trm-6x6"], [])
    with pytest.raises(TypeError, match="expected a list of names"):
        report.open_runs("trm-6x6", "hrm-6x6")
    assert [r.name for r in report.open_runs("hrm-6x6", ["hrm-6x6", "trm-6x6"])] == [
        "hrm-6x6",
        "trm-6x6",
    ]


def test_every_table_names_the_source_of_each_row(runs):
    both = list(runs.values())
    found = [
        report.runs_table(both),
        report.growth_table(both),
        report.band_table(both),
        report.cells_table(both),
        report.separation_table(both),
        report.medians_by_cell(both[0]),
        report.threshold_free_table(both),
        report.controls_table(both),
        report.early_table(both, 4),
        report.outcome_table(both),
        report.ceiling_table(both),
    ]
    for table in found:
        assert set(table.source) <= {"paper", "measured here"}
        names = {r.name for r in both}
        assert ((table.source == "measured here") == table.run.isin(names)).all()


def test_growth_per_segment_uses_each_rows_own_steps(runs):
    table = report.growth_table(list(runs.values())).set_index("run")
    assert table["growth wrong, per segment"]["TRM"] == pytest.approx(0.103 * 21) and table[
        "growth wrong, per segment"
    ]["HRM"] == pytest.approx(0.032 * 4)
    trm = runs["trm-6x6"].table
    assert table["growth correct, per segment"]["trm-6x6"] == pytest.approx(
        trm[trm.correct].lambda_1.median() * 8, rel=1e-5
    )
