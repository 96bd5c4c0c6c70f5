"""The hand on the optimizer: reads and multiplies its LRs, and those of the schedulers beside it."""

from __future__ import annotations

from typing import Any

import torch

from arc.optimizers import lrs, schedules
from arc.settings import Settings


class Steering:
    """Moves all LRs of an optimizer by one factor, within the settings' bounds.

    Raises:
        RuntimeError: a scheduler that was not passed drives the optimizer.
        TypeError, ValueError: no optimizer, no usable LR, or an LR outside the bounds.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, scheduler: Any, settings: Settings) -> None:
        self._optimizer = optimizer
        self._schedulers = schedules.checked(scheduler)
        self._bounds = settings.bounds
        self.in_control = settings.mode == "control"
        before = self.read()
        for name, bound, beyond in (
            ("min_lr", settings.min_lr, lambda lr, bound: 0 < lr < bound),
            ("max_lr", settings.max_lr, lambda lr, bound: lr > bound),
        ):
            outside = [lr for lr in before if bound is not None and beyond(lr, bound)]
            if outside and not self._schedulers:  # a schedule may ramp the LR up from far below
                raise ValueError(
                    f"got lr={outside[0]} and {name}={bound}, the LR must start within the bounds"
                )

    def read(self) -> tuple[float, ...]:
        """The LR of every parameter group."""
        if self.in_control and not self._schedulers and schedules.drives(self._optimizer):
            raise RuntimeError(schedules.REMEDY)
        return lrs.read(self._optimizer, allow_zero=bool(self._schedulers) or not self.in_control)

    def move(self, multiplier: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Multiply the LRs, as far as the bounds allow; before and after. In mode ``advise`` only say so."""
        before = self.read()
        allowed = lrs.limited(multiplier, before, *self._bounds)
        if not self.in_control:
            return before, tuple(lr * allowed for lr in before)
        if allowed == 1:
            return before, before
        after = lrs.scale(self._optimizer, allowed)
        schedules.scale(self._optimizer, self._schedulers, allowed)
        return before, after
