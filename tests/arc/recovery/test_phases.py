"""The table of what follows from a call: every rule, what it needs, and what stops it."""

import math
from dataclasses import replace
from typing import Any

import pytest

from arc.actions import Estimate
from arc.history.course import Call
from arc.history.movement import Movement
from arc.recovery.phases import (
    FIRST,
    LIKELY_TOO_HIGH,
    LOWEST_SHARE,
    RESCUE,
    RESTART,
    SPOILT,
    TOO_HIGH,
    verdict,
)
from arc.recovery.state import DOUBTFUL, LONGEST, RESTARTS, Situation, State, Trial
from arc.recovery.yardstick import Yardstick

NOW = Situation(
    copies=True,
    strength=RESCUE,
    undo=True,
    explosions=True,
    start_calls=9,
    ends_period=False,
    anneals=False,
    relearns=True,
)
PATTERN = (1, -1, 0, 1, 0, -1, 1, -1)


SOUND = Movement(step=1.0, norm=10.0, start=10.0, distance=1.0, cosine=0.4)
LOST = replace(SOUND, norm=math.nan)
FAR = replace(SOUND, distance=20.0)


def call(level: float, *, spread: float = 0.05, distance: float | None = None, **more: Any) -> Call:
    """A call whose stretches scatter by ``spread`` about ``level``."""
    blocks = tuple(level + spread * p for p in PATTERN)
    known = {"epoch": 12, "lr": 0.1, "steps": 80, "kept": 80, "moved": SOUND}
    if distance is not None:
        known["estimate"] = Estimate((0.0, 1.0, 0.0), distance)
    return Call(**(known | {"mean": level, "blocks": blocks} | more))


def seen(*means: float, vals: tuple[float, ...] = (), spread: float = 0.05) -> Yardstick:
    """A yardstick that has seen calls."""
    yard = Yardstick()
    for i, mean in enumerate(means):
        one = call(mean, spread=spread, val_loss=vals[i] if vals else None)
        yard.begin(one)
        yard.add(one)
    return yard


LEARNED = (2.3, 1.8, 1.5, 1.3, 1.2, 1.1, 1.05, 1.0, 0.98, 0.96, 0.95, 0.94)
RUNNING = State(good_calls=12)


def test_a_normal_call_is_good_and_kept() -> None:
    found = verdict(RUNNING, call(0.93), seen(*LEARNED), NOW)
    assert found.good and found.keep and not found.reason
    assert found.state.good_calls == 13


# -- what is not finite ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [1e-3, 0.1, 0.5])
def test_a_few_bad_losses_with_finite_weights_lower_nothing(bad: float) -> None:
    assert verdict(RUNNING, call(0.93, bad=bad), seen(*LEARNED), NOW).good


BROKEN = [{"bad": 0.6}, {"bad": 1.0, "mean": math.nan, "blocks": ()}, {"moved": LOST}]


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_losses_or_weights_lead_back(broken: dict[str, Any]) -> None:
    report = call(0.93, **broken)
    start = verdict(State(good_calls=3), report, seen(*LEARNED[:3]), NOW)
    assert (start.restore, start.factor, start.fresh) == ("initial", RESTART, True)
    later = verdict(RUNNING, report, seen(*LEARNED), NOW)
    assert (later.restore, later.factor, later.source) == ("good", RESCUE, "guard")
    alone = verdict(RUNNING, report, seen(*LEARNED), replace(NOW, copies=False))
    assert (alone.restore, alone.factor) == (None, RESCUE)
    assert "not finite" in alone.reason and "went back" not in alone.reason


def test_a_raise_that_broke_the_run_is_taken_back_and_not_the_start() -> None:
    state = State(good_calls=3, trial=Trial(1.5, None, 1.618))
    found = verdict(state, call(0.93, moved=LOST), seen(*LEARNED[:3]), NOW)
    assert (found.restore, found.source) == ("good", "trial")
    assert found.factor == pytest.approx(1 / 1.618)


@pytest.mark.parametrize("share, factor", [(1.0, RESCUE), (0.02, 0.5), (0.01, 1.0), (0.001, 1.0)])
def test_no_way_back_lowers_below_a_hundredth_of_what_trained_well(share: float, factor: float) -> None:
    yard = seen(*LEARNED)
    found = verdict(RUNNING, call(0.93, moved=LOST, lr=share * yard.best_lr), yard, NOW)
    assert found.factor == pytest.approx(factor)
    assert ("the LR stays" in found.reason) == (factor == 1)
    assert LOWEST_SHARE == 0.01


# -- the trial of a raise ----------------------------------------------------------------------


def raised(mean: float = 0.94, val: float | None = None) -> State:
    return replace(RUNNING, trial=Trial(mean, val, 1.618, lr=0.1))


ENDS = replace(NOW, ends_period=True)


