"""From the distance that the network estimates to a move of the LR: where a raise is decided.

Far from the best LR one move takes it most of the way there. Near it the network may raise, once a period.
Source: spec/movement.md, "A closed loop of forty lines".
"""

from __future__ import annotations

import math
from typing import Final

from arc.actions import Action
from arc.decision import two_digits
from arc.history.course import Call, Course
from arc.policy import probabilities
from arc.policy.default import PAPER, Policy
from arc.policy.probabilities import Move

LOW: Final = 0.4
"""Decades below the best LR from which on it is raised,"""
HIGH: Final = 0.6
"""and above it from which on it is lowered: a bit too high early is no loss where an anneal follows."""
SHARE: Final = 0.8
"""Of the estimated distance, what one move goes."""
CERTAIN: Final = 1.0
"""Decades from which on one call at an LR tells enough; else two calls' changes have to be seen."""
SETTLED: Final = 10
"""Optimizer steps at an LR before which nothing is told: momentum needs as many to be at its speed."""
EARLY: Final = 8
"""Calls in which an LR that looks too high is lowered. Later the noise of a good LR looks alike, and the
final anneal lowers it; without one it is lowered later, too."""
AT_SPEED: Final = 10
"""Calls after which, where neither a final anneal nor a schedule lowers it, the LR aimed at falls as one over
their number: nobody says when the training ends, so at any time it has to end well (docs/results/distance.md,
unknown length),"""
FALLS: Final = 1.0
"""by so many decades at most."""
RIGHT: Final = 0.1
"""Decades up to which an LR is called about right."""
OVERFITS: Final = 3
"""Calls since the lowest validation loss after which a net may be said to overfit."""
RISE: Final = 0.02
"""Share of the lowest validation loss by which it has to have risen, beside its noise: a plateau where little
is learned yet wavers by less, and an LR lowered for good there leaves it no more."""
KEEPS: Final = 0.3
"""Factor on the LR at every call while it does: what was reached is kept (docs/results/distance.md),"""
STILL: Final = -1.0
"""down to so many decades from the best LR, where weights hardly move any more."""


def decide(
    call: Call,
    course: Course,
    *,
    policy: Policy,
    period: int,
    anneals: bool,
    scheduled: bool = False,
    overfits: int | None = None,
    most: float = math.inf,
) -> Move | None:
    """The move that follows from a call, its reason in words as the note; None where nothing is decided.

    Args:
        call: the one that ends, with what the network says of it.
        course: of the training, that call included.
        policy: the user's rules; ``PAPER`` knows the three actions alone.
        period: calls from one decision near the best LR to the next.
        anneals: whether a final anneal is to come.
        scheduled: whether a schedule of the user's moves the LR as well; then its fall is left to that.
        overfits: as :func:`overfitting` says it.
        most: factor up to which the LR may be raised, as :meth:`arc.recovery.going_back.GoingBack.most` says.
    """
    aims = 0.0 if anneals or scheduled else falls(course.count)
    distance = call.distance + aims
    if policy is not PAPER:
        move = approach(distance, course, anneals=anneals, overfits=overfits, most=most)
        if move is not None:
            return move._replace(note=in_words(call, overfits, aims=aims))
    if call.epoch % period:
        return None
    if call.estimate is None:
        return Move(Action.KEEP, 1.0, "the weights stand still")
    move = probabilities.decide(policy, call.estimate.probabilities)
    if policy is not PAPER and not allowed(move, distance, overfits=overfits, most=most):
        move = Move(Action.KEEP, 1.0)
    return move._replace(note=in_words(call, overfits, move.note, aims=aims))


def falls(calls: int) -> float:
    """Decades below the best LR that are aimed at after so many calls, where nothing else lowers it."""
    return min(math.log10(max(calls, AT_SPEED) / AT_SPEED), FALLS)


def approach(
    distance: float, course: Course, *, anneals: bool, overfits: int | None, most: float = math.inf
) -> Move | None:
    """The move that the distance asks for; None where the LR is about right, or where that is not clear yet.

    Args:
        distance: log10(LR / LR aimed at) as estimated.
        course, anneals, overfits: as for :func:`decide`.
        most: factor up to which the LR may be raised.
    """
    if course.held_steps < SETTLED:
        return None
    if overfits is not None:
        return Move(Action.LOWER, KEEPS) if distance > STILL else None
    if course.held < 2 and abs(distance) < CERTAIN:
        return None
    if distance < -LOW:
        factor = min(10 ** (-SHARE * distance), most)
        return Move(Action.RAISE, factor) if factor > 1 else None
    if distance > HIGH and not (course.count > EARLY and anneals):
        return Move(Action.LOWER, 10 ** (-SHARE * distance))
    return None


def allowed(move: Move, distance: float, *, overfits: int | None, most: float = math.inf) -> bool:
    """Whether the network's action is taken near the best LR: a raise that does not lead away from it.

    Lowering is left to the distance and to the fall at the end: a lower LR always looks better for a while.

    Args:
        move: the network's.
        distance, overfits, most: as for :func:`approach`.
    """
    if move.action is Action.RAISE:
        return overfits is None and distance <= 0 and move.multiplier <= most
    return move.action is Action.KEEP


def overfitting(course: Course, noise: float) -> int | None:
    """Calls since the lowest validation loss, where it rose clearly, twice, while training fell.

    Args:
        course: of the training.
        noise: standard deviation of a validation loss; infinite while nobody can tell.
    """
    since, val = course.since_best, course.val
    clear = max(2 * noise, RISE * abs(val.lowest))
    risen = since >= OVERFITS and min(val.before, val.last) > val.lowest + clear
    return since if risen and course.train.last < course.train_at_best else None


def in_words(call: Call, overfits: int | None, note: str = "", *, aims: float = 0.0) -> str:
    """How far the LR is off, what tells it, and which rule had a say.

    Args:
        call: with what the network says of it.
        overfits: as for :func:`decide`.
        note: a rule's words, if one had a say.
        aims: decades below the best LR that are aimed at.
    """
    side = "low" if call.distance < 0 else "high"
    off = f"LR about {two_digits(10 ** abs(call.distance))} times too {side}"
    said = ["LR about right" if abs(call.distance) < RIGHT else off]
    if call.moved is not None and not math.isnan(call.moved.shift):
        cosine = "" if math.isnan(call.moved.cosine) else f", cosine {call.moved.cosine:.2f}"
        said.append(f"the weights move {call.moved.shift:.1%} a call{cosine}")
    if overfits is not None:
        said.append(f"overfits: best validation was {overfits} calls ago")
    if aims > RIGHT:
        said.append(f"without a final anneal {two_digits(10**-aims)} of the best LR is aimed at by now")
    return "; ".join(said) + (f" ({note})" if note else "")
