"""The chapters: pairs in step, parameters, and a full run of each with papermill."""

import ast
import json
import re
import shutil
import subprocess
import sys
from types import ModuleType

import jupytext
import nbformat
import papermill
import pytest
import torch
from IPython.core.displayhook import DisplayHook
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_cache import get_cache
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook
from rrm_companion import chapters, demos, embed, show
from traitlets import config as traits

from rrm_core.dynamics import rollout
from rrm_core.models.config import Config
from rrm_core.models.recursive import RecursiveModel

NAMES = [
    "2_setup",
    "3_1_decomposition",
    "3_2_controls",
    "3_3_early_window",
    "3_4_training",
    "4_prior_accounts",
    "5_implications",
]
DEMOS = ["finite_exponents", "own_model", "settle_or_wander", "train_4x4"]
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
    notebook = root / "notebooks" / f"{name}.ipynb"
    code = [c for c in nbformat.read(notebook, 4).cells if c.cell_type == "code"]
    assert "parameters" in code[0].metadata.tags and "show.models(hrm, trm)" in "".join(
        c.source for c in code[1:4]
    )
    lines = ast.parse(code[0].source).body
    assert all(isinstance(node, ast.AnnAssign) for node in lines)
    assert code[0].source.count("#") == len(code[0].source.splitlines())
    defaults = {n: v["default"] for n, v in papermill.inspect_notebook(str(notebook)).items()}
    assert defaults == {"hrm": f'"{show.HRM}"', "trm": f'"{show.TRM}"'}


class Kept(DisplayHook):
    """Keeps what a cell gives back, in every format that a kernel would send."""

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.shown.append(format_dict)


@pytest.fixture
def here(root, monkeypatch):
    """``here(name, **parameters)``: what a notebook shows, as JSON, run without a kernel.

    Its cells run in a shell of this process, where all is imported; what a cell raises is raised.
    """
    monkeypatch.chdir(root)
    monkeypatch.delenv("RRM_PUBLISH", raising=False)
    monkeypatch.setattr(embed, "_sent", {})  # as in a fresh kernel
    InteractiveShell.clear_instance()
    config = traits.Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(
        config=config, user_module=ModuleType("chapter"), displayhook_class=Kept
    )

    def run(name, **parameters):
        notebook, shell.shown = load_notebook_node(f"notebooks/{name}.ipynb"), []
        for cell in parameterize_notebook(notebook, parameters).cells:
            if cell.cell_type == "code":
                with capture_output() as out:
                    result = shell.run_cell(cell.source)
                result.raise_error()
                shell.shown += [output.data for output in out.outputs]
        return json.dumps(shell.shown)

    yield run
    InteractiveShell.clear_instance()


