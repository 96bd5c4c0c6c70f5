"""From the distance that the network estimates to a factor on the LR.

Far from the best LR one move takes it most of the way there. Near it the network's three actions decide, once
a period. Source: spec/movement.md, "A closed loop of forty lines".
"""

from __future__ import annotations

import math
from typing import Final

from arc.actions import Action
from arc.history.course import Course
from arc.policy.default import Move

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
final anneal lowers it; without one, or where the net overfits, it is lowered later, too."""
OVERFITS: Final = 3
"""Calls since the lowest validation loss after which a net may be said to overfit."""


def approach(
    distance: float, course: Course, *, anneals: bool, overfits: int | None, ceiling: float = math.inf
) -> Move | None:
    """The move that the distance asks for; None where the LR is about right, or where that is not clear yet.

    Args:
        distance: log10(LR / best LR) as estimated.
        course: of the training.
        anneals: whether a final anneal is to come.
        overfits: calls since the lowest validation loss where the net overfits, else None.
        ceiling: factor up to which the LR may be raised: what broke this run is not tried again.
    """
    if course.held_steps < SETTLED or (course.held < 2 and abs(distance) < CERTAIN):
        return None
    if distance < -LOW and overfits is None:
        factor = min(10 ** (-SHARE * distance), ceiling)
        return Move(Action.RAISE, factor) if factor > 1 else None
    late = course.count > EARLY
    if distance > HIGH and (not late or not anneals or overfits is not None):
        return Move(Action.LOWER, 10 ** (-SHARE * distance))
    return None


def allowed(action: Action, distance: float, *, overfits: int | None, anneals: bool) -> bool:
    """Whether the network's action is taken near the best LR: it may not lead away from it.

    Args:
        action: the network's.
        distance, overfits, anneals: as for :func:`approach`.
    """
    if action is Action.RAISE:
        return overfits is None and distance <= 0
    return action is Action.KEEP or distance >= 0


def overfitting(course: Course, noise: float) -> int | None:
    """Calls since the lowest validation loss, where it has risen beyond its noise while training fell.

    Args:
        course: of the training.
        noise: standard deviation of a validation loss; infinite while nobody can tell.
    """
    since, val = course.since_best, course.val
    risen = since >= OVERFITS and val.last > val.lowest + 2 * noise
    return since if risen and course.train.last < course.train_at_best else None
