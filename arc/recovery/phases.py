"""What follows from a call: nothing, a way back, or a lower LR. All rules on that, as one pure function.

A run begins in its *start*: what ruins it there leads back to the initial state. A raise of the LR is on
*trial* until the period ends. Otherwise the run is *running*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, NamedTuple

from arc.history.course import Call
from arc.recovery.yardstick import Yardstick

TOO_HIGH: Final = 0.9
"""Decades above the best LR from which on a start begins again that has learned nothing."""
RUINOUS: Final = 1.25
"""The same for a start that has learned something, which is rarely lost by less."""
RESTART: Final = 0.1
"""Factor on the LR for a new start: a ruined net tells only that the LR was far too high."""
START_PERIODS: Final = 3
"""Periods that count as the start."""
RESTARTS: Final = 8
"""Most ways back to the initial state in a run."""
CLEAR: Final = 2.0
"""Standard deviations by which a loss has to differ to be worse at the end of a period,"""
SUDDEN: Final = 6.0
"""and at once."""
SPANS: Final = 10.0
"""Before a run has learned, its loss is exploded so many times the span of its calls above its best."""
UNKNOWN_LENGTH: Final = 20
"""Calls (or six periods, if that is more) in which a run of unknown length may still begin again."""
LOWEST_SHARE: Final = 0.01
"""No way back lowers the LR below this share of one that the run has trained well with."""

Restored = Literal["initial", "good"]
Source = Literal["network", "guard", "restart", "trial", "anneal", "schedule"]


class Trial(NamedTuple):
    """The call after which the LR was raised: its mean and validation loss, and the factor."""

    mean: float
    val_loss: float | None
    factor: float


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a run stands.

    Attributes:
        good_calls: calls without trouble since the initial state.
        restarts: ways back to it so far.
        blown: calls in a row with an exploded loss; ``blown_mean`` is the last one's mean.
        trial: while a raise is on trial.
        exploded_best, trial_best: best mean when an explosion, a failed trial last led back: without a
            better one since, the same reason does not lead back again.
    """

    good_calls: int = 0
    restarts: int = 0
    blown: int = 0
    blown_mean: float = math.inf
    trial: Trial | None = None
    exploded_best: float = math.inf
    trial_best: float = math.inf

    def raised(self, call: Call, factor: float) -> State:
        """The same after a decision that raised the LR."""
        return replace(self, trial=Trial(call.mean, call.val_loss, factor))

    def as_dict(self) -> dict[str, Any]:
        """Plain types; :meth:`from_dict` reads them."""
        return asdict(self) | {"trial": None if self.trial is None else list(self.trial)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> State:
        """What :meth:`as_dict` described."""
        trial = values["trial"]
        return cls(**{**values, "trial": None if trial is None else Trial(*trial)})


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What else decides.

    Attributes:
        copies: whether states to go back to are kept.
        there: which of them there are now; after a resume from a run that kept none, none at first.
        strength: factor of a guard on the LR.
        undo: whether raises are on trial.
        explosions: whether finite losses are judged at all.
        lowers: whether the bounds let the LR fall.
        start_calls: good calls that make the start.
        ends_period: whether a period ends with this call.
        anneals: whether the final fall of the LR has begun.
        relearns: whether what is left of the run would do to begin again.
    """

    copies: bool
    strength: float
    undo: bool
    explosions: bool
    start_calls: int
    ends_period: bool
    anneals: bool
    relearns: bool
    lowers: bool = True
    there: frozenset[str] = frozenset({"initial", "good"})

    def has(self, name: Restored) -> bool:
        """Whether that copy can be put back."""
        return self.copies and name in self.there


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What follows from a call.

    Attributes:
        state: where the run stands then.
        reason: in words; empty: nothing follows, and the network may be asked.
        source: which kind of rule spoke.
        restore: the copy to put back.
        factor: on the LRs.
        good: whether the call's losses are normal ones for this run.
        keep: whether the present weights become the good copy (before anything is restored).
        fresh: whether the run begins anew: what is known of its losses is forgotten.
    """

    state: State
    reason: str = ""
    source: Source = "guard"
    restore: Restored | None = None
    factor: float = 1.0
    good: bool = False
    keep: bool = False
    fresh: bool = False


def verdict(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict:
    """What follows from a call of ``step()``; the rules in their order, docs/controller.md states them."""
    for rule in _RULES:
        found = rule(state, call, yard, now)
        if found is not None:
            return found
    calls = state.good_calls + 1
    ends = state.trial is not None and now.ends_period
    after = replace(state, good_calls=calls, blown=0, trial=None if ends else state.trial)
    return Verdict(state=after, good=True, keep=now.copies and (state.trial is None or ends))


def in_start(state: State, now: Situation) -> bool:
    """Whether what ruins the run leads back to the initial state."""
    start = state.good_calls < now.start_calls and state.restarts < RESTARTS
    return start and now.has("initial") and now.relearns


def relearns(epoch: int, total: int | None, period: int) -> bool:
    """Whether what is left of a run after ``epoch`` calls would do to begin again."""
    return 2 * epoch <= total if total else epoch <= max(UNKNOWN_LENGTH, 6 * period)


# -- the rules --------------------------------------------------------------------------------


def _broken(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """Weights that are not finite, or losses that mostly are not; a few bad losses lower nothing."""
    lost = call.moved is not None and not call.moved.finite
    if not lost and call.bad <= 0.5 and math.isfinite(call.mean):
        return None
    trouble = (
        "the weights are not finite" if lost else f"{call.bad:.0%} of the training losses are not finite"
    )
    if state.trial is not None and now.has("good"):
        reason = f"{trouble} after a raise, went back to the state before it"
        return _taken_back(state, reason, restore="good")
    if now.has("initial") and (in_start(state, now) or not state.good_calls):
        return _again(state, trouble)
    factor = _floored(now.strength, call, yard)
    back = ", went back to the last good state" if now.has("good") else ""
    return Verdict(
        state=replace(state, trial=None, blown=0),
        reason=trouble + back + _stays(factor),
        restore="good" if now.has("good") else None,
        factor=factor,
    )


def _trial(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """A raise after which all losses got worse beyond their noise: at once, or when the period ends."""
    trial = state.trial
    if trial is None or not (now.undo and now.has("good")):
        return None
    clear = SUDDEN if not now.ends_period else CLEAR
    if not _worse(call.mean, trial.mean, yard.noise, clear):
        return None
    if call.val_loss is not None and trial.val_loss is not None:
        scatter = yard.val_noise if math.isfinite(yard.val_noise) else 0.0
        if not _worse(call.val_loss, trial.val_loss, scatter, clear):
            return None
    reason = "all losses got worse after a raise, took it back"
    if yard.best >= state.trial_best:
        return _taken_back(state, reason)
    after = replace(state, trial_best=yard.best)
    return _taken_back(after, f"{reason} and went back to the state before it", restore="good")


def _too_high(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """A start at an LR that the network tells to be far too high."""
    if not (in_start(state, now) and now.lowers) or now.anneals or not call.distance > TOO_HIGH:
        return None
    learns = yard.first is None or call.mean < yard.first
    if learns and not call.distance > RUINOUS:
        return None  # a lower LR will do
    trouble = f"LR about {10**call.distance:.0f} times too high"
    return replace(_again(state, trouble), factor=10 ** (-0.8 * call.distance))


def _explosion(state: State, call: Call, yard: Yardstick, now: Situation) -> Verdict | None:
    """A loss that has lost all that was learned, two calls in a row and not coming down."""
    if not now.explosions or not _exploded(call, yard):
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
    factor = _floored(now.strength, call, yard)
    back = ", went back to the last good state" if now.has("good") else ""
    return Verdict(
        state=after,
        reason=trouble + back + _stays(factor),
        restore="good" if now.has("good") else None,
        factor=factor,
    )


_RULES: Final[tuple[Callable[[State, Call, Yardstick, Situation], Verdict | None], ...]] = (
    _broken,
    _trial,
    _too_high,
    _explosion,
)


# -- what they share --------------------------------------------------------------------------


def _again(state: State, trouble: str) -> Verdict:
    """Back to the initial state, at a tenth of the LR."""
    return Verdict(
        state=State(restarts=state.restarts + 1),
        reason=f"{trouble}, went back to the initial state",
        source="restart",
        restore="initial",
        factor=RESTART,
        fresh=True,
    )


def _taken_back(state: State, reason: str, *, restore: Restored | None = None) -> Verdict:
    assert state.trial is not None
    return Verdict(
        state=replace(state, trial=None, blown=0),
        reason=reason,
        source="trial",
        restore=restore,
        factor=1 / state.trial.factor,
    )


def _worse(value: float, before: float, noise: float, clear: float) -> bool:
    """Whether one loss is above another by so many deviations of the difference of two."""
    return value > before + clear * math.sqrt(2) * noise  # never where the noise is not known


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
    scatter = yard.val_noise if math.isfinite(yard.val_noise) else 0.0
    return call.val_loss > yard.best_val + CLEAR * scatter  # else only the objective has changed


def _floored(factor: float, call: Call, yard: Yardstick) -> float:
    """The factor, but none that carries the LR below a hundredth of one that trained well."""
    return min(1.0, max(factor, LOWEST_SHARE * yard.best_lr / call.lr))


def _stays(factor: float) -> str:
    return "; the LR stays, a hundredth of what trained well" if factor == 1 else ""