def test_a_raise_that_made_all_losses_worse_is_taken_back_with_its_state() -> None:
    yard = seen(*LEARNED, vals=LEARNED)
    found = verdict(raised(val=1.0), call(1.4, val_loss=1.5), yard, ENDS)
    assert (found.restore, found.source) == ("good", "trial")
    assert found.factor == pytest.approx(1 / 1.618)
    assert found.state.trial is None and found.state.trial_best == yard.best


@pytest.mark.parametrize(
    "report, now",
    [
        (call(0.96), ENDS),  # within the noise
        (call(1.05), NOW),  # clear, but only at once what is sudden
        (call(1.4, val_loss=0.9), ENDS),  # validation got better
        (call(1.4), replace(ENDS, undo=False)),
        (
            call(1.4),
            replace(ENDS, copies=False),
        ),  # a lower LR alone mends nothing; the distance knows a better
    ],
)
def test_other_raises_stay(report: Call, now: Situation) -> None:
    found = verdict(raised(val=1.0), report, seen(*LEARNED, vals=LEARNED), now)
    assert found.source != "trial" and found.restore is None


@pytest.mark.parametrize("lowered, left", [(0.5, 1 / 5), (0.01, 1.0)])
def test_what_was_lowered_of_a_raise_meanwhile_is_not_taken_back_twice(lowered: float, left: float) -> None:
    """Ten times up, halved a call later: taken back, it is a fifth, and never below where it was before."""
    state = RUNNING.moved(call(0.94), 10.0).moved(call(1.0), 1.0).moved(call(1.0), lowered)
    assert verdict(state, call(1.4), seen(*LEARNED), ENDS).factor == pytest.approx(left)


def test_a_sudden_rise_after_a_raise_is_taken_back_at_once() -> None:
    assert verdict(raised(), call(1.8), seen(*LEARNED), NOW).restore == "good"


def test_a_failed_trial_leads_back_once_until_there_is_a_better_call() -> None:
    yard = seen(*LEARNED)
    state = replace(raised(), trial_best=yard.best)
    again = verdict(state, call(1.4), yard, ENDS)
    assert again.restore is None and again.factor == pytest.approx(1 / 1.618)
    better = seen(*LEARNED, 0.5)
    assert verdict(state, call(1.4), better, ENDS).restore == "good"


def test_while_the_noise_is_not_known_no_raise_is_judged() -> None:
    yard, report = Yardstick(), replace(call(2.0), blocks=(2.0,))
    yard.begin(report)
    yard.add(report)
    assert verdict(raised(1.0), replace(call(5.0), blocks=(5.0,)), yard, ENDS).source != "trial"


def test_a_raise_that_went_too_far_is_taken_back_with_its_state() -> None:
    """Its loss may fall, the weights are spoilt. Not to a lower LR than that before the raise."""
    found = verdict(raised(), call(0.9, distance=1.0, moved=FAR), seen(*LEARNED), NOW)
    assert (found.restore, found.source) == ("good", "trial")
    assert found.factor == pytest.approx(1 / 1.618) and found.state.trial is None
    leapt = RUNNING.moved(call(0.94), 100.0)
    far = verdict(leapt, call(0.9, distance=1.0, moved=FAR, lr=10.0), seen(*LEARNED), NOW)
    assert (far.restore, far.factor) == ("good", pytest.approx(10**-0.8))
    near = verdict(raised(), call(0.9, distance=1.0), seen(*LEARNED), NOW)
    high = verdict(raised(), call(0.9, distance=0.9 * TOO_HIGH, moved=FAR), seen(*LEARNED), NOW)
    assert near.restore is high.restore is None
    scheduled = verdict(raised(), call(0.9, distance=1.0, moved=FAR, lr=0.15), seen(*LEARNED), NOW)
    assert scheduled.restore is None, "another LR than the one that it was raised to"


def test_a_trial_takes_two_calls_at_the_least() -> None:
    young = replace(RUNNING, trial=Trial(1.0, None, 1.618, call=11))  # call(...) is number 12
    assert verdict(young, call(0.93), seen(*LEARNED), ENDS).state.trial is not None
    old = replace(RUNNING, trial=Trial(1.0, None, 1.618, call=10))
    assert verdict(old, call(0.93), seen(*LEARNED), ENDS).state.trial is None


def test_the_good_copy_is_not_replaced_while_a_raise_is_on_trial() -> None:
    on_trial = verdict(raised(), call(0.93), seen(*LEARNED), NOW)
    assert on_trial.good and not on_trial.keep and on_trial.state.trial is not None
    passed = verdict(raised(), call(0.93), seen(*LEARNED), ENDS)
    assert passed.keep and passed.state.trial is None


