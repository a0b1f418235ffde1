"""Studies on a small run: what each measures, resuming, refusals."""

import contextlib
import gzip
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from rrm_core import studies
from rrm_core.analysis import cells
from rrm_core.models.config import Config
from rrm_core.models.recursive import RecursiveModel
from rrm_core.runs import folder, measure, tables
from rrm_core.runs.folder import Settings
from rrm_core.store import paths
from rrm_core.store.files import sha256
from rrm_core.studies import (
    elsewhere,
    fates,
    frames,
    long,
    multi4,
    numerics,
    precision,
    recurrence,
    restarts,
)
from rrm_core.sudoku import sets

SMALL = {
    long: {"HORIZON": 32},
    fates: {"MARKS": (16, 32)},
    restarts: {"PUZZLES": 8, "RESTARTS": 2},
    precision: {"VARIANTS": {"bfloat16": ("bfloat16", 8, 8), "float32, alone": ("float32", 1, 4)}},
    numerics: {"PUZZLES": 8},
    frames: {"EACH": 4},
    multi4: {"STEPS": 4, "EVERY": 2, "PUZZLES": 8},
}


@pytest.fixture(scope="module")
def measured(smoke_training, tmp_path_factory):
    """A measured run of the smoke model with two kept checkpoints."""
    out, settings = tmp_path_factory.mktemp("measured") / "small", Settings("4x4-test", 24, k=2)
    folder.make(smoke_training / "checkpoints" / "step_000120", out, settings)
    folder.keep_checkpoints(smoke_training, out, 2)
    return out


@pytest.fixture
def small(data_copy, measured, monkeypatch):
    """A copy of the measured run, to be changed; studies cut down to seconds."""
    out = Path(shutil.copytree(measured, data_copy / "runs" / "small"))
    for module, values in SMALL.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)
    return out


def made(small, name):
    """(table, run) of a study of the small run."""
    parquet, note, _ = studies.run(name, "small")
    found, run = tables.read(parquet), tables.load_run("small")
    record = json.loads(note.read_text())
    assert record["rows"] == len(found) and record["weights"] == tables.weights_digest(run.meta)
    assert record["of"]["puzzles"] == "4x4-test" and record["of"]["seed"] == run.meta["seed"]
    assert not (small / "parts").exists() or not any((small / "parts").iterdir())
    return found, run


def test_evolution_measures_each_checkpoint_and_the_run_itself(small):
    found, run = made(small, "evolution")
    assert sorted(found.step.unique()) == [80, 120]
    own = found[found.step == run.meta["step"]].set_index("idx")
    assert (own.correct == run.table.set_index("idx").correct.loc[own.index]).mean() > 0.9


def test_rounding_is_each_checkpoint_in_bfloat16(small):
    found, run = made(small, "rounding")
    assert sorted(found.step.unique()) == [80, 120] and list(found.idx[:24]) == list(run.table.idx)
    boards, rounded = sets.boards(run.table)[0], {}
    for step, home in ((80, small / "checkpoints" / "step_000080"), (120, small)):
        for dtype in ("bfloat16", "float32"):
            drift = measure.rolled(folder.load(home, dtype), boards, k=0)["drift_h"]
            rounded[dtype] = tables.late(drift)
        part = found[found.step == step]
        assert np.allclose(part.late, rounded["bfloat16"])
        assert not np.allclose(part.late, rounded["float32"])


def test_long_rollouts_begin_as_the_run_did_and_end_later(small):
    found, run = made(small, "long")
    assert len(found) == len(run.table)
    assert [c for c in found if c.startswith("late")] == [f"late_{t:03d}" for t in range(4, 33, 4)]
    same = found.set_index("idx").correct_016 == run.table.set_index("idx").correct.loc[found.idx]
    assert same.mean() > 0.9
    assert ((found.solved_at > 0) | ~found.correct_032).all()


def test_fates_follow_the_failures_of_each_checkpoint(small):
    with pytest.raises(studies.StudyError, match="no study evolution; `rrm study evolution --run"):
        studies.run("fates", "small")
    evolved, _ = made(small, "evolution")
    tables.write(evolved[evolved.step != 80], small / "studies" / "evolution.parquet")
    with pytest.raises(studies.StudyError, match="step 80 is not in its study evolution"):
        studies.run("fates", "small")
    tables.write(evolved, small / "studies" / "evolution.parquet")
    found, _ = made(small, "fates")
    for step, part in found.groupby("step"):
        failures = evolved[(evolved.step == step) & ~evolved.correct].idx
        assert list(part.idx) == list(failures.head(128))
    kept = ["late_016", "correct_016", "late_032", "correct_032"]
    assert list(found) == ["idx", "solved_at", *kept, "step"]


