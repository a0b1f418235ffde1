"""The sweep on the smoke model: nothing runs twice, a parameter re-runs what depends on it.

Needs Snakemake 9 (extra ``sweep``), or RRM_SNAKEMAKE naming its executable; otherwise skipped.
Minutes, not seconds: a training, five jobs of measuring, three chapters.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BESIDE = Path(sys.executable).with_name("snakemake")
SNAKEMAKE = os.environ.get("RRM_SNAKEMAKE") or (str(BESIDE) if BESIDE.exists() else None)


NEEDS = pytest.mark.skipif(
    not SNAKEMAKE,
    reason="Snakemake is not installed: pip install -e .[sweep], or set RRM_SNAKEMAKE",
)


class Failed(AssertionError):
    """A job that failed; the end of what Snakemake said."""


@pytest.fixture
def checkout(tmp_path, root):
    """What the workflow needs of a checkout."""
    for name in ("workflow", "notebooks", "data/published"):
        shutil.copytree(root / name, tmp_path / name)
    (tmp_path / "data" / "puzzles").mkdir()
    for path in [root / "data" / "MANIFEST", *(root / "data" / "puzzles").glob("4x4-*")]:
        shutil.copy(path, tmp_path / path.relative_to(root))
    return tmp_path


@pytest.fixture
def snakemake(checkout, root):
    """``snakemake(*options)``: {rule: number of jobs} of a call; raises when a job fails."""

    def call(*options):
        env = {k: v for k, v in os.environ.items() if k != "RRM_DATA"} | {
            "PYTHONPATH": str(root),
            "PATH": f"{Path(SNAKEMAKE).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            [SNAKEMAKE, "-c", "2", *options, "--config", f"python={sys.executable}"],
            cwd=checkout,
            env=env,
            capture_output=True,
            text=True,
            timeout=580,
            check=False,
        )
        text = done.stdout + done.stderr
        if done.returncode:
            raise Failed(text[-3000:])
        stats = text.split("Job stats:")[1].split("\n\n")[0] if "Job stats:" in text else ""
        jobs = {
            name: int(n)
            for name, n in re.findall(r"^(\w+) +(\d+)$", stats, re.M)
            if name not in ("all", "total")
        }
        assert jobs or "Nothing to be done" in text
        return jobs

    return call


@NEEDS
@pytest.mark.timeout(1800)
def test_the_sweep_runs_what_is_missing_and_nothing_else(snakemake, checkout):
    config = checkout / "workflow" / "config.yaml"
    assert snakemake() == {"train": 2, "measure": 4, "chapter": 2}
    assert snakemake() == {}
    run = checkout / "data" / "runs" / "smoke-s0-000080" / "run.json"
    before = run.stat().st_mtime_ns
    (checkout / "sweep" / "measured" / "smoke-s0-000080" / "1").unlink()
    assert snakemake() == {"measure": 1, "chapter": 1}  # that share, and what is made of it
    assert run.stat().st_mtime_ns == before, "a run that is there is not made again"
    assert snakemake() == {}
    text = config.read_text()
    config.write_text(text.replace("decomposition: {}", "decomposition: {trm: smoke-s0-000080}"))
    assert snakemake("-n") == {"chapter": 1}
    config.write_text(text.replace("k: 2", "k: 3"))
    assert snakemake("-n") == {"measure": 4, "chapter": 2}
    config.write_text(text.replace("steps: [80, 120]", "steps: [80, 120, 130]"))
    assert snakemake("-n") == {"train": 1, "measure": 2, "chapter": 1}


@NEEDS
@pytest.mark.timeout(600)
def test_a_chapter_that_stops_leaves_its_notebook_with_the_traceback(snakemake, checkout):
    for i in (0, 1):  # as if both runs were measured
        for run in ("smoke-s0-000080", "smoke-s0-000120"):
            (checkout / "sweep" / "measured" / run).mkdir(parents=True, exist_ok=True)
            (checkout / "sweep" / "measured" / run / str(i)).touch()
    name = "3_1_decomposition-smoke-s0-000080.ipynb"
    with pytest.raises(Failed, match=f"sweep/chapters/stopped/{name} shows where"):
        snakemake(f"sweep/chapters/{name}", "--allowed-rules", "chapter")
    assert not (checkout / "sweep" / "chapters" / name).exists()
    stopped = (checkout / "sweep" / "chapters" / "stopped" / name).read_text()
    assert "unknown run 'smoke-s0-000080'" in stopped and "ValueError" in stopped


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_profiles_are_whole(profile, root):
    import yaml

    folder = root / "workflow" / "profiles"
    found = yaml.safe_load((folder / profile / "config.yaml").read_text())
    if profile == "default":
        assert found["rerun-triggers"] == ["mtime", "params", "input"]
    else:
        assert found["executor"] == profile and found["default-resources"]["mem_mb"] >= 2000
