"""Whether the net still learns as a whole: how far each parameter moves in a call, beside its first one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

ALIVE: Final = 0.02
"""A net is dead where the pulse is below this: by logarithm, in the middle between the living and the dead.
The least of a run: 0.14 or more where ARC drove development tasks, zoo and regressions that learned, 0.10 at
a constant LR ten times too high, 0.0005 or less where most units no longer answer to their input. Then only
the outermost layers move, and the loss may fall on."""


class Pulse:
    """Remembers how far each parameter moved, by unit of LR, in the first call that moved it."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}

    def beat(self, moved: Mapping[str, float], lr: float) -> float:
        """The median share that is left of the first movements, of what can be expected to be left.

        That is all, or what the fastest tenth of the parameters has left where that is less: a gradient
        that fades because the net has learned slows all parameters alike.

        Args:
            moved: norm of each trained parameter's change in a call.
            lr: of that call.

        Returns:
            1 in the first call, about 0 for a dead net; NaN where nothing moved.
        """
        if not lr > 0:
            return math.nan
        for name, norm in moved.items():
            if math.isfinite(norm) and norm > 0:
                self._first.setdefault(name, norm / lr)
        shares = [norm / lr / self._first[name] for name, norm in moved.items() if name in self._first]
        if not shares or not all(map(math.isfinite, shares)):
            return math.nan
        expected = min(1.0, float(np.quantile(shares, 0.9)))
        return float(np.median(shares)) / expected if expected > 0 else math.nan

    def restart(self) -> None:
        """Forget the movements: the next call is the first."""
        self._first = {}

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        return dict(self._first)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self._first = {name: float(norm) for name, norm in state.items()}
