"""What follows from a call: nothing, a way back, or a lower LR. All rules on that, as one pure function.

A run begins in its *start*: what ruins it there leads back to the initial state. A raise of the LR is on
*trial* until the period ends. Otherwise the run is *running*.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from arc.decision import two_digits
from arc.history.course import Call
from arc.policy.distance import SHARE
from arc.recovery.state import DOUBTFUL, Restored, Situation, State, Verdict, again, in_start, taken_back
from arc.recovery.yardstick import Yardstick

TOO_HIGH: Final = 0.8
"""Decades above the best LR from which on a start or a raise is taken back,"""
LIKELY_TOO_HIGH: Final = 0.6
"""and a start already from here on, where"""
SPOILT: Final = 0.3
"""the weights went so far from their start, by its norm (docs/results/distance.md, spoilt starts);"""
HALF: Final = 0.5
"""unless the training loss of a start that is likely too high has fallen by this share of its level,"""
NINE_TENTHS: Final = 0.9
"""and of one in any case by this: what learns so fast is not spoilt."""
FIRST: Final = 2
"""Calls in which a start is taken back; later the noise of a good LR looks alike."""
LEAP: Final = 0.3
"""Share of their norm by which weights move in a call that may have killed the net."""
RESTART: Final = 0.1
"""Factor on the LR for a new start: a ruined net tells only that the LR was far too high."""
START_PERIODS: Final = 3
"""Periods that count as the start."""
CLEAR: Final = 2.0
"""Standard deviations by which a loss has to differ to be worse at the end of a period,"""
SUDDEN: Final = 6.0
"""and at once."""
SPANS: Final = 10.0
"""Before a run has learned, its loss is exploded so many times the span of its calls above its best."""
RESCUE: Final = 0.618**3
"""Factor on the LR of a way back to the last good state: three of the paper's steps down."""
LOWEST_SHARE: Final = 0.01
"""No way back lowers the LR below this share of one that the run has trained well with."""