def test_without_checkpoints_a_study_of_them_says_how_to_keep_some(small):
    for path in (small / "checkpoints").rglob("*.safetensors"):
        path.unlink()
    for name, message in (
        ("evolution", "keeps no checkpoints; add them with `rrm checkpoints TRAINING --run small`"),
        ("multi4", "small keeps no checkpoint before its own step 120"),
    ):
        with pytest.raises(studies.StudyError, match=message):
            studies.run(name, "small")


@pytest.mark.parametrize("name", ["frames", "recorded"])
def test_a_study_that_no_puzzle_is_there_for_says_so(name, small):
    table = tables.read(small / "measurements.parquet")
    right = {column: True for column in table if column.startswith("correct_")}
    tables.write(table.assign(**right, correct=True), small / "measurements.parquet")
    with pytest.raises(studies.StudyError, match=f"small: no puzzle or checkpoint .* {name}"):
        studies.run(name, "small")


def test_restarts_start_elsewhere_and_are_the_same_for_every_puzzle(small):
    found, run = made(small, "restarts")
    assert sorted(found.restart.unique()) == [0, 1, 2]
    assert found.groupby("restart").idx.nunique().eq(found.idx.nunique()).all()
    stored = found[found.restart == 0].set_index("idx")
    own = cells.late_drift(run.table.set_index("idx").loc[stored.index])
    assert np.allclose(10**stored.late, 10**own, atol=1e-4)
    assert not np.allclose(10 ** found[found.restart == 1].late, 10**stored.late, atol=1e-4)
    assert found.groupby("restart").late.count().eq(len(stored)).all()


@pytest.mark.parametrize("name", ["restarts", "precision"])
def test_what_is_held_against_the_table_has_its_window(name, small, smoke_training):
    settings = Settings("4x4-test", 24, k=1, segments=5)
    folder.make(smoke_training / "checkpoints" / "step_000120", small, settings, replace=True)
    found, run = made(small, name)
    stored = found[found.restart == 0] if name == "restarts" else found[found.variant != "bfloat16"]
    own = run.table.set_index("idx").loc[stored.idx]
    assert (stored.correct.to_numpy() == own.correct.to_numpy()).all()
    assert np.allclose(10**stored.late, 10 ** cells.late_drift(own), atol=1e-3)


def test_two_studies_that_end_together_are_both_sealed(small, monkeypatch):
    """Each waits for the other with the run's seal in hand; without the lock one would be lost."""
    together, sealed = threading.Barrier(2, timeout=2), folder.seal

    def slowly(out, meta):
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait()
        sealed(out, meta)

    monkeypatch.setattr(folder, "seal", slowly)
    names = ("restarts", "precision")
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: studies.run(name, "small"), names))
    files = json.loads((small / "run.json").read_text())["files"]
    assert {f"studies/{name}.parquet" for name in names} <= files.keys()


def test_restarts_begin_at_the_start_of_each_puzzle_where_it_has_its_own(small):
    model = folder.load(small, "float32")
    model.initial_state = lambda x: (x, 0.5 * x)  # as in hrm-pytorch, the start depends on it
    frame = measure.subset("4x4-test", 8)
    table, _ = measure.rows(model, frame, k=0)
    subject = studies.Subject(small, {"parameters": 1}, table, model, small)
    found = restarts.restarted(subject, 0, table)
    own = table.set_index("idx").loc[found.idx].reset_index()
    assert len(found) > 1 and (found.token_acc == own.token_acc).all()
    assert np.allclose(found.late, cells.late_drift(own), atol=1e-3)


def test_precision_measures_the_same_puzzles_in_another_arithmetic_and_alone(small):
    found, run = made(small, "precision")
    rounded, alone = (found[found.variant == v].set_index("idx") for v in found.variant.unique())
    own = run.table.set_index("idx")
    assert list(rounded.index) == list(run.table.idx[:8]) and list(alone.index) == list(range(4))
    for part, dtype, chunk in ((rounded, "bfloat16", 8), (alone, "float32", 1)):
        part, boards = own.loc[part.index], sets.boards(own.loc[part.index])[0]
        drift = measure.rolled(folder.load(small, dtype, "cpu"), boards, k=0, chunk=chunk)[
            "drift_h"
        ]
        assert np.allclose(found[found.variant.str.startswith(dtype)].late, tables.late(drift))
        off = (drift[:, 0] / part.drift_h_01 - 1).abs()
        assert 1e-4 < off.max() < 0.1 if dtype == "bfloat16" else off.max() < 1e-4


