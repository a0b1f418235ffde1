"""The sentences that the book tells of its two models, each held against the shipped tables.

A run that is measured anew and breaks one fails here, with the sentence; then the book is to be
rewritten, not the test.
"""

import numpy as np
import pytest

from rrm_core.analysis import cells, early, elsewhere, fates, motion, phases, selection, stats
from rrm_core.runs.tables import load_run, log_drift

NAMES = {"HRM": "hrm-9x9-brief", "TRM": "trm-9x9-brief"}


@pytest.fixture(scope="module")
def models():
    return {model: load_run(name) for model, name in NAMES.items()}


def told(sentence, found):
    """Fails with `sentence` and what was found where `found` = {what: (holds, value)} has a no."""
    broken = {what: value for what, (holds, value) in found.items() if not holds}
    assert not broken, f"The book says: {sentence!r}. Now {broken}"


def test_1_after_sixteen_segments_a_puzzle_is_right_or_wrong_and_both_are_many(models):
    solved = {m: float(run.table.correct.mean()) for m, run in models.items()}
    told(
        "A reasoner changes a state, a segment at a time; after 16 it is right or wrong",
        {m: (0.3 < share < 0.7, share) for m, share in solved.items()},
    )


def test_2_the_answer_is_a_switch_from_lasting_to_shrinking_tenfold(models):
    found = {}
    for m, run in models.items():
        growth = phases.before_after(run.table).set_index("phase").growth
        holds = growth["before"] > 0 and growth["after"] < -np.log(10)
        found[m] = holds, growth.round(2).to_dict()
    told("Before the answer a change lasts or grows, after it shrinks by ten or more", found)


def test_3_the_exponent_is_mostly_a_stopwatch_and_so_the_auc_is_near_one(models):
    r2 = {m: phases.stopwatch(run.table) for m, run in models.items()}
    auc = {m: stats.auc(-run.table.lambda_1, run.table.correct).value for m, run in models.items()}
    told(
        "The moment of the answer explains most of the exponent, and its AUC is near one",
        {m: (r2[m].low > 0.6 and auc[m] > 0.97, (r2[m].value, auc[m])) for m in models},
    )


def test_4_at_segment_16_hardly_a_failure_rests_in_a_wrong_place(models):
    found = {}
    for m, run in models.items():
        n = cells.count(cells.at_otsu(run.table)[0])
        share = n["B"] / (n["B"] + n["D"])
        found[m] = share < 0.03, share
    told("At segment 16 hardly any failure rests in a wrong place, in both models", found)


def test_5_run_on_the_hrm_creeps_to_rest_and_the_trm_wanders_or_is_solved(models):
    rest, solved = (
        {m: fates.fate_at(run, fate).value for m, run in models.items()}
        for fate in ("settled in a wrong place", "solved later")
    )
    halting = fates.would_halt(models["HRM"])
    told(
        "By 256 nine in ten HRM failures rest in a wrong place and would not halt; "
        "hardly any of the TRM's rest, and four in ten are solved",
        {
            "HRM at rest": (0.85 < rest["HRM"] < 0.95, rest["HRM"]),
            "HRM would halt": (halting.high < 0.05, halting.value),
            "TRM at rest": (rest["TRM"] < 0.05, rest["TRM"]),
            "TRM solved": (0.35 < solved["TRM"] < 0.45, solved["TRM"]),
        },
    )


def test_6_the_sign_of_growth_tells_the_two_kinds_of_failure_before_segment_16(models):
    growth = {
        m: phases.before_after(run.table).set_index("phase").growth["failures"]
        for m, run in models.items()
    }
    told(
        "A small change of a failing state grows in the TRM and shrinks a little in the HRM",
        {
            "TRM": (growth["TRM"] > 0.5, growth["TRM"]),
            "HRM": (-1 < growth["HRM"] < 0, growth["HRM"]),
        },
    )


@pytest.mark.parametrize("model", NAMES)
def test_7_what_bfloat16_shows_of_a_settled_state_goes_nowhere(models, model):
    table = fates.study(models[model], "lags")
    median = table.groupby(["kind", "dtype"])[["lag_01", "lag_32"]].median()
    noise, still = (
        median.loc[("settled, solved", "bfloat16")],
        median.loc["settled, solved"].loc["float32"],
    )
    told(
        "Rounding moves a settled state by about one a segment, and 32 take it no further",
        {
            "moves": (0.7 < 10**noise.lag_01 < 1.1, 10**noise.lag_01),
            "goes nowhere": (abs(noise.lag_32 - noise.lag_01) < 0.05, noise.to_dict()),
            "rests in float32": (10**still.lag_01 < 1e-3, 10**still.lag_01),
        },
    )


def test_8_in_the_window_both_wander_and_only_one_goes_on(models):
    """The slope of log drift: a creep falls steadily, wandering does not fall."""
    found = {}
    for m, run in models.items():
        failed = log_drift(cells.drift(run.table[~run.table.correct]))
        slope = float(np.median(np.polyfit(np.arange(3, 17), failed[:, 2:].T, 1)[0]))
        late = float(np.median(failed[:, -1]))
        falls = slope < -0.05 if m == "HRM" else abs(slope) < 0.02
        found[m] = (
            falls and late > np.median(log_drift(cells.drift(run.table[run.table.correct]))[:, -1]),
            (slope, late),
        )
    told("Failures wander within the window; then the sign of the growth decides", found)