def asks_no_network(text):
    """Whether the outputs of a chapter name no content network but in Vega's own code."""
    return "cdn.jsdelivr" not in text.replace("https://cdn.jsdelivr.net/npm/vega", "")


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_runs_from_a_checkout_with_papermill(root, name, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    out, slots = tmp_path / "out.ipynb", {"hrm": "hrm-6x6", "trm": ""}
    papermill.execute_notebook(
        f"notebooks/{name}.ipynb", str(out), parameters=slots, progress_bar=False
    )
    assert asks_no_network(json.dumps(nbformat.read(out, 4)))


@pytest.mark.parametrize("name", NAMES)
def test_a_chapter_runs_on_the_other_model_alone(here, name):
    text = here(name, hrm="", trm="trm-6x6")
    assert "rrm-chart" in text and asks_no_network(text)


WITHOUT = """
import sys
import time
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
        extras = [{"extra": e} for e in [*one.extras, ""]]
        wanted += [r for r in rules if not r.marker or any(map(r.marker.evaluate, extras))]
    return set(found)

class Without(PathFinder):
    allowed, owners = closure("rrm-core[chapters]", "ipykernel"), packages_distributions()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        owners = {canonicalize_name(o) for o in cls.owners.get(name.partition(".")[0], [])}
        refused = owners and not owners & cls.allowed
        return None if refused else super().find_spec(name, path, target)

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
def test_a_demo_has_parameters_first_each_with_a_remark(root, name):
    notebook = nbformat.read(root / "notebooks" / "demos" / f"{name}.ipynb", 4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert code[0].metadata.tags == ["parameters"]
    lines = code[0].source.splitlines()
    assert all(isinstance(node, ast.AnnAssign) for node in ast.parse(code[0].source).body)
    assert code[0].source.count("#") == len(lines)


@pytest.mark.parametrize("name", DEMOS)
def test_a_demo_runs_in_a_class(book, name):
    kept = [get_cache(path) for path in (book.parent / ".jupyter_cache").iterdir()]
    records = [(r.accessed, cache, r) for cache in kept for r in cache.list_cache_records()]
    found = [r for r in records if r[2].uri.endswith(f"demos/{name}.md")]
    _, cache, record = max(
        found, key=lambda r: r[0]
    )  # of this build, whether executed in it or not
    done = cache.get_cache_bundle(record.pk).nb
    assert all(c.get("execution_count") for c in done.cells if c.cell_type == "code")
    page = (book / "notebooks" / "demos" / f"{name}.html").read_text()
    said = {
        "train_4x4": "<strong>unfinished</strong>",
        "settle_or_wander": "ends the other way",
        "finite_exponents": "start frames",
        "own_model": "Findings(faults=[], notes=[])",
    }[name]
    assert page.count('class="output') > 1 and said in page


@pytest.mark.parametrize(("heat", "rests"), [(0.2, True), (0.3, False), (0.4, False)])
def test_only_a_cold_relaxation_rests_in_wrong_places_as_its_page_says(root, heat, rests):
    names: dict = {}
    for cell in jupytext.read(root / "notebooks" / "demos" / "own_model.md").cells:
        if cell.cell_type == "code":
            exec(cell.source, names)
            names |= {"heat": heat}
    assert (names["found"]["B"] > 0) == rests and names["failed"] > 10
    assert names["model"].heat == heat


def test_the_recorded_training_is_what_a_live_one_gives():
    log, puzzles = demos.recorded()
    assert list(log.step) == list(range(25, 601, 25)) and set(puzzles.step) == set(demos.MARKS)
    again, _ = demos.train(steps=50)
    assert list(again) == list(log) and again.eval_token_acc.iloc[-1] == pytest.approx(
        log.eval_token_acc.iloc[1], abs=0.05
    )


@pytest.mark.parametrize(
    ("name", "bad", "message"),
    [
        (
            "train_4x4",
            {"live": True, "every": 0},
            "every=0: expected a number from 5 to 1000",
        ),
        (
            "settle_or_wander",
            {"puzzle": 999_999},
            "puzzle=999999: the run 'trm-6x6' has the puzzles",
        ),
        ("finite_exponents", {"seeds": 1}, "seeds=1: expected a number from 2 to 16"),
    ],
)
def test_a_demo_refuses_what_is_out_of_range(here, name, bad, message):
    with pytest.raises(ValueError, match=message):
        here(f"demos/{name}", **bad)


def test_a_chapter_by_our_command_says_only_where_it_is(tmp_path, capfd):
    """The kernel warned of how it is called, amid what a reader sees first."""
    asked, out = {"hrm": "", "trm": "trm-6x6"}, tmp_path / "mine.ipynb"
    assert chapters.execute("5", asked, out, progress=False) == out
    assert "rrm-chart" in json.dumps(nbformat.read(out, 4)) and capfd.readouterr() == ("", "")


def test_a_kernel_says_nothing_of_the_interrupt_that_ends_it(interrupted):
    """ipykernel tells of one between two cells: one chapter in hundreds was not quiet."""
    said, _ = interrupted(extra_arguments=chapters.QUIET)
    assert "IPKernelApp" not in said


def test_an_executed_notebook_beside_a_chapter_is_no_chapter(root, tmp_path, monkeypatch):
    shutil.copytree(root / "data", tmp_path / "data", ignore=shutil.ignore_patterns("runs"))
    (tmp_path / "notebooks").mkdir()
    for name in ("3_1_decomposition.ipynb", "3_1_decomposition.out.ipynb"):
        shutil.copy(root / "notebooks" / "3_1_decomposition.ipynb", tmp_path / "notebooks" / name)
    monkeypatch.setenv("RRM_DATA", str(tmp_path / "data"))
    assert chapters.find("3_1").name == "3_1_decomposition.ipynb"


def test_converting_values():
    assert chapters.convert("x", "4", "int") == 4 == chapters.convert("x", "4", "float")
    assert chapters.convert("x", "007", "str") == "007" and chapters.convert("x", "", "str") == ""
    assert chapters.convert("x", "True", "bool") is True
    for value, hint in (("True", "int"), ("4.5", "int"), ("x", "float"), ("1", "bool")):
        with pytest.raises(chapters.ParameterError, match=f"expected {hint}"):
            chapters.convert("x", value, hint)


def test_run_and_compare_name_what_took_their_place(rrm):
    for old in ("run", "compare"):
        status, _, err = rrm("chapter", "3_1", "-p", old, "trm-6x6")
        assert status == 2 and err.count("\n") == 1
        assert f"no parameter {old} (run and compare gave way to hrm and trm" in err


def test_a_run_in_the_wrong_slot_is_refused_before_a_kernel_starts(rrm):
    status, _, err = rrm("chapter", "3_1", "-p", "hrm", "trm-6x6")
    assert status == 2 and err.count("\n") == 1 and "give it as trm=" in err


def test_the_listing_of_section_2_gives_our_exponents(root):
    text = (root / "notebooks" / "2_setup.md").read_text()
    listing = re.search(r"```python\n(def exponents.*?)```", text, re.S)[1]
    assert len(listing.splitlines()) <= 15
    names = {"torch": torch}
    exec(listing, names)
    torch.manual_seed(1)
    for config in (
        Config("trm", "mlp", 4, 16, 1, 0, H_cycles=2, L_cycles=3, heads=2, prefix=2),
        Config("hrm", "attention", 4, 16, 1, 1, H_cycles=2, L_cycles=2, heads=2, prefix=1),
    ):
        model, puzzle = RecursiveModel(config).double(), torch.randint(1, 6, (1, 16))
        x = model.embed(puzzle)
        updates = model.updates(x)
        with torch.no_grad():
            found = names["exponents"](updates, *model.initial_state(x), k=4)
        growth = rollout.unroll(model, puzzle, k=4).growth.sum(1)[0]
        ours = growth.sort(descending=True).values / (16 * len(updates))
        assert torch.allclose(found, ours, atol=1e-9, rtol=0), config.model
