"""Studies on a small run: tables, resuming, refusals; and what `findings` reads out of tables."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch

from rrm_core import cli, studies
from rrm_core.analysis import cells, evolution, motion, selection, stats
from rrm_core.analysis import fates as findings
from rrm_core.dynamics.rollout import unroll
from rrm_core.models.recursive import tokens
from rrm_core.models.weights import load_model
from rrm_core.runs import measure, tables
from rrm_core.store import paths
from rrm_core.studies import fates, long, multi4, numerics, probes, recurrence, restarts
from rrm_core.sudoku import sets as puzzles


@pytest.fixture
def small(data_copy, smoke_training, monkeypatch):
    """A measured run of the smoke model with two kept checkpoints, and studies cut down to seconds."""
    out = data_copy / "runs" / "small"
    measure.run(smoke_training / "checkpoints" / "step_000120", out, "4x4-test", 24, k=2)
    measure.keep_checkpoints(smoke_training, out, 2)
    for module, values in (
        (long, {"HORIZON": 32}),
        (fates, {"MARKS": (16, 32)}),
        (restarts, {"PUZZLES": 8, "WITH_EXPONENT": 4, "RESTARTS": 2}),
        (probes, {"PUZZLES": 8}),
        (numerics, {"PUZZLES": 8}),
        (multi4, {"STEPS": 4, "EVERY": 2, "PUZZLES": 8}),
    ):
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)
    return out


def table_of(small, name):
    studies.run(name, "small")
    assert json.loads((small / "studies" / f"{name}.json").read_text())["rows"] == len(
        found := tables.read(small / "studies" / f"{name}.parquet")
    )
    return found, tables.load_run("small")


def test_evolution_measures_each_checkpoint_and_the_run_itself(small):
    found, run = table_of(small, "evolution")
    assert sorted(found.step.unique()) == [40, 120] or len(found.step.unique()) == 2
    own = found[found.step == run.meta["step"]].set_index("idx")
    assert (own.correct == run.table.set_index("idx").correct.loc[own.index]).mean() > 0.9, (
        "the measured step again, with one tangent instead of two"
    )
    rows = evolution.evolution(found, run.updates_per_segment)
    assert (rows[list("ABCD")].sum(axis=1) == rows.n).all() and (
        rows.accuracy * rows.n
    ).round().equals((rows.A + rows.C).astype(float))


def test_long_rollouts_begin_as_the_run_did_and_end_later(small):
    found, run = table_of(small, "long")
    assert len(found) == len(run.table) and findings.marks(found) == list(range(4, 33, 4))
    same = found.set_index("idx").correct_016 == run.table.set_index("idx").correct.loc[found.idx]
    assert same.mean() > 0.9
    assert ((found.solved_at > 0) | ~found.correct_032).all()
    fates = findings.fates(found, 0.0)
    assert (fates.groupby("segment").n.sum() == fates["of"].iloc[0]).all() and set(
        fates.segment
    ) == {16, 20, 24, 28, 32}


def test_restarts_start_elsewhere_and_are_the_same_for_every_puzzle(small):
    found, run = table_of(small, "restarts")
    assert (
        sorted(found.restart.unique()) == [0, 1, 2]
        and found.groupby("restart").idx.nunique().eq(found.idx.nunique()).all()
    )
    stored = found[found.restart == 0].set_index("idx")
    assert np.allclose(
        10**stored.late,
        10 ** cells.late_drift(run.table.set_index("idx").loc[stored.index]),
        atol=1e-4,
    )
    assert not np.allclose(10 ** found[found.restart == 1].late, 10**stored.late, atol=1e-4)
    assert found.groupby("restart").lambda_1.count().eq(min(4, len(stored))).all()


def test_probes_blank_what_they_say():
    _, solutions = puzzles.read("4x4-test", 4)
    one, row = (
        probes.masked(solutions[:20], probe, np.random.default_rng(0)) for probe in probes.PROBES
    )
    assert ((one == 0).sum(1) == 1).all() and ((row == 0).sum(1) == 4).all()
    assert (
        all(len(set(np.flatnonzero(board == 0) // 4)) == 1 for board in row)
        and (one[one > 0] == solutions[:20][one > 0]).all()
    )


def test_numerics_float32_is_the_run_and_float64_agrees_early(small):
    found, run = table_of(small, "numerics")
    base = found[found.variant == "float32"].set_index("idx")
    assert np.allclose(
        base.drift_h_01, run.table.set_index("idx").drift_h_01.loc[base.index], rtol=1e-4
    )
    gap = findings.parting(found)
    assert gap[gap.segment == 1].difference.max() < 1e-4
    rows = findings.numerics(found).set_index("variant")
    assert (
        rows.loc["float32", "largest"] == 0
        and np.isnan(rows.loc["bf16 autocast", "largest"])
        and rows.loc["QR every 2", "largest"] < 1e-4
    )


def test_multi4_trains_both_arms_from_one_checkpoint(small):
    found, _ = table_of(small, "multi4")
    assert found.groupby("arm").step.unique().map(list).to_dict() == {
        "shared": [0],
        "plain": [2, 4],
        "multi4": [2, 4],
    }
    assert not (small / "parts").exists() or not any((small / "parts").iterdir())


def test_pruning_counts_by_hand(small):
    found, run = table_of(small, "pruning")
    every = found[(found.share == 1) & (found.h == 4)]
    wrong = ~run.table.correct_04
    assert (every.given_up == wrong.sum()).all() and (
        every.lost == (wrong & run.table.correct).sum()
    ).all()
    assert np.allclose(every.saved, wrong.mean() * 12 / 16)


def test_a_killed_study_goes_on_and_another_is_refused(small, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    original = probes.probed
    monkeypatch.setattr(
        probes,
        "probed",
        lambda subject, frame, probe: (
            original(subject, frame, probe) if probe == "one blank" else killed()
        ),
    )
    with pytest.raises(KeyboardInterrupt):
        studies.run("probes", "small")
    part = small / "parts" / "probes" / "one_blank.parquet"
    before = part.stat().st_mtime_ns
    monkeypatch.setattr(probes, "SETTINGS", {"puzzles": 5})
    with pytest.raises(studies.StudyError, match="parts of another probes study"):
        studies.run("probes", "small")
    (part.parent / "key.json").write_text('{"weights": ')
    with pytest.raises(studies.StudyError, match="or a damaged key.json; remove it to start again"):
        studies.run("probes", "small")
    assert part.stat().st_mtime_ns == before
    monkeypatch.undo()
    with pytest.raises(studies.StudyError, match="unknown study 'lyapunov'; known: evolution"):
        studies.find("lyapunov")


def test_the_command_names_what_is_wrong(small, capsys, monkeypatch):
    for words, message in (
        (["study", "long", "--run", "nowhere"], "unknown run 'nowhere'"),
        (["study", "short", "--run", "small"], "unknown study 'short'"),
    ):
        monkeypatch.setattr("sys.argv", ["rrm", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 2 and message in capsys.readouterr().err


# --- findings, on tables made by hand ---


def grid_table(correct, q, late):
    """A restarts table of puzzles x restarts."""
    rows = [
        {
            "sigma": 1.0,
            "restart": r + 1,
            "idx": i,
            "correct": bool(correct[i][r]),
            "q_halt": q[i][r],
            "halts": q[i][r] > 0,
            "late": late[i][r],
            "lambda_1": late[i][r],
        }
        for i in range(len(correct))
        for r in range(len(correct[0]))
    ]
    return pd.DataFrame(rows)


def test_picking_by_each_rule():
    table = grid_table(
        [[1, 0], [0, 1], [0, 0]],
        [[2.0, 1.0], [3.0, -1.0], [1.0, 5.0]],
        [[0.0, 1.0], [1.0, 0.0], [0.0, 0.5]],
    )
    every = selection.orders(2)
    assert selection.picked(table, "oracle", every)[:, -1].tolist() == [
        1,
        1,
        0,
    ] and selection.picked(table, "q_halt", every)[:, -1].tolist() == [1, 0, 0]
    assert selection.picked(table, "late drift", every)[:, -1].tolist() == [
        1,
        1,
        0,
    ] and selection.picked(table, "random", every)[:, -1].tolist() == [0.5, 0.5, 0]
    assert np.allclose(
        selection.picked(table, "oracle", every)[:, 0], 0.5 * np.array([1, 1, 0]), atol=0.1
    )


def test_the_gain_of_picking_knows_that_restarts_are_drawn(runs, monkeypatch):
    run = runs["trm-6x6-attention"]
    table = findings.study(run, "restarts")
    for stored in (False, True):
        found = selection.selection_gain(run, stored=stored)
        every, w = selection.orders(16), selection.weights(run, table)
        single = (
            table[table.restart == 0].sort_values("idx").correct.to_numpy("float64")
            if stored
            else selection.picked(table, "random", every)[:, -1]
        )
        plain = stats.mean(selection.picked(table, "q_halt", every)[:, -1] - single, w)
        assert (
            found.value == pytest.approx(plain.value, abs=1e-9)
            and found.low < plain.low
            and found.high > plain.high
        )
    same = (
        table[table.restart == 1]
        .drop(columns="restart")
        .merge(pd.DataFrame({"restart": range(1, 17)}), how="cross")
    )  # one draw, sixteen times: nothing to gain, nothing drawn
    monkeypatch.setattr(findings, "study", lambda *_: pd.concat([table[table.restart == 0], same]))
    nothing = selection.selection_gain(run)
    assert [nothing.value, nothing.low, nothing.high] == pytest.approx([0, 0, 0], abs=1e-12)


def test_what_an_attractor_holds_is_at_rest_or_on_a_cycle(runs):
    run = runs["trm-6x6"]
    told = motion.motions(run, findings.study(run, "recurrence"))
    failed = told[~told.correct_in_table]
    found = motion.attracted(run)
    assert found.n == len(failed) == 128
    held = failed[
        ~failed.correct_256
        & (
            (failed.late_256 < cells.band_of(run).otsu)
            | (failed.return_256 < cells.band_of(run).otsu)
        )
    ]
    assert found.value == pytest.approx(len(held) / 128) and 0 < len(held) < 128


def test_mean_reweights_and_needs_twenty():
    assert np.isnan(stats.mean(np.ones(5)).value)
    values, w = np.r_[np.ones(50), np.zeros(50)], np.r_[np.full(50, 0.2), np.full(50, 1.8)]
    found = stats.mean(values, w)
    assert found.value == pytest.approx(0.1) and found.low < 0.1 < found.high < 0.2


def test_a_stratified_sample_is_resampled_within_its_strata():
    values, w = np.r_[np.ones(100), np.zeros(100)], np.r_[np.full(100, 0.5), np.full(100, 1.5)]
    found = stats.mean(values, w)  # within a stratum all values are equal, so nothing varies
    assert found.value == found.low == found.high == pytest.approx(0.25)
    assert stats.mean(values).high > 0.55


def test_lingering_means_in_and_out_again(runs):
    base = (
        runs["trm-6x6"]
        .table.head(60)
        .assign(correct=False, **{f"correct_{t:02d}": False for t in range(1, 17)})
    )
    for name, path, expected in (
        ("slides in", [1.0] * 14 + [1e-9] * 2, "entering the band at the end"),
        ("in and out", [1.0] * 5 + [1e-9] + [1.0] * 10, "entered the band and left it (lingering)"),
        ("never", [1.0] * 16, "never entered the strict band"),
        ("rests", [1.0] * 8 + [1e-9] * 8, "in the band at the end"),
    ):
        other = np.tile(
            np.where(np.arange(60)[:, None] < 30, 1.0, 1e-8), (1, 16)
        )  # gives the run a threshold
        other[0] = path
        table = base.assign(**{f"drift_h_{t:02d}": other[:, t - 1] for t in range(1, 17)})
        rows = findings.classes(tables.Run("x", runs["trm-6x6"].meta, table)).set_index("class").n
        alone = (
            findings.classes(
                tables.Run(
                    "x",
                    runs["trm-6x6"].meta,
                    table.assign(
                        **{
                            f"drift_h_{t:02d}": np.where(
                                np.arange(60) == 0, 1.0, table[f"drift_h_{t:02d}"]
                            )
                            for t in range(1, 17)
                        }
                    ),
                )
            )
            .set_index("class")
            .n
        )
        assert rows[expected] == alone[expected] + (name != "never"), name


def test_fates_follow_the_failures_of_each_checkpoint(small):
    with pytest.raises(
        studies.StudyError,
        match="small has no study evolution.*make it first: rrm study evolution --run small",
    ):
        studies.run("fates", "small")
    evolved, run = table_of(small, "evolution")
    found, _ = table_of(small, "fates")
    for step, part in found.groupby("step"):
        failures = evolved[(evolved.step == step) & ~evolved.correct].idx
        assert list(part.idx) == list(failures.head(128))
    assert set(found) == {
        "idx",
        "solved_at",
        "step",
        "late_016",
        "correct_016",
        "late_032",
        "correct_032",
    } and set(found.step) <= set(evolved.step)


def test_without_a_threshold_no_failure_is_said_to_move(runs, monkeypatch):
    run = runs["trm-6x6"]
    before = findings.fate_at(run, "solved later")
    monkeypatch.setattr(cells, "band_of", lambda *_: cells.band(np.zeros(8)))
    for fate in ("still moving", "settled in a wrong place"):
        assert (
            np.isnan(findings.fate_at(run, fate).value)
            and findings.fate_at(run, fate).reason == "no threshold on late drift"
        )
    assert findings.fate_at(run, "solved later") == before


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


def test_recurrence_begins_as_the_run_did(small):
    found, run = table_of(small, "recurrence")
    table = run.table.set_index("idx").loc[found.idx]
    assert (
        len(found) == len(run.table)
        and (found.correct_in_table.to_numpy() == table.correct).all()
        and (found.correct_016.to_numpy() == table.correct).mean() > 0.9
    )
    assert np.median(np.abs(found.late_016 - cells.late_drift(table))) < 1e-3
    for t, longest in ((16, 12), (256, 64)):
        assert (
            found[f"lag_{t:03d}"].between(2, longest).all()
            and (found[f"return_{t:03d}"] <= found[f"spread_{t:03d}"]).all()
        )
    resting = found[found.late_256 < -4]
    assert len(resting) == 0 or (resting.growth_256 < 0).all(), (
        "what comes to rest draws its neighbours in"
    )


def test_a_closed_cycle_is_no_artefact_of_float32(runs):
    """Three failures of trm-6x6 whose state repeats to the last digits of float32 repeat to those of float64 too, after as many segments."""
    run = runs["trm-6x6"]
    told = motion.motions(run, findings.study(run, "recurrence"))
    closed = told[
        ~told.correct_in_table & (told.motion == "on a cycle") & (told.return_256 < -4.4)
    ].head(3)
    assert len(closed) == 3
    boards, _ = puzzles.boards(run.table.set_index("idx").loc[closed.idx].reset_index())
    out = unroll(
        load_model(paths.run_dir("trm-6x6")).double(), tokens(boards), segments=256, k=0, keep=68
    )
    gaps = recurrence.return_distances(out.recent, 64)
    at = np.arange(3), closed.lag_256.to_numpy() - 1
    assert (gaps[at] < -9).all() and (gaps[:, 0] > cells.band_of(run).otsu).all(), (
        "still moving, and back where they were"
    )


def test_every_motion_is_told_by_its_rule(runs):
    seen = 0
    for run in runs.values():
        table = findings.study(run, "recurrence")
        if table is None:
            continue
        told, otsu = motion.motions(run, table), cells.band_of(run).otsu
        seen += 1
        assert (told.motion == "at rest").equals(table.late_256 < otsu) and not (
            table.return_256[told.motion == "regular"] < otsu
        ).any()
        assert (told.growth_256[told.motion == "parting"] > 0.025).all() and not (
            told.growth_256[told.motion == "regular"] > 0.025
        ).any()
        assert (table.return_256[told.motion == "on a cycle"] < otsu).all() and (
            table.late_256[told.motion == "on a cycle"] >= otsu
        ).all()
        counts = motion.counted([(run, table)])
        assert (counts.groupby("outcome").n.sum() == counts.groupby("outcome")["of"].first()).all()
    assert seen
    for run in runs.values():
        if (table := findings.study(run, "recurrence")) is None:
            continue
        told = motion.motions(run, table)
        moving = told[
            ~told.correct_in_table & ~told.correct_256 & (told.late_256 >= cells.band_of(run).otsu)
        ]
        found = motion.parting(run)
        assert np.isnan(found.value) == (len(moving) < stats.SMALLEST)
        assert np.isnan(found.value) or (
            found.value == (moving.motion == "parting").mean() and found.n == len(moving)
        )


def test_without_a_threshold_nothing_rests_and_nothing_moves(runs, monkeypatch):
    run = runs["trm-6x6"]
    table = findings.study(run, "recurrence")
    band = dataclasses.replace(cells.band_of(run), otsu=np.nan, exists=False)
    monkeypatch.setattr(cells, "band_of", lambda *_: band)
    assert (
        motion.parting(run).reason == "no threshold on late drift"
        and motion.counted([(run, table)]).empty
    )


def test_classes_cover_every_puzzle_once(runs):
    for run in runs.values():
        rows = findings.classes(run)
        assert rows.n.sum() == len(run.table) and (
            rows.groupby("outcome").n.sum()["failure"] == (~run.table.correct).sum()
        )
        inside = rows.set_index("class").n["in the band at the end"]
        assert (
            inside
            == cells.count(
                cells.assign(
                    cells.late_drift(run.table),
                    run.table.correct,
                    cells.band(cells.late_drift(run.table)).strict,
                )
            )["B"]
        )


def test_shipped_studies_are_those_of_the_shipped_weights(runs):
    from rrm_core.store.files import sha256

    seen = 0
    for run in runs.values():
        for path in sorted((paths.run_dir(run.name) / "studies").glob("*.json")):
            note = json.loads(path.read_text())
            assert note["weights"] == sha256(
                paths.run_dir(run.name) / "model.safetensors"
            ) and note["rows"] == len(tables.read(path.with_suffix(".parquet")))
            seen += 1
    assert seen, "no study is shipped"
