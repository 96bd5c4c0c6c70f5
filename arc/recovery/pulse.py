"""Whether the net still learns as a whole: how far each parameter moves in a call, beside its first one."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

ALIVE: Final = 0.02
"""A net is dead where the pulse is below this: by logarithm, in the middle between the living and the dead.
The least of a run: 0.14 or more where ARC drove development tasks, zoo and regressions that learned, 0.10 at
a constant LR ten times too high, 0.0005 or less where most units no longer answer to their input. Then only
the outermost layers move, and the loss may fall on."""

Array = npt.NDArray[np.float64]


class Pulse:
    """Remembers how far each parameter tensor moved, by unit of its LR, in the first call that moved it."""

    def __init__(self) -> None:
        self._first: Array = np.empty(0)

    def beat(self, steps: Array, lrs: Array) -> float:
        """The median share that is left of the first movements, of what can be expected to be left.

        That is all, or what the fastest tenth of the parameters has left where that is less: a gradient
        that fades because the net has learned slows all parameters alike.

        Args:
            steps: norm of each parameter tensor's change in a call.
            lrs: the LR of each in that call. A tensor that stood still or has no LR says nothing.

        Returns:
            1 in the first call, about 0 for a dead net; NaN where nothing moved.
        """
        if len(self._first) != len(steps):
            self._first = np.full(len(steps), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.isfinite(steps) & (steps > 0) & (lrs > 0)
            speed = np.where(moved, steps / lrs, np.nan)
        self._first = np.where(np.isnan(self._first), speed, self._first)
        shares = (speed / self._first)[moved]
        if not len(shares):
            return math.nan
        expected = min(1.0, float(np.quantile(shares, 0.9)))
        return float(np.median(shares)) / expected

    def restart(self) -> None:
        """Forget the movements: the next call is the first."""
        self._first = np.empty(0)

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {"first": self._first.tolist()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self._first = np.asarray(state["first"], np.float64)
