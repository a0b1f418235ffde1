"""The components inside JupyterLab, with a kernel: what a slider moves comes back from Python."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from rrm_companion import kernel, playground, show

from rrm_core.analysis import cells

CODE = """from rrm_companion import kernel, show
kernel.live(show.models("hrm-6x6", "trm-6x6"))"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab of its own over a folder with a notebook for each component."""
    tmp_path = tmp_path_factory.mktemp("lab")
    codes = {
        "explorer": CODE,
        "playground": "from rrm_companion import playground\nplayground.live('linear')",
        "sent": "from rrm_companion import embed\nprint('sent', embed.unsent(['a file']))",
    }
    for name, code in codes.items():
        book = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(code)],
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
        )
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        f"JUPYTER_{what}_DIR": str(tmp_path / ".jupyter" / what.lower())
        for what in ("CONFIG", "DATA", "RUNTIME")
    }
    environment = (
        {k: v for k, v in os.environ.items() if k != "RRM_PUBLISH"}
        | own
        | {"JUPYTERLAB_SETTINGS_DIR": str(tmp_path / ".jupyter" / "settings")}
    )
    options = [
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
    ]
    log = (tmp_path / "lab.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            assert server.poll() is None, (tmp_path / "lab.log").read_text()[-2000:]
            try:
                urllib.request.urlopen(address + "/api", timeout=1)
                break
            except OSError:
                time.sleep(0.25)
        yield address
    finally:
        server.terminate()
        server.wait(20)
        log.close()


@pytest.fixture
def opened(lab, browser):
    """``opened(name)``: a notebook in JupyterLab after Run All Cells, with its server alone."""
    context = browser.new_context(viewport={"width": 1500, "height": 1200})
    context.route(
        lambda url: not url.startswith((lab, lab.replace("http", "ws"), "data:", "blob:")),
        lambda route: route.abort(),
    )

    def open_(name):
        page = context.new_page()
        page.goto(f"{lab}/lab/tree/{name}.ipynb?reset")
        page.locator(".jp-NotebookPanel .jp-CodeCell").first.wait_for()
        page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(
            timeout=120_000
        )  # the status bar; before, Run does nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        return page

    yield open_
    context.close()


def test_the_explorer_asks_python(opened, runs):
    page, run = opened("explorer"), runs["hrm-6x6"]
    page.locator(".rrm-explorer td.rrm-A b").wait_for()
    values = cells.late_drift(run.table)
    for quantile in (0.1, 0.45):
        threshold = float(f"{values.min() + quantile * (values.max() - values.min()):.4f}")
        box = page.get_by_label("threshold, typed")
        box.fill(str(threshold))
        box.press("Enter")
        assert {
            c: int(page.locator(f".rrm-explorer td.rrm-{c} b").inner_text()) for c in "ABCD"
        } == cells.count(cells.assign(values, run.table.correct, threshold))
        page.get_by_text(re.compile(re.escape(f"late drift < {threshold:.4f}"))).wait_for(
            timeout=60_000
        )
        told = page.locator(".jp-OutputArea table.rrm-table").inner_text()
        for estimate in kernel.summary(run, threshold).estimate:
            assert show.cell(estimate, 3) in told
    page.get_by_label("model", exact=True).select_option("trm-6x6")
    told = "TRM, recomputed at log10"
    page.locator(".jp-OutputArea").filter(has_text=told).first.wait_for()


def test_the_playground_asks_python_for_every_exponent(opened):
    page = opened("playground")
    page.get_by_role("button", name="shear, both shrink").wait_for()
    page.get_by_role("button", name="shear, both shrink").click()
    for steps in (16, 128):
        page.get_by_role("button", name=f"{steps} steps").click()
        page.get_by_text(f"recomputed by rrm_core.dynamics.exponents at T = {steps}").wait_for(
            timeout=60_000
        )
        state = page.evaluate("document.querySelector('.rrm-playground').playground.state")
        for row in playground.summary(state):
            page.locator(".jp-OutputArea").get_by_text(row["value"]).first.wait_for()
        assert (
            f"{playground.linear_exact(steps, state['angle'], **state['values']):.3f}".replace(
                "-", "−"
            )
            in page.locator(".rrm-playground .rrm-status").inner_text()
        )


def test_a_cell_that_runs_again_sends_again_what_its_output_had(opened):
    """JupyterLab names the cell that runs; its old output is gone, with what it had carried."""
    page = opened("sent")
    output = page.locator(".jp-OutputArea-output")
    output.get_by_text("sent ['a file']").wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.locator(".jp-InputPrompt", has_text="[2]").wait_for()
    output.get_by_text("sent ['a file']").wait_for()
