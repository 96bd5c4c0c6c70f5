"""Numbers of a trial that are fixed or drawn: one value, or a range of which one is drawn log-uniformly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tasks.errors import InputError

Draw = float | tuple[float, float] | None
"""A fixed value, a range (lowest, highest), or None: whatever the task or the optimizer has."""


def parsed(name: str, given: Any) -> Draw:
    """A key of the command line: null, a number >= 0, or [lowest, highest] (InputError)."""
    if given is None:
        return None
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given < math.inf:
        return given
    if isinstance(given, list | tuple) and len(given) == 2:
        low, high = given
        if all(isinstance(v, int | float) for v in given) and 0 < low <= high < math.inf:
            return low, high
    raise InputError(f"got {name}={given}, need a number >= 0, [lowest, highest] with 0 < lowest, or null")


def drawn(asked: Draw, rng: np.random.Generator) -> float | None:
    """The value of one trial. A fixed value draws nothing."""
    if not isinstance(asked, tuple):
        return asked
    low, high = asked
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def whole(asked: Draw, rng: np.random.Generator) -> int | None:
    """The same as an integer."""
    value = drawn(asked, rng)
    return None if value is None else round(value)


def power_of_two(asked: Draw, rng: np.random.Generator) -> int | None:
    """The same for a batch size: a drawn one becomes the nearest power of two, a fixed one stays."""
    value = drawn(asked, rng)
    if value is None or not isinstance(asked, tuple):
        return None if value is None else round(value)
    return int(2 ** round(math.log2(value)))