def verdict(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict:
    """What follows from a call of ``step()``; the rules in their order, docs/controller.md states them."""
    for rule in _RULES:
        if (found := rule(state, call, yard, now)) is not None:
            return found
    trial = state.trial
    ends = trial is not None and trial.ends(
        call, ends_period=now.ends_period, worse=yard.worse(call, trial.mean, None, CLEAR)
    )
    after = replace(state, good_calls=state.good_calls + 1, blown=0, trial=None if ends else trial)
    return Verdict(state=after, good=True, keep=now.copies and (trial is None or ends))


# -- the rules --------------------------------------------------------------------------------


def _broken(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """Weights that are not finite, or losses that mostly are not; a few bad losses lower nothing."""
    lost = call.moved is not None and not call.moved.finite
    if not lost and call.bad <= 0.5 and math.isfinite(call.mean):
        return None
    what = "the weights" if lost else f"{call.bad:.0%} of the training losses"
    trouble = f"{what} are not finite"
    if state.trial is not None and now.has("good"):
        reason = f"{trouble} after a raise, went back to the state before it"
        return taken_back(state, reason, restore="good")
    if now.has("initial") and (in_start(state, now) or not state.good_calls):
        return again(state, trouble, RESTART)
    return _back(replace(state, trial=None, blown=0), trouble, call, yard, now)


def _trial(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """A raise that went too far, or after which all losses got worse beyond their noise."""
    trial = state.trial
    if trial is None or not (now.undo and now.has("good")):
        return None
    told = call.distance > TOO_HIGH and trial.holds(call)
    if told and now.lowers and not now.anneals and _spoilt(call, yard):
        far = two_digits(10**call.distance)
        reason = f"a raise to an LR about {far} times too high, went back to the state before it"
        back = taken_back(state, reason, restore="good")  # where the LR was told too low: to no lower one
        return replace(back, factor=max(back.factor, 10 ** (-SHARE * call.distance)))
    clear = CLEAR if now.ends_period and trial.judged(call) else SUDDEN
    if not yard.worse(call, trial.mean, trial.val_loss, clear):
        return None
    reason = "all losses got worse after a raise, took it back"
    if yard.best >= state.trial_best:
        return taken_back(state, reason)
    after = replace(state, trial_best=yard.best)
    return taken_back(after, f"{reason} and went back to the state before it", restore="good")


def _too_high(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """A start at an LR that the network tells to be too high, and that has carried the weights far off.

    A lower LR does not bring them back: what was spoilt stays so to the end of a training.
    """
    first = state.good_calls < FIRST and in_start(state, now) and not now.anneals
    if not (first and now.lowers and _spoilt(call, yard)):
        return None
    fallen = yard.fallen(call)
    likely = call.distance > LIKELY_TOO_HIGH and state.trial is None and fallen < HALF
    if not (likely or (call.distance > TOO_HIGH and fallen < NINE_TENTHS)):
        return None
    trouble = f"LR about {two_digits(10**call.distance)} times too high"
    return replace(again(state, trouble, RESTART), factor=10 ** (-SHARE * call.distance))


def _spoilt(call: Call, yard: Yardstick) -> bool:
    """Whether a start went wrong; where nothing tells how far it went, one that has learned nothing."""
    if call.moved is None or not call.moved.start:
        return yard.first is not None and call.mean >= yard.first
    return call.moved.distance > SPOILT * call.moved.start


def _leap(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """Weights that moved far in one call, at an LR that is told too high, and all losses got worse.

    A net may die there and its loss stay finite, even below where it began; a lower LR does not revive it.
    Where the loss was up before the first step, it is the objective that has changed.
    """
    if not now.explosions or call.moved is None or not call.moved.shift > LEAP:
        return None
    changed = call.first > (call.mean + yard.last) / 2
    worse = yard.worse(call, yard.last, yard.val_loss, CLEAR)
    if changed or not (worse and call.distance > DOUBTFUL and yard.best < state.leapt_best):
        return None
    after = replace(state, trial=None, blown=0, leapt_best=yard.best)
    trouble = f"the weights leapt by {call.moved.shift:.0%} and all losses got worse"
    found = _back(after, trouble, call, yard, now)
    return replace(found, factor=max(found.factor, 10 ** (-SHARE * call.distance)))


def _explosion(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """A loss that has lost all that was learned, two calls in a row and not coming down.

    Where the weights tell, as it begins, that the LR is not too high, it is the objective that has changed.
    """
    if not now.explosions or not _exploded(call, yard) or (state.blown == 0 and call.distance < DOUBTFUL):
        return None
    recovers = call.mean < state.blown_mean - yard.noise
    after = replace(state, blown=state.blown + 1, blown_mean=call.mean)
    if state.blown == 0 or recovers:
        return Verdict(state=after)
    after = replace(after, blown=0, blown_mean=math.inf, trial=None)
    if yard.best >= state.exploded_best:  # it came back to this after the last time
        return Verdict(
            state=after,
            reason=f"training loss stays at {call.mean:.3g} after a way back: taken as it is from here",
            factor=max(1.0, yard.best_lr / call.lr),
            good=True,
            keep=now.copies,
            fresh=True,
        )
    after = replace(after, exploded_best=yard.best)
    trouble = f"training loss exploded to {call.mean:.3g} (was {yard.best:.3g} to {yard.highest:.3g})"
    return _back(after, trouble, call, yard, now)


_RULES: Final[tuple[Callable[[State, Call, Yardstick, Situation], Verdict | None], ...]] = (
    _broken,
    _trial,
    _too_high,
    _leap,
    _explosion,
)


# -- what they share --------------------------------------------------------------------------


def _exploded(call: Call, yard: Yardstick) -> bool:
    if yard.first is None or not math.isfinite(yard.noise):
        return False
    limit = (
        yard.first if yard.learned else yard.best + SPANS * max(yard.highest - yard.best, SUDDEN * yard.noise)
    )
    if call.mean < limit or call.mean < yard.best + SUDDEN * yard.noise:
        return False
    if call.val_loss is None or not math.isfinite(yard.best_val):
        return True
    return call.val_loss > yard.best_val + CLEAR * yard.val_scatter  # else only the objective has changed


def _back(after: State, trouble: str, call: Call, yard: Yardstick, now: Situation) -> Verdict:
    """To the last good state, if kept, at a lower LR: none below a hundredth of one that trained well."""
    factor = min(1.0, max(now.strength, LOWEST_SHARE * yard.best_lr / call.lr))
    restore: Restored | None = "good" if now.has("good") else None
    back = ", went back to the last good state" if restore else ""
    stays = "; the LR stays, a hundredth of what trained well" if factor == 1 else ""
    return Verdict(state=after, reason=trouble + back + stays, restore=restore, factor=factor)
