"""Every chapter runs on a run at an edge, and says where it has nothing to say.

One of three layouts for each edge and chapter, so that each edge and each chapter meets all of
them; all three with ``RRM_EDGES=all``.
"""

import importlib.util
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import vl_convert
from rrm_companion import charts, embed, pagedata, show

from rrm_core.analysis import stats
from rrm_core.runs import tables

spec = importlib.util.spec_from_file_location("edges", Path(__file__).with_name("edges.py"))
edges = importlib.util.module_from_spec(spec)
spec.loader.exec_module(edges)

LAYOUTS = ("hrm", "trm", "hrm trm")  # the slots that hold the edge run; the other is empty
CHAPTERS = ("2_setup", "3_1_decomposition", "3_2_controls", "3_3_early_window", "3_4_training")
CHAPTERS += ("4_prior_accounts", "5_implications")
CASES = [
    (kind, name, layout)
    for i, kind in enumerate(edges.KINDS)
    for j, name in enumerate(CHAPTERS)
    for k, layout in enumerate(LAYOUTS)
    if os.environ.get("RRM_EDGES") == "all" or (i + j) % 3 == k
]
HIDDEN = re.compile(r"<script.*?</script>|<style.*?</style>|data:image/[^\"]*|<[^>]*>", re.S)


@pytest.fixture(scope="module")
def made_up(root, tmp_path_factory):
    """A data folder with a made-up run of every kind for each slot and no run of the book."""
    data, patch = tmp_path_factory.mktemp("edges") / "data", pytest.MonkeyPatch()
    (data / "runs").mkdir(parents=True)
    for name in ("puzzles", "published"):
        shutil.copytree(root / "data" / name, data / name)
    patch.setenv("RRM_DATA", str(data))
    patch.setenv("RRM_PUBLISH", "1")  # scripts do not travel with every output
    patch.setattr(stats, "RESAMPLES", 200)  # nobody reads these intervals
    stats.counts.cache_clear()
    patch.setattr(charts, "picture", drawn)
    for kind in edges.KINDS:
        for model in edges.UPDATES:
            edges.write_run(data, kind, model)
    yield data
    patch.undo()
    stats.counts.cache_clear()


def drawn(spec):
    """A chart drawn once, in place of both pictures of it; what Vega cannot read is an error."""
    assert "<svg" in vl_convert.vegalite_to_svg(spec)
    return pd.DataFrame({"png": [bytes(24)], "tall": [1.0]})


def name_of(kind, model):
    return f"{model}-{kind.replace(' ', '-')}"


@pytest.mark.parametrize(("kind", "name", "layout"), CASES)
def test_a_chapter_runs_on_a_run_at_an_edge(kind, name, layout, made_up, root, monkeypatch):
    slots = {m: name_of(kind, m) if m in layout.split() else "" for m in edges.UPDATES}
    outputs = edges.execute(root / "notebooks" / f"{name}.md", slots, monkeypatch)
    assert len(outputs) > 5
    said = HIDDEN.sub(" ", edges.text_of(outputs))
    wrong = re.findall(r".{0,60}\b(?:nan|NaN|inf|None|NaT)\b.{0,40}", said)
    assert not wrong, wrong


@pytest.mark.parametrize("kind", ["none solved", "all solved", "one hump"])
def test_the_chapter_on_training_runs_on_checkpoints_at_an_edge(kind, made_up, root, monkeypatch):
    """It stopped with an IndexError where no checkpoint had puzzles of each outcome."""
    name = name_of(kind, "trm")
    table = tables.load_run(name).table
    studies = made_up / "runs" / name / "studies"
    steps = pd.concat([table.assign(step=step) for step in (100, 200)], ignore_index=True)
    tables.write(steps, studies / "evolution.parquet")
    slots = {"hrm": "", "trm": name}
    outputs = edges.execute(root / "notebooks" / "3_4_training.md", slots, monkeypatch)
    shutil.rmtree(studies)
    said = HIDDEN.sub(" ", edges.text_of(outputs))
    assert not re.findall(r".{0,60}\b(?:nan|NaN|inf|None|NaT)\b.{0,40}", said)
    assert ("no checkpoint has five puzzles of each outcome" in said) == (kind != "one hump")


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("all solved", "it solves all of 96"),
        ("none solved", "it solves none of 96"),
        ("one hump", "it has no settled band (late drift is not bimodal; 5% of the"),
        ("one drift", "it has no settled band (late drift takes fewer than two values; 5% of"),
        ("no exponents", "it was measured without exponents (k = 0)"),
        ("one puzzle", "1 puzzles are few"),
        ("no halting head", "its model never halts"),
        ("ordinary", "no `rrm study long --run hrm-ordinary` yet"),
    ],
)
def test_a_page_says_first_what_it_cannot_show(kind, why, made_up):
    lines = show.remarks(show.chosen(name_of(kind, "hrm"), ""))
    assert why in lines[-1] and lines[-1].startswith(f"- **HRM**, the run `{name_of(kind, 'hrm')}`")


def test_the_shipped_runs_need_no_remark(root, monkeypatch):
    monkeypatch.setenv("RRM_DATA", str(root / "data"))
    assert show.remarks(show.chosen(show.HRM, show.TRM)) == []


def test_a_number_of_nothing_reads_as_a_dash_and_is_explained():
    nan = float("nan")
    text = embed.say(f"It grows by {nan:+.2f}, {nan:.0%} of them, in a nanosecond.").data
    assert text.startswith("It grows by –, – of them, in a nanosecond.\n\n*–: this run has nothing")
    assert embed.say("All is well.").data == "All is well."
    assert embed.say("-0.2 [-1, 0] in hrm-6x6, 1e-5").data == "−0.2 [−1, 0] in hrm-6x6, 1e-5"


@pytest.mark.parametrize("kind", edges.KINDS)
def test_what_the_components_read_holds_no_zero_for_what_was_not_measured(kind, made_up):
    run = show.chosen("", name_of(kind, "trm"))["TRM"]
    rows = pagedata.rows(run)
    assert embed.as_json(rows)
    first = pagedata.blocks(run)[0][0]
    unmeasured = {v is None for v in [*rows["lambda_1"], *first["growth"]]}
    assert unmeasured == {kind == "no exponents"}
    assert np.isfinite(first["drift"]).all()


def test_a_run_without_exponents_keeps_its_table_on_disk(made_up):
    name = name_of("no exponents", "hrm")
    assert "lambda_1" in show.chosen(name, "")["HRM"].table
    assert "lambda_1" not in tables.load_run(name).table


def test_a_page_on_other_runs_says_whose_its_conclusions_are(root, monkeypatch):
    monkeypatch.setenv("RRM_DATA", str(root / "data"))
    for hrm, trm, others in (
        (show.HRM, show.TRM, False),
        ("", show.TRM, False),
        (show.HRM, "trm-6x6", True),
        ("hrm-6x6", "", True),
    ):
        assert (show.OTHERS in show.remarks(show.chosen(hrm, trm))) == others