@pytest.mark.parametrize(
    "mean, distance, lasted, ends",
    [
        (1.4, None, 2, False),  # where only validation says that all is well
        (1.4, None, LONGEST - 1, False),
        (1.4, None, LONGEST, True),
        (0.93, 1.01 * DOUBTFUL, 2, False),  # told too high, though not clearly
        (0.93, 1.01 * DOUBTFUL, LONGEST, True),
        (0.93, 0.99 * DOUBTFUL, 2, True),
        (0.93, None, 2, True),
    ],
)
def test_the_trial_goes_on_a_little_while_something_speaks_against_the_raise(
    mean: float, distance: float | None, lasted: int, ends: bool
) -> None:
    yard = seen(*LEARNED, vals=LEARNED)
    on_trial = replace(RUNNING, trial=Trial(0.94, 1.0, 1.618, 12 - lasted, lr=0.1))
    found = verdict(on_trial, call(mean, val_loss=0.9, distance=distance), yard, ENDS)
    assert found.good and found.keep == ends
    assert (found.state.trial is None) == ends


# -- the start --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "distance, away, good_calls, again",
    [
        (1.5, 2.0, 0, True),
        (0.99 * LIKELY_TOO_HIGH, 2.0, 0, False),  # not clearly too high
        (1.5, 0.99 * SPOILT, 0, False),  # the weights are near their start: a lower LR will do
        (-1.5, 2.0, 0, False),
        (1.5, 2.0, FIRST, False),  # too late: the noise of a good LR looks alike
        (math.nan, 2.0, 0, False),  # nothing is told
    ],
)
def test_a_start_too_high_that_went_far_begins_again(
    distance: float, away: float, good_calls: int, again: bool
) -> None:
    moved = Movement(step=away, norm=1.0, start=1.0, distance=away)
    seen_so = call(2.0, distance=distance, moved=moved)  # the loss falls, and tells nothing
    found = verdict(State(good_calls=good_calls), seen_so, seen(2.3), NOW)
    assert (found.restore == "initial") == again
    if again:
        assert found.factor == pytest.approx(10 ** (-0.8 * distance))
        assert found.fresh and found.state.restarts == 1 and found.source == "restart"


@pytest.mark.parametrize(
    "distance, mean, trial, again",
    [
        (1.01 * LIKELY_TOO_HIGH, 2.0, None, True),
        (0.99 * LIKELY_TOO_HIGH, 2.0, None, False),
        (1.01 * LIKELY_TOO_HIGH, 1.0, None, False),  # it learns well
        (1.01 * TOO_HIGH, 1.0, None, True),
        (1.01 * LIKELY_TOO_HIGH, 2.0, Trial(0.94, None, 5.0), False),  # after a raise a start was no higher
        (1.01 * TOO_HIGH, 2.0, Trial(0.94, None, 5.0), True),
    ],
)
def test_a_start_that_is_likely_too_high_begins_again_unless_its_loss_has_halved(
    distance: float, mean: float, trial: Trial | None, again: bool
) -> None:
    far = Movement(step=2.0, norm=1.0, start=1.0, distance=2.0)
    state = State(good_calls=1, trial=trial)
    found = verdict(state, call(mean, distance=distance, moved=far), seen(2.3), replace(NOW, undo=False))
    assert (found.restore == "initial") == again


@pytest.mark.parametrize("mean, again", [(0.25, True), (0.2, False)])
def test_a_start_that_has_learned_nine_tenths_is_not_spoilt(mean: float, again: bool) -> None:
    start = call(mean, spread=0.0, distance=2.0, moved=FAR)
    assert (verdict(State(), start, seen(2.3), NOW).restore == "initial") == again


@pytest.mark.parametrize("mean, again", [(2.4, True), (2.2, False)])
def test_where_no_movement_is_seen_a_start_that_learns_is_kept(mean: float, again: bool) -> None:
    found = verdict(State(), call(mean, distance=1.5, moved=None), seen(2.3), NOW)
    assert (found.restore == "initial") == again


def test_there_is_an_end_to_starts() -> None:
    tired = State(restarts=RESTARTS, good_calls=1)
    assert verdict(tired, call(2.4, distance=2.0, moved=FAR), seen(2.3), NOW).restore is None


@pytest.mark.parametrize(
    "now", [replace(NOW, copies=False), replace(NOW, anneals=True), replace(NOW, relearns=False)]
)
def test_no_start_is_judged_without_copies_in_the_anneal_or_too_late(now: Situation) -> None:
    assert verdict(State(good_calls=1), call(2.4, distance=2.0, moved=FAR), seen(2.3), now).restore is None


# -- weights that leap --------------------------------------------------------------------------------------


def leapt(**more: Any) -> Call:
    """The weights moved by half their norm, the LR is told too high, and the loss rose beyond its noise."""
    far = replace(SOUND, tensor_step=(-1.0, -0.5, -0.3, 0.0, 0.1))
    return call(1.2, **({"moved": far, "distance": 0.5} | more))


