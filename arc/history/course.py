"""The course of a training: its last calls in full, and of all before them a few extremes."""

from __future__ import annotations

import functools
import math
from collections import deque
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from arc.actions import Estimate
from arc.history.blocks import POINTS
from arc.history.movement import Movement

CALLS: Final = 4
"""Calls that are kept in full."""


SEEN: Final = ("lr", "steps", "val_loss", "means", "spreads")
"""What a network sees of a call, beside ``moved``; all that is kept of it in a state."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a training did between two calls of ``step()``: one record, whatever asks.

    The first six are what a network sees; the row of a trial holds no more. The rest only a live controller
    knows.

    Attributes:
        lr: the LR in force (of any one parameter group, always the same).
        steps: optimizer steps (losses recorded, those of a warmup included).
        means, spreads: the training losses as :func:`arc.history.blocks.blocks` gives them.
        val_loss: the validation loss at its end; None if there was none or none that is finite.
        moved: how the weights moved; None where they are not followed.
        epoch: its number, from 1.
        kept: losses in the buffer since the last call or before it; 0 during the warmup.
        mean: of the finite training losses; NaN if none is.
        first: the first of them that is finite; NaN likewise.
        bad: share of them that is not finite.
        blocks: means of up to :data:`~arc.history.blocks.STRETCHES` stretches of them.
        losses: the period's losses when it ends with this call; otherwise empty.
        stride: steps from one of ``losses`` to the next.
        estimate: what a network that sees movement says of it; None where it was not asked. Every rank asks
            for itself, of what all ranks know.
    """

    lr: float
    steps: int
    means: Sequence[float] = ()
    spreads: Sequence[float] = ()
    val_loss: float | None = None
    moved: Movement | None = None
    epoch: int = 0
    kept: int = 0
    mean: float = math.nan
    first: float = math.nan
    bad: float = 0.0
    blocks: Sequence[float] = ()
    losses: Sequence[float] = ()
    stride: int = 1
    estimate: Estimate | None = None

    @property
    def distance(self) -> float:
        """log10(LR / best LR) as estimated; NaN where nobody was asked."""
        return math.nan if self.estimate is None else self.estimate.distance

    @functools.cached_property
    def level(self) -> float:
        """Mean of ``means``."""
        return math.fsum(self.means) / len(self.means)

    @functools.cached_property
    def spread(self) -> float:
        """Mean of ``spreads``."""
        return math.fsum(self.spreads) / len(self.spreads)

    @functools.cached_property
    def points(self) -> npt.NDArray[np.float64]:
        """``means`` and ``spreads``, each stretched to :data:`~arc.history.blocks.POINTS`: (2, POINTS)."""
        both = np.array([self.means, self.spreads], dtype=np.float64)
        count = both.shape[1]
        return both if count == POINTS else both[:, np.arange(POINTS) * count // POINTS]

    def as_dict(self) -> dict[str, Any]:
        """What a network sees, as plain types; :meth:`from_dict` reads them."""
        moved = None if self.moved is None else {k: _plain(v) for k, v in asdict(self.moved).items()}
        return {name: _plain(getattr(self, name)) for name in SEEN} | {"moved": moved}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What :meth:`as_dict` described."""
        saved: dict[str, Any] | None = values["moved"]
        made: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in (saved or {}).items()}
        return cls(**{**values, "moved": Movement(**made) if saved is not None else None})


class Extremes:
    """Of a row of values: the first, the last two, the lowest and the highest.

    Attributes:
        lowest_at: number of the call with the lowest one.
    """

    def __init__(self, **saved: Any) -> None:
        self.first: float = math.nan
        self.before: float = math.nan
        self.last: float = math.nan
        self.lowest: float = math.inf
        self.highest: float = -math.inf
        self.lowest_at = 0
        self.count = 0
        vars(self).update(saved)

    def add(self, value: float, call: int) -> bool:
        """The value of a call; whether it is the lowest so far."""
        self.first = self.first if self.count else value
        self.before, self.last = self.last, value
        self.count += 1
        self.highest = max(self.highest, value)
        if value >= self.lowest:
            return False
        self.lowest, self.lowest_at = value, call
        return True


class Course:
    """A training since it began, or since it last began anew.

    Attributes:
        calls: the last :data:`CALLS` of them, oldest first.
        count: all of them.
        held: those at the present LR.
        held_steps: optimizer steps at the present LR.
        first_lr: LR of the first one.
        train, val: mean training losses of the calls, and validation losses.
        train_at_best: mean training loss of the call with the lowest validation loss; NaN without one.
    """

    def __init__(self) -> None:
        self.calls: deque[Call] = deque(maxlen=CALLS)
        self.count = 0
        self.held = 0
        self.held_steps = 0
        self.first_lr: float = math.nan
        self.train, self.val = Extremes(), Extremes()
        self.train_at_best: float = math.nan

    def add(self, call: Call) -> None:
        """The call that ends now."""
        same = bool(self.calls) and math.isclose(call.lr, self.calls[-1].lr)
        self.held = self.held + 1 if same else 1
        self.held_steps = self.held_steps + call.steps if same else call.steps
        self.first_lr = self.first_lr if self.count else call.lr
        self.count += 1
        self.calls.append(call)
        self.train.add(call.level, self.count)
        if call.val_loss is not None and self.val.add(call.val_loss, self.count):
            self.train_at_best = call.level

    @property
    def since_best(self) -> int:
        """Calls since the lowest validation loss; 0 without one."""
        return self.count - self.val.lowest_at if self.val.count else 0

    def copy(self) -> Self:
        """The same, to come back to."""
        found = copy(self)
        found.calls, found.train, found.val = self.calls.copy(), copy(self.train), copy(self.val)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        plain = {
            name: getattr(self, name) for name in ("count", "held", "held_steps", "first_lr", "train_at_best")
        }
        calls = [call.as_dict() for call in self.calls]
        return plain | {"calls": calls, "train": dict(vars(self.train)), "val": dict(vars(self.val))}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The course of a :meth:`state_dict`."""
        found = cls()
        found.calls.extend(Call.from_dict(call) for call in state["calls"])
        found.train, found.val = Extremes(**state["train"]), Extremes(**state["val"])
        found.count, found.held = int(state["count"]), int(state["held"])
        found.held_steps = int(state["held_steps"])
        found.first_lr, found.train_at_best = float(state["first_lr"]), float(state["train_at_best"])
        return found


def _plain(value: Any) -> Any:
    return [float(v) for v in value] if isinstance(value, list | tuple) else value
