"""What a network answers: the three actions, what they do to an LR, and how far it is off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple


class Action(IntEnum):
    """What to do with the LR; the value is the class index of the network.

    Source: ARC (Dong et al., 2021), section 3.1.

    Example:
        >>> Action.RAISE.multiplier
        1.618
        >>> Action["lower".upper()].label
        'lower'
    """

    RAISE = 0
    KEEP = 1
    LOWER = 2

    @property
    def multiplier(self) -> float:
        """The factor that the action puts on the LR."""
        return MULTIPLIERS[self]

    @property
    def label(self) -> str:
        """The action in lower case, as files and messages write it."""
        return self.name.lower()


MULTIPLIERS: Final[dict[Action, float]] = {Action.RAISE: 1.618, Action.KEEP: 1.0, Action.LOWER: 0.618}


class Estimate(NamedTuple):
    """What the network says of one training.

    Attributes:
        probabilities: of raise, keep, lower.
        distance: log10(LR / best LR): below 0 the LR is too low. NaN where nothing could be seen.
        spread: the mean absolute error that it expects of ``distance``, in decades; NaN likewise.
    """

    probabilities: tuple[float, float, float]
    distance: float = math.nan
    spread: float = math.nan


def probable(probabilities: Sequence[float]) -> Action:
    """The most probable action; of equal ones the first."""
    return Action(probabilities.index(max(probabilities)))


def softmax(logits: Sequence[float]) -> tuple[float, float, float]:
    """The network's three logits as probabilities of raise, keep, lower."""
    highest = max(logits)
    exponents = [math.exp(logit - highest) for logit in logits]
    total = sum(exponents)
    raise_, keep, lower = (e / total for e in exponents)
    return raise_, keep, lower
