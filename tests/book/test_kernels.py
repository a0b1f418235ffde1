"""The kernels of a build are forked from one process: each its own, none outlives the build."""

import importlib
import itertools
import os
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from jupyter_client.provisioning import KernelProvisionerFactory
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux")
STARTED = """
import sys, nbformat
sys.path.insert(0, sys.argv[1])
import rrm_kernels
from nbclient import NotebookClient
rrm_kernels.AFRESH, rrm_kernels.IMPORTED = 0, ["ipykernel.kernelapp"]
rrm_kernels.prepare()
cell = nbformat.v4.new_code_cell("import time; time.sleep(60)")
client = NotebookClient(nbformat.v4.new_notebook(cells=[cell]))
client.on_cell_start = lambda *_, **__: print(client.km.provisioner.pid, flush=True)
client.execute()
"""


@pytest.fixture
def kernels(root, monkeypatch):
    """The module, with kernels forked from the first on that have imported `json` and ipykernel."""
    monkeypatch.syspath_prepend(root / "book/_ext")
    module = importlib.import_module("rrm_kernels")
    monkeypatch.setattr(module, "IMPORTED", ["ipykernel.kernelapp", "colorsys"])
    monkeypatch.setattr(module, "AFRESH", 0)
    factory = KernelProvisionerFactory.instance()
    before = factory.default_provisioner_name
    module.prepare()
    yield module
    factory.default_provisioner_name = before
    module.server().communicate()
    module.server.cache_clear()


def said(*code, **options):
    """What the cells `code` print, each run in turn in one kernel."""
    cells = [nbformat.v4.new_code_cell(text) for text in code]
    NotebookClient(nbformat.v4.new_notebook(cells=cells), **options).execute()
    return ["".join(o.get("text", "") for o in cell.outputs).strip() for cell in cells]


@pytest.mark.parametrize("afresh", [0, 1000])
def test_a_kernel_says_nothing_of_the_interrupt_that_ends_it(
    kernels, afresh, monkeypatch, interrupted
):
    """`make book` printed "ERROR | KeyboardInterrupt caught in kernel" now and then."""
    monkeypatch.setattr(kernels, "AFRESH", afresh)
    monkeypatch.setattr(kernels.Provisioner, "started", itertools.count())
    said, process = interrupted()
    assert isinstance(process, kernels.Forked) == (not afresh)
    assert "IPKernelApp" not in said


def test_a_kernel_is_forked_and_is_its_own(kernels, tmp_path, monkeypatch):
    monkeypatch.setenv("RRM_SEEN", "yes")
    where = {"resources": {"metadata": {"path": str(tmp_path)}}}
    ask = "import os, sys; x = 'colorsys' in sys.modules; print(os.getppid(), x, os.getcwd())"
    first = said(ask, "print(os.environ['RRM_SEEN'], __name__)", **where)
    assert first == [f"{kernels.server().pid} True {tmp_path}", "yes __main__"]
    assert said("print('x' in globals(), 'os' in globals())") == ["False False"]


def test_what_a_page_writes_to_the_standard_output_itself_is_no_answer(kernels):
    assert said("import os\nos.write(1, b'7\\n');", "print('on')")[1] == "on"
    assert said("print('and on')") == ["and on"]


def test_a_page_may_wait_for_processes_of_its_own(kernels):
    code = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', '1/0']).returncode)"
    assert said(code)[0].endswith("1")


def test_a_kernel_that_dies_is_noticed(kernels):
    with pytest.raises(DeadKernelError):
        said("import os\nos._exit(3)")
    assert said("print('the next')") == ["the next"]


def test_kernels_of_others_are_started_as_ever(kernels):
    kernels.LAUNCHER = ["another", "-m", "ipykernel_launcher"]
    try:
        assert said("import os; print(os.getppid())") == [str(os.getpid())]
    finally:
        kernels.LAUNCHER = [sys.executable, "-m", "ipykernel_launcher"]


def test_a_build_of_a_page_or_two_imports_no_more_than_they_do(kernels, monkeypatch):
    monkeypatch.setattr(kernels, "AFRESH", 1)
    monkeypatch.setattr(kernels.Provisioner, "started", itertools.count())
    parents = [said("import os; print(os.getppid())") for _ in range(2)]
    assert parents == [[str(os.getpid())], [str(kernels.server().pid)]]


def test_kernels_end_with_the_build_however_it_ends(root):
    command = [sys.executable, "-c", STARTED, str(root / "book/_ext")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as build:
        kernel = int(build.stdout.readline())
        os.kill(kernel, 0)
        build.send_signal(signal.SIGKILL)
    for _ in range(100):
        try:
            os.kill(kernel, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError(f"kernel {kernel} goes on without its build")