def test_numerics_is_the_run_another_frame_moves_the_exponent_and_fewer_qrs_do_not(small):
    found, run = made(small, "numerics")
    base, other = (found[found.variant == v].set_index("idx") for v in ("float32", "seed 1"))
    own = run.table.set_index("idx").loc[base.index]
    assert np.allclose(base.drift_h_01, own.drift_h_01, rtol=1e-4)
    assert np.allclose(base.growth_1_01, own.growth_1_01, atol=1e-4)
    assert (base.drift_h_16 == other.drift_h_16).all() and (base.lambda_1 != other.lambda_1).all()
    apart = found[found.variant == "QR every 2"].set_index("idx").lambda_1 - base.lambda_1
    assert apart.abs().max() < 1e-4


def test_frames_begin_with_the_runs_own_and_each_tangent_grows_as_if_alone(small):
    found, run = made(small, "frames")
    table = run.table.set_index("idx")
    assert not table.correct_04[found.idx].any() and found.frame.nunique() == frames.FRAMES
    own = found[found.frame == 0].set_index("idx").filter(like="growth_1_")
    assert np.allclose(own, table.loc[own.index, own.columns], atol=1e-4)
    other = found[found.frame == 3].set_index("idx").filter(like="growth_1_")
    boards = sets.boards(table.loc[other.index])[0]
    seed, k = run.meta["seed"] + 3, run.meta["k"]
    alone = measure.roll(
        folder.load(small, "float32"), boards, k=k, seed=seed, segments=frames.SEGMENTS
    )
    assert np.allclose(other, alone.growth[: len(boards), :, 0], atol=1e-4)


@pytest.fixture
def collection(data_copy, monkeypatch):
    """A public file of four lines: a comment, two puzzles, and a board of many solutions."""
    texts = [*sets.table("9x9-hard-test").puzzle.head(2), "." * 81]
    path = data_copy / "collections" / "few.txt.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress("\n".join(["# puzzles", *texts]).encode()))
    monkeypatch.setattr(elsewhere, "COLLECTIONS", {"few": (path.name, sha256(path))})
    return path


def test_elsewhere_ships_lines_and_who_has_the_file_gets_the_boards(collection):
    model = RecursiveModel(Config("trm", "mlp", 9, 16, 1, 0, 1, 1, heads=2, prefix=1))
    subject = studies.Subject(collection.parent, {"seed": 0, "side": 9}, None, model, None)
    found = pd.concat([work() for work in elsewhere.units(subject).values()])
    assert sorted(found.line) == [2, 3], "the board of many solutions is no puzzle"
    assert not {"puzzle", "solution"} & set(found), "what is not ours does not travel"
    back = elsewhere.drawn("few").set_index("line").puzzle
    lines = gzip.decompress(collection.read_bytes()).decode().splitlines()
    assert {line: lines[line - 1] for line in back.index} == back.to_dict()
    assert (found.givens == [sum(c != "." for c in back[i]) for i in found.line]).all()


def test_elsewhere_refuses_another_file_none_and_a_smaller_board(collection, small):
    with pytest.raises(studies.StudyError, match="no 9x9 boards"):
        studies.run("elsewhere", "small")
    collection.write_bytes(gzip.compress(b"other"))
    with pytest.raises(studies.StudyError, match=r"few\.txt\.gz: SHA-256 .*, expected"):
        elsewhere.drawn("few")
    collection.unlink()
    with pytest.raises(studies.StudyError, match=r"missing; put few\.txt\.gz"):
        elsewhere.drawn("few")


def test_multi4_trains_both_arms_from_one_checkpoint(small):
    found, _ = made(small, "multi4")
    steps = found.groupby("arm").step.unique().map(list).to_dict()
    assert steps == {"shared": [0], "plain": [2, 4], "multi4": [2, 4]}


def test_multi4_trains_where_it_is_asked_to_and_from_one_checkpoint_only(small, monkeypatch):
    seen = {}

    class Seen(Exception):
        pass

    def trainer(config, recipe, home, device):
        seen.update(start=recipe.start, device=device)
        raise Seen

    run = tables.load_run("small")
    meta = run.meta | {"recipe": run.meta["recipe"] | {"start": "5e1c"}}
    model = SimpleNamespace(parameters=lambda: iter([torch.empty(1, device="meta")]))
    monkeypatch.setattr(multi4, "Trainer", trainer)
    monkeypatch.setattr(studies, "device_of", lambda model: "meta")
    with pytest.raises(Seen):
        multi4.arm(studies.Subject(small, meta, run.table, model, small / "parts"), 80, "plain")
    assert seen == {"start": "", "device": "meta"}


