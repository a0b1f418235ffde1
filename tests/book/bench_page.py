"""Timings of the page in Chromium; on a busy machine they are pessimistic.

PYTHONPATH=tests python tests/book/bench_page.py [--moves 300]: from a move of the explorer's slider
to the painted frame, one JSON line in ms. Two runs of 8,192 rows, made by repeating the rows of a
shipped run: a LOAD FOR TIMING ONLY, in a temporary folder, never shown as a measurement.

python tests/book/bench_page.py --book _build/html: for every chapter, from the start of the
navigation to the first chart that answers the mouse, and the size of the page without scripts.

python tests/book/bench_page.py --phone _build/html: on a screen of 390 pixels at a sixth of the
speed, the first live part, and from a move of its slider to the painted frame.
"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from conftest import CHROMIUM, FLAGS
from playwright.sync_api import sync_playwright
from rrm_companion import embed, pagedata, widgets

from rrm_core.runs import tables

ROWS = 8192
THRESHOLD = ".rrm-explorer input[aria-label^=threshold]"
SLIDERS = {  # page: the slider that a reader moves first
    "book/index.html": ".rrm-motion input[type=range]",
    "notebooks/2_setup.html": THRESHOLD,
    "notebooks/3_1_decomposition.html": THRESHOLD,
    "book/playground.html": ".rrm-playground input[type=range]",
}
TIMING = """async ([moves, where]) => {
    const slider = document.querySelector(where);
    const low = Number(slider.min), high = Number(slider.max), frames = [], handlers = [];
    const painted = () => new Promise((done) => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => done(performance.now());
        channel.port2.postMessage(0);
    }));
    for (let k = 0; k < moves; k++) {
        const start = performance.now();
        slider.value = low + (high - low) * (0.5 + 0.45 * Math.sin(k / 9));
        slider.dispatchEvent(new Event('input'));
        handlers.push(performance.now() - start);
        frames.push(await painted() - start);
        await new Promise((done) => setTimeout(done, 5 + (k * 7) % 23));
    }
    return {frames, handlers};
}"""
FIRST = """window.first = new Promise((done) => {
    const live = ':is(.rrm-chart, .rrm-explorer, .rrm-motion, .rrm-playground)[data-live=yes]';
    const painted = (then) => requestAnimationFrame(() => requestAnimationFrame(then));
    const watch = new MutationObserver(look);
    watch.observe(document, {subtree: true, childList: true, attributeFilter: ['data-live']});
    function look() {
        if (!document.querySelector(live)) return;
        watch.disconnect();
        painted(() => done(performance.now()));
    }
    look();
});"""


def load(name: str, label: str) -> tables.Run:
    """`ROWS` rows by repeating those of run `name`; labelled as what it is."""
    run = tables.load_run(name)
    table = pd.concat([run.table] * -(-ROWS // len(run.table)), ignore_index=True).head(ROWS)
    return tables.Run(label, run.meta, table.assign(idx=np.arange(ROWS)))


def chapters(book: Path, rounds: int = 5) -> None:
    """Print ms to the first live chart (median and largest of `rounds`) and kB of each chapter."""
    print("| chapter | first chart, ms | largest | page, kB |\n|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for path in sorted((book.resolve() / "notebooks").glob("*.html")):
            took = []
            for _ in range(rounds):
                page = browser.new_context().new_page()
                page.add_init_script(FIRST)
                page.wait_for_timeout(1500)  # the browser starts its own windows
                page.goto(path.as_uri(), wait_until="commit")
                took.append(page.evaluate("first"))  # counts from the start of the navigation
                page.context.close()
            size = path.stat().st_size / 1000
            print(f"| {path.stem} | {statistics.median(took):.0f} | {max(took):.0f} | {size:.0f} |")
        browser.close()


def phone(book: Path, moves: int = 60) -> None:
    """Print, for the pages with a slider, ms to the first live part and ms a move."""
    print("| page | usable, ms | a move, median | p95 |\n|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, slider in SLIDERS.items():
            page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
            slow = page.context.new_cdp_session(page)
            slow.send("Emulation.setCPUThrottlingRate", {"rate": 6})
            page.add_init_script(FIRST)
            page.goto((book.resolve() / name).as_uri(), wait_until="commit")
            usable = page.evaluate("first")
            page.wait_for_load_state("load")
            page.wait_for_timeout(3000)
            page.locator(slider).first.scroll_into_view_if_needed()
            ms = page.evaluate(TIMING, [moves, slider])["frames"]
            middle, high = np.median(ms), np.quantile(ms, 0.95)
            print(f"| {name} | {usable:.0f} | {middle:.0f} | {high:.0f} |")
            page.context.close()
        browser.close()


def write_page(folder: Path) -> Path:
    """A page with the explorer of two large runs, its scripts and rows beside it."""
    os.environ["RRM_PUBLISH"] = "1"
    pagedata.fates.study = lambda run, name: None  # a load has neither studies nor boards
    pagedata.last_boards = lambda run, rows: [["." * 36, "1" * 36, "2" * 36]] * len(rows)
    runs = {f"load {n}": load(n, f"load-{n}") for n in ("trm-6x6", "hrm-6x6")}
    static = folder / "_static" / "rrm"
    widgets.write_static(static)
    (static / "rows").mkdir()
    for run in runs.values():
        (static / "rows" / f"{run.name}.js").write_text(pagedata.rows_script(run))
    head = [f'<script src="_static/rrm/{n}"></script>' for n in embed.COMPONENTS]
    head += [f'<link rel="stylesheet" href="_static/rrm/{n}">' for n in embed.STYLES]
    body = f'<body style="max-width: 760px">{widgets.explorer(runs).html}</body>'
    page = folder / "index.html"
    page.write_text(f'<!doctype html><meta charset="utf-8">{"".join(head)}{body}')
    return page


def slider(moves: int) -> None:
    """Print the JSON line of the explorer's slider."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(write_page(Path(folder)).as_uri())
        page.wait_for_selector(".rrm-explorer[data-live=yes]", timeout=60_000)
        page.evaluate(TIMING, [30, THRESHOLD])  # warm
        found = page.evaluate(TIMING, [moves, THRESHOLD])
        browser.close()
    out = {"what": "slider move to painted frame, ms", "rows": [ROWS, ROWS], "moves": moves}
    for what, ms in found.items():
        out[what] = {"median": round(np.median(ms), 1), "p95": round(np.quantile(ms, 0.95), 1)}
    print(json.dumps(out | {"load_average": round(os.getloadavg()[0], 1)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--moves", type=int, default=300)
    parser.add_argument("--book", type=Path)
    parser.add_argument("--phone", type=Path)
    options = parser.parse_args()
    if options.book or options.phone:
        chapters(options.book) if options.book else phone(options.phone)
    else:
        slider(options.moves)
