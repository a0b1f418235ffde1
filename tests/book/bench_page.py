"""Timings of the page in Chromium. On a busy machine they are pessimistic.

python tests/book/bench_page.py [--moves 300]: how long the explorer takes from a move of its slider to the painted frame, one JSON line with
median and 95th percentile in ms. Two runs of 8,192 rows each, made by repeating the rows of a shipped run: a LOAD FOR TIMING ONLY,
written to a temporary folder and never shown as a measurement.

python tests/book/bench_page.py --book _build/html: for every chapter, opened from disk in a fresh browser context, the time from the start of
the navigation to the first painted chart that answers the mouse, and the size of the page without shared scripts and blocks on demand.
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
from rrm_companion import pagedata, widgets
from rrm_companion.kernel import COMPONENTS, STYLES

from rrm_core.runs import tables

ROWS = 8192
TIMING = """async (moves) => {
    const box = document.querySelector('.rrm-explorer'), slider = box.querySelector('input[type=range]'), frames = [], handlers = [];
    const low = Number(slider.min), high = Number(slider.max);
    const painted = () => new Promise((done) => requestAnimationFrame(() => { const c = new MessageChannel(); c.port1.onmessage = () => done(performance.now()); c.port2.postMessage(0); }));
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


def load(name: str, label: str) -> tables.Run:
    """`ROWS` rows by repeating those of run `name`; labelled as what it is."""
    run = tables.load_run(name)
    table = (
        pd.concat([run.table] * -(-ROWS // len(run.table)), ignore_index=True)
        .head(ROWS)
        .assign(idx=np.arange(ROWS))
    )
    return tables.Run(label, run.meta, table)


FIRST = """() => new Promise((done) => {
    const look = () => document.querySelector('figure.rrm-chart[data-live=yes], .rrm-explorer[data-live=yes], .rrm-viewer[data-live=yes]')
        ? requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now()))) : setTimeout(look, 4);
    look();
})"""


def chapters(book: Path, rounds: int = 5) -> None:
    """Print a table: ms to the first live chart (median and largest of `rounds`) and kB of every chapter."""
    print("| chapter | first chart, ms | largest | page, kB |\n|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for path in sorted((book.resolve() / "notebooks").glob("*.html")):
            took = []
            for _ in range(rounds):
                context = browser.new_context(viewport={"width": 1280, "height": 900})
                page = context.new_page()
                page.goto(path.as_uri(), wait_until="commit")
                took.append(
                    page.evaluate(FIRST)
                )  # performance.now() counts from the start of the navigation
                context.close()
            print(
                f"| {path.stem} | {statistics.median(took):.0f} | {max(took):.0f} | {path.stat().st_size / 1000:.0f} |"
            )
        browser.close()


def slider(moves: int) -> None:
    """Print the JSON line of the explorer's slider."""
    os.environ["RRM_PUBLISH"] = "1"
    runs = [load("trm-6x6", "timing-load-1"), load("hrm-6x6", "timing-load-2")]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        static = Path(folder) / "_static" / "rrm"
        (static / "rows").mkdir(parents=True)
        for name in (*COMPONENTS, *STYLES):
            (static / name).write_text(
                (Path(widgets.__file__).parent / "static" / name).read_text()
            )
        for run in runs:
            (static / "rows" / f"{run.name}.js").write_text(pagedata.rows_script(run))
        head = "".join(f'<script src="_static/rrm/{n}"></script>' for n in COMPONENTS) + "".join(
            f'<link rel="stylesheet" href="_static/rrm/{n}">' for n in STYLES
        )
        page_file = Path(folder) / "index.html"
        page_file.write_text(
            f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}</head><body style="max-width:760px">{widgets.explorer(runs).html}</body></html>'
        )
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(page_file.as_uri())
        page.wait_for_selector(".rrm-explorer[data-live=yes]", timeout=60_000)
        page.evaluate(TIMING, 30)  # warm
        found = page.evaluate(TIMING, moves)
        browser.close()
    result = {
        what: {
            "median": round(float(np.median(v)), 1),
            "p95": round(float(np.quantile(v, 0.95)), 1),
        }
        for what, v in found.items()
    }
    print(
        json.dumps(
            {
                "what": "slider move to painted frame, ms",
                "rows": [ROWS, ROWS],
                "moves": moves,
                "load_average": round(os.getloadavg()[0], 1),
                **result,
            }
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--moves", type=int, default=300)
    parser.add_argument("--book", type=Path)
    options = parser.parse_args()
    chapters(options.book) if options.book else slider(options.moves)