def test_weights_that_leap_at_an_lr_too_high_lead_back_to_before() -> None:
    """A net may have died there: its loss, still below where it began, would never fall again."""
    found = verdict(RUNNING, leapt(), seen(*LEARNED), NOW)
    assert (found.restore, found.source, found.good) == ("good", "guard", False)
    assert found.factor == pytest.approx(10 ** (-0.8 * 0.5)) and "leapt by 50%" in found.reason
    without = verdict(RUNNING, leapt(), seen(*LEARNED), replace(NOW, copies=False))
    assert without.restore is None and without.factor == found.factor


@pytest.mark.parametrize(
    "more", [{"moved": SOUND}, {"distance": 0.9 * DOUBTFUL}, {"distance": -1.0}, {"mean": 0.93}]
)
def test_a_leap_takes_weights_distance_and_loss(more: dict[str, Any]) -> None:
    assert not verdict(RUNNING, leapt(**more), seen(*LEARNED), NOW).reason


def test_a_loss_that_is_up_before_the_first_step_is_another_objective_and_no_leap() -> None:
    """Data or weights of losses that change between two calls: no LR of before was too high."""
    assert not verdict(RUNNING, leapt(first=1.15), seen(*LEARNED), NOW).reason
    assert verdict(RUNNING, leapt(first=0.95), seen(*LEARNED), NOW).restore == "good"
    assert verdict(RUNNING, leapt(first=math.nan), seen(*LEARNED), NOW).restore == "good"


def test_a_leap_leads_back_once_until_there_is_a_better_call() -> None:
    state = verdict(RUNNING, leapt(), seen(*LEARNED), NOW).state
    assert not verdict(state, leapt(), seen(*LEARNED), NOW).reason
    assert verdict(state, leapt(), seen(*LEARNED, 0.5), NOW).restore == "good"


# -- explosions --------------------------------------------------------------------------------


def test_a_loss_that_lost_all_leads_back_in_its_second_call() -> None:
    yard = seen(*LEARNED)
    first = verdict(RUNNING, call(2.6), yard, NOW)
    assert not first.reason and not first.good and not first.keep and first.state.blown == 1
    second = verdict(first.state, call(2.7), yard, NOW)
    assert (second.restore, second.factor) == ("good", RESCUE)
    assert "exploded to 2.7" in second.reason
    alone = verdict(first.state, call(2.7), yard, replace(NOW, copies=False))
    assert (alone.restore, alone.factor) == (None, RESCUE)


@pytest.mark.parametrize(
    "means, report",
    [
        (LEARNED, call(2.1)),  # not all is lost
        (LEARNED, call(2.6, val_loss=0.9)),  # only the objective has changed
        ((2.3, 2.31, 2.29, 2.3, 2.32, 2.28), call(2.4)),  # nothing was learned yet
    ],
)
def test_other_rises_are_none(means: tuple[float, ...], report: Call) -> None:
    yard = seen(*means, vals=means)
    found = verdict(replace(RUNNING, blown=1, blown_mean=2.0), report, yard, NOW)
    assert not found.reason


@pytest.mark.parametrize("distance", [-1.0, 0.0, DOUBTFUL - 0.01])
def test_where_the_weights_tell_that_the_lr_is_not_too_high_a_rise_is_the_objectives(distance: float) -> None:
    yard = seen(*LEARNED)
    found = verdict(RUNNING, call(2.6, distance=distance), yard, NOW)
    assert found.good and not found.state.blown
    told = verdict(RUNNING, call(2.6, distance=DOUBTFUL + 0.01), yard, NOW).state
    assert verdict(told, call(2.7, distance=distance), yard, NOW).restore == "good", "it began too high"


def test_a_loss_that_comes_down_again_is_left_alone() -> None:
    state = replace(RUNNING, blown=1, blown_mean=4.0)
    assert not verdict(state, call(3.0), seen(*LEARNED), NOW).reason


def test_a_loss_that_explodes_again_after_the_way_back_is_taken_as_it_is() -> None:
    yard = seen(*LEARNED)
    state = replace(RUNNING, blown=1, blown_mean=2.6, exploded_best=yard.best)
    found = verdict(state, call(2.6, lr=0.5 * yard.best_lr), yard, NOW)
    assert found.restore is None and found.fresh and found.factor == pytest.approx(2.0)
    assert "taken as it is" in found.reason


def test_the_paper_judges_no_finite_loss() -> None:
    bare = replace(NOW, explosions=False, copies=False, undo=False)
    assert not verdict(replace(RUNNING, blown=1), call(99.0), seen(*LEARNED), bare).reason


def test_states_survive_a_file() -> None:
    for state in (State(), raised(val=2.0), State(restarts=2, blown=1)):
        assert State.from_dict(state.as_dict()) == state
