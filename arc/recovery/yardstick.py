"""What is normal for this run: the level of its losses, how much they scatter, and its best call.

A single loss is no yardstick: at batch size 1 it is noise. What is measured by are means of calls, and how
much those scatter.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from arc.history.course import Call

SEEN: Final = 12
"""Calls that the scatter is taken of, the last good ones."""
LEAST: Final = 5
"""Calls from which on the scatter from call to call is known."""
GRAIN: Final = 0.01
"""Share of the range of all calls' means that counts as noise at least: a full batch has none."""
_MAD: Final = 1.4826  # median absolute deviation to standard deviation, of a normal distribution


class Yardstick:
    """Knows the losses of the run so far.

    Attributes:
        first: level of the training loss at the run's very start; None before the first call.
        best: lowest mean training loss of a good call; infinite before the first.
        best_lr: the reference LR of that call: one that this run has trained well with.
        highest: highest mean training loss of a good call.
    """

    def __init__(self) -> None:
        self.first: float | None = None
        self._first_noise = math.inf
        self.restart()

    def restart(self) -> None:
        """Forget all but the level at the start: the net is where it was then."""
        self.best, self.highest = math.inf, -math.inf
        self.best_lr = 0.0
        self._within: deque[float] = deque(maxlen=SEEN)
        self._means: deque[float] = deque(maxlen=SEEN)
        self._vals: deque[float] = deque(maxlen=SEEN)

    def begin(self, call: Call) -> None:
        """Take the level of the run's start from its first call.

        That is its first loss, or the mean of its first stretch where that is lower: at too high an LR the
        first stretch is far above where the net began.
        """
        if self.first is None and call.blocks:
            first = call.blocks[0]
            self.first = first if math.isnan(call.first) else min(first, call.first)
            self._first_noise = _scatter(call.blocks)

    def add(self, call: Call) -> None:
        """Remember a good call."""
        if call.mean < self.best:
            self.best, self.best_lr = call.mean, call.lr
        self.highest = max(self.highest, call.mean)
        self._means.append(call.mean)
        if len(call.blocks) >= LEAST:
            self._within.append(_scatter(call.blocks) / math.sqrt(len(call.blocks)))
        if call.val_loss is not None:
            self._vals.append(call.val_loss)

    @property
    def noise(self) -> float:
        """Standard deviation of a call's mean training loss; infinite while nobody can tell."""
        found = [median(self._within)] if self._within else []
        if len(self._means) >= LEAST:
            found.append(_scatter(self._means))
        if not found:
            return math.inf
        return max(*found, GRAIN * (self.highest - self.best), 1e-12 * abs(self.best))

    @property
    def val_noise(self) -> float:
        """That of a validation loss."""
        if len(self._vals) < LEAST:
            return math.inf
        grain = GRAIN * (max(self._vals) - min(self._vals))
        return max(_scatter(self._vals), grain, 1e-12 * abs(self._vals[-1]))

    @property
    def val_scatter(self) -> float:
        """The same, and 0 while nobody can tell."""
        return self.val_noise if math.isfinite(self.val_noise) else 0.0

    def fallen(self, call: Call) -> float:
        """Share of where the run began that the training loss of a call has come down by, at its lowest."""
        if not self.first or not call.blocks:
            return 0.0
        return (self.first - min(call.blocks)) / abs(self.first)

    def worse(self, call: Call, mean: float, val_loss: float | None, clear: float) -> bool:
        """Whether the losses of a call are above these by so many deviations of the difference of two.

        Never where the noise of training losses is not known; validation losses count where both are there.
        """
        beyond = clear * math.sqrt(2)
        if not call.mean > mean + beyond * self.noise:
            return False
        if call.val_loss is None or val_loss is None:
            return True
        return call.val_loss > val_loss + beyond * self.val_scatter

    @property
    def start_noise(self) -> float:
        """How well the level at the start is known; infinite while nobody can tell."""
        return self._first_noise

    @property
    def last(self) -> float:
        """The mean training loss of the last good call; infinite before the first."""
        return self._means[-1] if self._means else math.inf

    @property
    def val_loss(self) -> float | None:
        """The last validation loss of a good call."""
        return self._vals[-1] if self._vals else None

    @property
    def best_val(self) -> float:
        """The lowest of the last validation losses; infinite without one."""
        return min(self._vals, default=math.inf)

    @property
    def learned(self) -> bool:
        """Whether the training loss has clearly fallen below its level at the start."""
        if self.first is None:
            return False
        return self.first - self.best > 4 * max(self.noise, self.start_noise)

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "first": self.first,
            "first_noise": self._first_noise,
            "best": self.best,
            "best_lr": self.best_lr,
            "highest": self.highest,
            "within": list(self._within),
            "means": list(self._means),
            "vals": list(self._vals),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.restart()
        self.first, self._first_noise = state["first"], float(state["first_noise"])
        self.best, self.best_lr = float(state["best"]), float(state["best_lr"])
        self.highest = float(state["highest"])
        self._within.extend(state["within"])
        self._means.extend(state["means"])
        self._vals.extend(state["vals"])


def _scatter(values: Sequence[float] | deque[float]) -> float:
    """Robust standard deviation of values about a curve, from their second differences.

    Infinite for fewer than :data:`LEAST`.
    """
    row = list(values)
    if len(row) < LEAST:
        return math.inf
    bends = [a - 2 * b + c for a, b, c in zip(row, row[1:], row[2:], strict=False)]
    middle = median(bends)
    return (
        _MAD * median(abs(bend - middle) for bend in bends) / math.sqrt(6)
    )  # of white noise: 1, 2, 1 squared


def median(values: Iterable[float]) -> float:
    """The middle of one value or more; importing ``statistics`` for it costs a twentieth of our import."""
    row = sorted(values)
    middle = len(row) // 2
    return row[middle] if len(row) % 2 else (row[middle - 1] + row[middle]) / 2