def test_the_hrms_failures_near_a_fixed_point_and_the_trms_do_not(models):
    """Near a fixed point drift and a tangent shrink at one rate; nats a segment, by the end."""
    found = {}
    for m, run in models.items():
        failed = run.table[~run.table.correct]
        logs = np.log(cells.drift(failed))
        drift = float(np.median(logs[:, 12:].mean(1) - logs[:, 8:12].mean(1)) / 4)
        tangent = float(np.median(phases.growth_by_segment(failed)[:, 8:].mean(1)))
        alike = drift < -0.1 and tangent < -0.1 and abs(drift - tangent) < 0.15
        found[m] = alike if m == "HRM" else abs(drift) < 0.02 < 1 < tangent, (drift, tangent)
    told("The HRM's failures slow down as fast as their tangents shrink, the TRM's do not", found)


def test_of_the_trms_moving_failures_few_go_round_a_cycle(models):
    run = models["TRM"]
    table = fates.study(run, "lags").query("kind == 'failed' and dtype == 'float32'")
    gaps, otsu = table.filter(like="lag_"), cells.band_of(run).otsu
    moving = gaps[gaps.lag_01 >= otsu]
    back = int((moving.iloc[:, 1:].min(axis=1) < otsu).sum())
    told(
        "Of the TRM's failures that still move at 64, hardly one comes back within 32 segments",
        {"moving": (len(moving) >= 10, len(moving)), "back": (back <= 2, back)},
    )


def test_the_hrms_failures_end_in_fixed_points_where_small_changes_die_out(models):
    found = motion.failed(models["HRM"])
    resting = found[(found.motion == "at rest") & ~found.correct_256]
    share, growth = len(resting) / len(found), float(resting.growth_256.max())
    told(
        "The HRM has fixed points at wrong answers, and small changes die out there",
        {"at rest": (share > 0.8, share), "growth": (growth < 0, growth)},
    )


def test_what_the_trm_has_not_solved_by_the_end_mostly_parts(models):
    wrong = motion.failed(models["TRM"]).query("not correct_256")
    parting = wrong[wrong.motion == "parting"].growth_256
    told(
        "What the TRM has not solved at 256 wanders: neighbours part",
        {
            "parting": (len(parting) > 0.7 * len(wrong), f"{len(parting)} of {len(wrong)}"),
            "growth": (parting.median() > 1, float(parting.median())),
        },
    )


def test_starting_elsewhere_helps_both_where_running_on_helps_one(models):
    found = {}
    for m, run in models.items():
        gain, later = selection.selection_gain(run, stored=True), fates.fate_at(run, "solved later")
        found[f"{m} restarted"] = gain.low > 0.05, gain
        found[f"{m} run on"] = later.high < 0.15 if m == "HRM" else later.low > 0.3, later
    told("Restart and select helps both models; running on helps the TRM alone", found)


def test_on_public_puzzles_rest_is_rare_but_for_the_trm_on_17_clues(models):
    found = {}
    for m, run in models.items():
        rests = elsewhere.found(run).set_index("collection").settled
        own = rests.pop(elsewhere.OWN)
        for name, share in rests.items():
            exception = (m, name) == ("TRM", "17 clues")
            found[f"{m}, {name}"] = (share.low > own.high) == exception, share
        table = fates.study(run, "elsewhere")
        settled = table[~table.correct & (table.late < cells.band_of(run).otsu)]
        found[f"{m}, tangents"] = (settled.lambda_1 < 0).all(), settled.lambda_1.max()
    told("More of the TRM's failures rest on 17 clues; tangents of all at rest shrink", found)


def test_other_code_can_differ():
    found = {}
    for name in ("tiny-6x6", "tiny-6x6-seed1"):
        now, end = (fates.fate_at(load_run(name), "settled in a wrong place", t) for t in (16, 256))
        found |= {f"{name} by 16": (now.low > 0.05, now), f"{name} by 256": (end.low > 0.5, end)}
    told(
        "In models of another package failures rest in a wrong place, some by 16, most by 256",
        found,
    )


def test_the_sign_of_growth_is_that_of_any_start_frame(models):
    """Of five frames of tangents, 64 puzzles each: failures grow in the TRM, shrink in the HRM."""
    for model, sign in (("HRM", -1), ("TRM", 1)):
        run = models[model]
        table = fates.study(run, "numerics")
        frames = table[table.variant.isin(["float32", *(f"seed {s}" for s in range(1, 5))])]
        growth = frames[~frames.correct].groupby("variant").lambda_1.median()
        growth = growth * run.updates_per_segment
        told(
            f"The {model}'s failures {'grow' if sign > 0 else 'shrink'}, whatever the frame",
            {"five frames": (len(growth) == 5 and (sign * growth > 0.1).all(), growth.to_dict())},
        )


def test_the_reversed_sign_of_the_early_exponent_is_that_of_any_start_frame(models):
    found = {}
    for m, run in models.items():
        table = early.frames(run)
        each = table[table.frame != "mean"].pivot(index="frame", columns="h", values="auc")
        holds = len(each) == 5 and (each[4] < 0.5).all() and (each[6] < each[4]).all()
        found[f"{m}, every frame"] = holds, each.round(2).to_dict()
        own = table[(table.frame == "0") & (table.h == 4)].iloc[0]
        rest = early.horizons(run.table, run.updates_per_segment).query("signal == 'lambda1'")
        whole = rest.set_index("h").auc[4]
        found[f"{m}, the part for the whole"] = own.low < whole < own.high, (own.auc, whole)
    told("Unsolved puzzles that expand more are solved more, in every frame, more so at six", found)


def test_failures_are_calmer_than_late_answers_surely_in_the_hrm(models):
    found = {}
    for m, run in models.items():
        line, curve = (phases.beyond_trend(run, degree) for degree in (1, 2))
        bare = curve.high > -0.1
        found[m] = line.high < 0 and (bare if m == "TRM" else not bare), (line, curve)
    told("The HRM's failures are not just late; for the TRM it hangs on the trend's shape", found)
