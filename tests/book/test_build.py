"""Building the book on another machine: a slow one builds it too; a page that fails is named."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

PAGE = """---
jupytext:
  formats: md:myst
  text_representation: {{extension: .md, format_name: myst}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

# {title}

A page of the book.

```{{code-cell}} ipython3
print("begun")
```

```{{code-cell}} ipython3
{code}
```
"""


@pytest.fixture
def small(root, tmp_path):
    """``small(pages)``: a folder with the book's own settings and those pages alone."""

    def make(*pages):
        config = yaml.safe_load((root / "_config.yml").read_text())
        config["sphinx"]["local_extensions"] = {"rrm_book": str(root / "book/_ext")}
        (tmp_path / "_config.yml").write_text(yaml.safe_dump(config))
        toc = {"format": "jb-book", "root": pages[0]}
        if pages[1:]:
            toc["chapters"] = [{"file": page} for page in pages[1:]]
        (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
        for folder in ("book", "notebooks"):
            (tmp_path / folder).symlink_to(root / folder)
        return tmp_path

    return make


def build(folder, *options, cores=None):
    """The finished `jupyter-book build` of a folder, on `cores` alone where given."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "-q", *options]
    pin = (lambda: os.sched_setaffinity(0, cores)) if cores else None
    text = {"capture_output": True, "text": True}
    return subprocess.run(command, cwd=folder, timeout=540, preexec_fn=pin, check=False, **text)


def test_a_page_that_fails_leaves_the_others_built_and_is_named(small):
    folder = small("first", "bad", "last")
    for name, code in (("first", "1 + 1"), ("bad", "x = 0\n1 / x"), ("last", "2 + 2")):
        (folder / f"{name}.md").write_text(PAGE.format(title=name, code=code))
    done = build(folder, "--warningiserror", "--keep-going")
    assert done.returncode != 0
    said = done.stderr.strip().splitlines()
    assert said[-2] == "bad: code cell 2 (x = 0): ZeroDivisionError: division by zero"
    assert said[-1].startswith("1 page(s) failed, all others are built. Run the cells")
    for name in ("first", "bad", "last"):
        assert "begun" in (folder / f"_build/html/{name}.html").read_text()


def test_a_chapter_is_built_beside_a_busy_loop_on_the_same_core(small):
    folder = small("notebooks/3_1_decomposition")
    pins = hasattr(os, "sched_setaffinity")  # elsewhere the loop keeps a core of its own busy
    core = {min(os.sched_getaffinity(0))} if pins else None
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        if pins:
            os.sched_setaffinity(busy.pid, core)
        done = build(folder, cores=core)
    finally:
        busy.kill()
        busy.wait()
    assert done.returncode == 0, done.stderr[-2000:]
    page = (folder / "_build/html/notebooks/3_1_decomposition.html").read_text()
    assert page.count('<figure class="rrm-chart"') == 3 and "Traceback" not in page
    assert (folder / "_build/html/_static/rrm/rows/hrm-9x9-brief.js").exists()


KILLS = int(os.environ.get("RRM_KILLS", 3))
KILLED = (
    ("first", "last") if KILLS < 10 else ("first", "notebooks/3_3_early_window")
)  # many: by hand


def pages_of(folder):
    """{name: bytes} of what a reader opens, less what is dated or numbered anew by each build."""
    built = folder / "_build/html"
    names = {".html", ".js", ".css", ".png", ".json"}
    found = {p.relative_to(built).as_posix(): p for p in built.rglob("*") if p.suffix in names}
    return {name: path.read_bytes() for name, path in found.items() if "searchindex" not in name}


def differing(found, expected):
    return sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))


@pytest.mark.timeout(3600)
def test_a_build_killed_at_any_moment_ends_as_if_nothing_had_been(small):
    folder, rng = small(*KILLED), random.Random(7)
    for name in ("first", "last"):
        (folder / f"{name}.md").write_text(PAGE.format(title=name, code="1 + 1"))
    began = time.monotonic()
    assert build(folder).returncode == 0
    took, whole = time.monotonic() - began, pages_of(folder)
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "-q"]
    landed, finished = 0, 0
    shutil.rmtree(folder / "_build")
    while landed < KILLS:
        work = subprocess.Popen(
            command, cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            work.wait(rng.uniform(0, 1.5 * took))
            finished += 1
            assert (work.returncode, differing(pages_of(folder), whole)) == (0, [])
            shutil.rmtree(folder / "_build")
        except subprocess.TimeoutExpired:
            os.killpg(work.pid, signal.SIGKILL)
            work.wait()
            landed += 1
    done = build(folder)
    assert done.returncode == 0, done.stderr[-2000:]
    print({"kills": landed, "finished between": finished, "seconds a build": round(took, 1)})
    assert differing(pages_of(folder), whole) == []
