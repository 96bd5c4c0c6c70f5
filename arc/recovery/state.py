"""Where a run stands, what else decides, and what follows: what the rules of ``phases.py`` read and write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal, NamedTuple

from arc.history.course import Call

Restored = Literal["initial", "good"]
Source = Literal["network", "guard", "restart", "trial", "anneal", "schedule"]

DOUBTFUL: Final = 0.4
"""Decades above the best LR from which on the trial of a raise goes on,"""
LONGEST: Final = 4
"""and the calls after which it ends in any case."""

RESTARTS: Final = 8
"""Most ways back to the initial state in a run."""
UNKNOWN_LENGTH: Final = 20
"""Calls (or six periods, if that is more) in which a run of unknown length may still begin again."""


class Trial(NamedTuple):
    """The call after which the LR was raised: its losses, the factor, its number; and the new LR."""

    mean: float
    val_loss: float | None
    factor: float
    call: int = 0
    lr: float = 0.0

    def holds(self, call: Call) -> bool:
        """Whether the LR is the one that it was raised to: another's distance says nothing of the raise."""
        return math.isclose(call.lr, self.lr, rel_tol=1e-3)

    def judged(self, call: Call) -> bool:
        """Whether it has lasted long enough to be judged, where a period ends: two calls."""
        return call.epoch > self.call + 1

    def ends(self, call: Call, *, ends_period: bool, worse: bool) -> bool:
        """Whether it ends with a call: when it is judged, or a little later where it is in doubt.

        Args:
            call: the one that ends.
            ends_period: whether a period ends with it.
            worse: whether its training loss is worse than before the raise.
        """
        doubtful = worse or (call.distance > DOUBTFUL and self.holds(call))
        last = call.epoch >= self.call + LONGEST
        return ends_period and self.judged(call) and (last or not doubtful)


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a run stands.

    Attributes:
        good_calls: calls without trouble since the initial state.
        restarts: ways back to it so far.
        blown: calls in a row with an exploded loss; ``blown_mean`` is the last one's mean.
        trial: while a raise is on trial.
        exploded_best, trial_best, leapt_best: best mean when an explosion, a failed trial, a leap last led
            back: without a better one since, the same reason does not lead back again.
    """

    good_calls: int = 0
    restarts: int = 0
    blown: int = 0
    blown_mean: float = math.inf
    trial: Trial | None = None
    exploded_best: float = math.inf
    trial_best: float = math.inf
    leapt_best: float = math.inf

    def moved(self, call: Call, factor: float) -> State:
        """The same after a decision that moved the LR: a raise is on trial, what is lowered of it is less."""
        trial = self.trial
        if factor > 1:
            trial = Trial(call.mean, call.val_loss, factor, call.epoch, factor * call.lr)
        elif trial is not None:
            trial = trial._replace(factor=max(1.0, factor * trial.factor))
        return replace(self, trial=trial)

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
        strength: factor on the LR of a way back to the last good state, or of none.
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


def in_start(state: State, now: Situation) -> bool:
    """Whether what ruins the run leads back to the initial state."""
    start = state.good_calls < now.start_calls and state.restarts < RESTARTS
    return start and now.has("initial") and now.relearns


def relearns(epoch: int, total: int | None, period: int) -> bool:
    """Whether what is left of a run after ``epoch`` calls would do to begin again."""
    return 2 * epoch <= total if total else epoch <= max(UNKNOWN_LENGTH, 6 * period)


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


def again(state: State, trouble: str, factor: float) -> Verdict:
    """Back to the initial state, at another LR."""
    return Verdict(
        state=State(restarts=state.restarts + 1),
        reason=f"{trouble}, went back to the initial state",
        source="restart",
        restore="initial",
        factor=factor,
        fresh=True,
    )


def taken_back(state: State, reason: str, *, restore: Restored | None = None) -> Verdict:
    """A failed trial: the LR from before the raise, with a copy or without."""
    assert state.trial is not None
    return Verdict(
        state=replace(state, trial=None, blown=0),
        reason=reason,
        source="trial",
        restore=restore,
        factor=1 / state.trial.factor,
    )
