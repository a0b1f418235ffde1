"""What the tests share: shipped runs, one small trained model, the built book in a browser."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)  # without a window: half the work
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


LONGEST = [  # files of a minute and more, the built book's and another first: no process ends alone
    "book/test_book.py",
    "book/test_edges.py",
    "book/test_fuzz.py",
    "book/test_build.py",
    "book/test_viewer.py",
    "book/test_situations.py",
    "store/test_kills.py",
    "book/test_chapters.py",
]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """The long files first; two processes share out the files in this order."""
    rank = {ROOT / "tests" / name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def runs():
    """The shipped runs, by name."""
    from rrm_core.runs.tables import load_runs

    found = load_runs()
    assert found, "no run in data/runs"
    return found


@pytest.fixture(scope="session", params=["trm-6x6", "hrm-6x6"])
def run(request, runs):
    return runs[request.param]


@pytest.fixture(scope="session")
def smoke_training(tmp_path_factory):
    """A folder with a smoke training of one cycle: seconds, some puzzles solved, some not."""
    import torch

    from rrm_core.training import recipes
    from rrm_core.training.trainer import Trainer

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("smoke")
    config, recipe = recipes.preset("smoke")
    Trainer(replace(config, H_cycles=1), recipe, folder).run(progress=False)
    return folder


@pytest.fixture
def data_copy(tmp_path, monkeypatch, root):
    """A data folder of its own with the puzzle sets and no runs; $RRM_DATA points at it."""
    folder = tmp_path / "data"
    (folder / "runs").mkdir(parents=True)
    shutil.copytree(root / "data" / "puzzles", folder / "puzzles")
    shutil.copytree(root / "data" / "published", folder / "published")
    shutil.copy(root / "data" / "MANIFEST", folder / "MANIFEST")
    monkeypatch.setenv("RRM_DATA", str(folder))
    return folder


@pytest.fixture
def rrm(capsys, monkeypatch):
    """``rrm(*arguments)``: (exit status, stdout, stderr) of a command, run in this process."""

    def command(*arguments):
        from rrm_core import cli

        status = 0
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["rrm", *map(str, arguments)])
            try:
                cli.main()
            except SystemExit as stop:
                status = stop.code or 0
        out = capsys.readouterr()
        return status, out.out, out.err

    return command


@pytest.fixture
def interrupted(capfd):
    """``interrupted(**options)``: what is on stderr of a kernel after 100 interrupts, and itself.

    Some come between two cells, as jupyter_client 8.10 sends one before it asks a kernel to stop.
    """
    from jupyter_client.manager import start_new_kernel

    def asked(**options):
        for _ in range(10):  # now and then an interrupt ends a busy kernel: that one is not asked
            manager, client = start_new_kernel(**options)
            process = manager.provisioner.process
            with contextlib.suppress(OSError):  # it has ended
                for i in range(100):
                    client.execute("1")
                    time.sleep(0.001 * (i % 17))
                    manager.interrupt_kernel()
                time.sleep(0.2)
            lives = manager.is_alive()
            client.stop_channels()
            with contextlib.suppress(OSError):
                manager.shutdown_kernel()
            said = capfd.readouterr().err
            if lives:
                return said, process
        raise AssertionError("no kernel lived through its interrupts")

    return asked


@pytest.fixture(scope="session")
def book(root, tmp_path_factory, worker_id):
    """The folder of the built book, built once as `make book` builds it, by whoever is first.

    With ``RRM_BUILT=1`` that which is there is taken as it is.
    """
    if os.environ.get("RRM_BUILT"):
        return root / "_build" / "html"
    if worker_id == "master":  # one process
        return built(root)
    shared = tmp_path_factory.getbasetemp().parent  # of all processes of this call
    with open(shared / "book.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shared / "book.failed").exists() and not (shared / "book.built").exists():
            (shared / "book.failed").touch()
            built(root)
            (shared / "book.failed").rename(shared / "book.built")
    assert (shared / "book.built").exists(), "the book could not be built; see the other process"
    return root / "_build" / "html"


def built(root):
    """Build the book; its folder."""
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        ".",
        "--all",
        "--warningiserror",
        "--keep-going",
        "-q",
    ]
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        env=os.environ | {"RRM_PUBLISH": "1"},
        timeout=1_200,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return root / "_build" / "html"


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import sync_playwright

    assert CHROMIUM, f"none of {', '.join(BROWSERS)} is there: install one, or `make test` as root"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        found.new_context = patient(found.new_context)
        yield found
        found.close()


def patient(new_context):
    """Contexts whose waits are long: a busy machine is slow, not wrong."""

    def opened(**options):
        context = new_context(**options)
        context.set_default_timeout(120_000)  # ms
        return context

    return opened


@pytest.fixture(scope="session")
def offline(browser):
    """``offline()``: a page without a network that remembers complaints in ``page.complaints``."""

    def opened():
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        found = context.new_page()
        found.complaints = []
        found.on(
            "console", lambda m: m.type in ("error", "warning") and found.complaints.append(m.text)
        )
        found.on("pageerror", lambda e: found.complaints.append(str(e)))

        def refuse(route):
            found.complaints.append(f"outside request: {route.request.url}")
            route.abort()

        context.route(lambda url: not url.startswith(("file:", "data:", "blob:", "about:")), refuse)
        return found

    return opened


@pytest.fixture
def page(offline):
    """A page for one test, as ``offline`` opens it."""
    found = offline()
    yield found
    found.context.close()


@pytest.fixture(scope="session")
def count_solutions():
    """(puzzle, limit = 2) -> its solutions, up to `limit`; none where it breaks the rules."""
    import numpy as np

    from rrm_core.sudoku import board, kernels

    def count(puzzle, limit=2):
        rules, state = board.geometry(board.side_of(puzzle)), np.zeros(1, np.uint64)
        return kernels.search(puzzle, *rules, True, limit, state, False, *board.FREE)[0]

    return count