def test_recurrence_begins_as_the_run_did(small):
    found, run = made(small, "recurrence")
    table = run.table.set_index("idx").loc[found.idx]
    assert len(found) == len(run.table)
    assert (found.correct_in_table.to_numpy() == table.correct).all()
    assert (found.correct_016.to_numpy() == table.correct).mean() > 0.9
    own, here = (np.clip(late, -4, None) for late in (cells.late_drift(table), found.late_016))
    assert np.median(np.abs(here - own)) < 1e-3  # the floor of float32 left out
    for t, longest in ((16, 12), (256, 64)):
        assert found[f"lag_{t:03d}"].between(2, longest).all()
        assert (found[f"return_{t:03d}"] <= found[f"spread_{t:03d}"]).all()
    resting = found[found.late_256 < -4]
    assert (resting.growth_256 < 0).all(), "what comes to rest draws its neighbours in"


def test_a_state_on_a_cycle_returns_and_one_that_wanders_does_not():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(3, 20, 2, 5))  # puzzle, segment, position, channel
    states[0] = states[0, 3]  # at rest
    states[1] = states[1, np.arange(20) % 5]  # a cycle of five
    found = recurrence.return_distances(torch.as_tensor(states), 12)
    assert found.shape == (3, 12) and (found[0] == -12).all()
    assert (found[1, [4, 9]] == -12).all() and np.delete(found[1], [4, 9]).min() > -1
    by_hand = [
        np.mean([np.linalg.norm(states[2, t] - states[2, t - lag]) for t in range(16, 20)])
        for lag in range(1, 13)
    ]
    assert 10 ** found[2] == pytest.approx(by_hand)


def test_failures_and_successes_alternate():
    table = tables.pd.DataFrame({"idx": range(6), "correct": [True] * 4 + [False] * 2})
    subject = studies.Subject(None, {}, table, SimpleNamespace(), None)
    assert subject.chosen(2, 3).idx.tolist() == [4, 0, 5, 1, 2]
    assert subject.chosen(9, 1).idx.tolist() == [4, 0, 5]


def test_a_killed_study_goes_on_and_another_takes_nothing_of_it(small, monkeypatch):
    original = precision.variant

    def killed(subject, name, frame):
        if name == "float32, alone":
            raise KeyboardInterrupt
        return original(subject, name, frame)

    monkeypatch.setattr(precision, "variant", killed)
    with pytest.raises(KeyboardInterrupt):
        studies.run("precision", "small")
    (part,) = (small / "parts").rglob("bfloat16_rows_000000.parquet")
    before = part.stat().st_mtime_ns
    with monkeypatch.context() as other, pytest.raises(KeyboardInterrupt):
        other.setattr(precision, "SETTINGS", {"puzzles": 5})
        studies.run("precision", "small")
    assert len(list((small / "parts").rglob("bfloat16_rows_000000.parquet"))) == 2
    assert part.stat().st_mtime_ns == before
    finished = []
    monkeypatch.setattr(
        precision, "variant", lambda *given: finished.append(given[1]) or original(*given)
    )
    studies.run("precision", "small")
    assert finished == ["float32, alone"], "what was finished is not done again"


@pytest.mark.parametrize(
    "words, message",
    [
        (["long", "--run", "nowhere"], "unknown run 'nowhere'"),
        (["short", "--run", "small"], "unknown study 'short'; known: evolution, long, "),
    ],
)
def test_the_command_names_what_is_wrong(words, message, rrm):
    status, _, error = rrm("study", *words)
    assert status == 2 and message in error and error.count("\n") == 1


def test_a_closed_cycle_is_no_artefact_of_float32(runs):
    """Failures of trm-6x6 on a cycle to the last digits of float32 are on one in float64 too."""
    run = runs["trm-6x6"]
    otsu = cells.band_of(run).otsu
    told = tables.read(paths.run_dir("trm-6x6") / "studies" / "recurrence.parquet")
    wrong = told[~told.correct_in_table & (told.late_256 >= otsu)]
    closed = wrong[wrong.return_256 < -4.4].head(3)
    assert len(closed) == 3
    frame = run.table.set_index("idx").loc[closed.idx].reset_index()
    model = folder.load(paths.run_dir("trm-6x6"), "float64")
    out = studies.measure.roll(model, sets.boards(frame)[0], 3, segments=256, k=0, keep=68)
    gaps = recurrence.return_distances(out.recent, 64)
    assert (gaps[np.arange(3), closed.lag_256.to_numpy() - 1] < -9).all()
    assert (gaps[:, 0] > otsu).all(), "still moving, and back where they were"


def test_shipped_studies_are_those_of_the_shipped_weights(runs):
    seen = 0
    for name, run in runs.items():
        for path in sorted((paths.run_dir(name) / "studies").glob("*.json")):
            note = json.loads(path.read_text())
            assert note["weights"] == tables.weights_digest(run.meta)
            assert note["rows"] == len(tables.read(path.with_suffix(".parquet")))
            seen += 1
    assert seen, "no study is shipped"
