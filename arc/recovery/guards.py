"""What counts as a loss that has left the rails, and as a start that ruined the net."""

from __future__ import annotations

import math
from typing import Any, Final

from arc.history.report import Report

EXPLOSION: Final = 10.0
"""A mean loss is exploded when it is this many times the span of all earlier losses above their lowest."""
FALLEN: Final = 0.1
"""Share of the largest earlier loss that counts as a clear fall. A mean loss that has fallen clearly and is
back at the run's first loss is exploded too; and the span counts as at least this share, so that a flat
start is no alarm."""
MOVED: Final = 0.1
"""A start is ruined only if the parameters moved by this share of their norm: with a far too low LR the
loss also stays where it was, and there lowering would be wrong."""
SPIKE: Final = 3.0
"""A start is also ruined if a loss was this many times the run's first: an optimizer that normalises its
steps may come down from there, but not to where a good start leads (measured: 2.4 times the loss)."""
FAR: Final = 1.0
"""An LR is suspected of being far too high if the parameters moved by this share of their norm in the first
call. Measured on the development tasks: 0.09 to 0.9 at the best LR, 1.2 to 18 a decade above it."""
AS_FAR: Final = 0.5
"""A second start at a lower LR is kept if the loss fell by this share of what it fell at the first: an LR
that is too low is soon raised, what an LR that is too high has spoilt stays spoilt."""
STILL: Final = 0.05
"""A net is still where it began if its parameters moved by less than this share of their norm. Measured after
three calls: 0.001 to 0.05 at an LR 1.5 decades or more below the best one, 0.2 to 1.4 at the best."""
START_PERIODS: Final = 3
"""Periods that count as the start."""


class LossWatch:
    """Knows the losses of the run so far."""

    def __init__(self) -> None:
        self.first: float | None = None
        self._low = math.inf
        self._high = -math.inf
        self._best = math.inf  # lowest mean of a call

    def trouble(self, report: Report, *, explosions: bool) -> str:
        """What is wrong with a call's losses, in words; empty if nothing is. Good calls are remembered.

        Not finite is always wrong. With ``explosions`` the mean training loss must also stay below
        :attr:`limit`.
        """
        if not math.isfinite(report.mean):
            return "training loss is not finite"
        if report.val_loss is not None and not math.isfinite(report.val_loss):
            return "validation loss is not finite"
        if explosions and report.mean >= self.limit:
            return f"training loss exploded to {report.mean:.3g} (was {self._low:.3g} to {self._high:.3g})"
        self.first = report.first if self.first is None else self.first
        self._low, self._high = min(self._low, report.low), max(self._high, report.high)
        self._best = min(self._best, report.mean)
        return ""

    @property
    def limit(self) -> float:
        """The mean loss that counts as exploded: the run's first one, once a call's mean was clearly lower.

        Before that low + 10 max(high - low, m / 10), with the extreme losses of the run so far and
        m = max(abs(low), abs(high)); infinite before the first call.
        """
        if self.first is None:
            return math.inf
        clear = FALLEN * max(abs(self._low), abs(self._high))
        if self.first - self._best > clear:
            return self.first
        return self._low + EXPLOSION * max(self._high - self._low, clear)

    def ruined(self, report: Report) -> bool:
        """Whether the training losses are at or above the first, or were far above, and the net moved."""
        if self.first is None or not report.moved >= MOVED:
            return False
        return report.mean >= self.first or self._high >= SPIKE * self.first > 0

    def restart(self) -> None:
        """Forget all losses but the run's first: the net is where it was then."""
        self._best = math.inf
        if self.first is not None:
            self._low = self._high = self.first

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {"first": self.first, "low": self._low, "high": self._high, "best": self._best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.first, self._best = state["first"], float(state["best"])
        self._low, self._high = float(state["low"]), float(state["high"])
