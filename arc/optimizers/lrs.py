"""Reading and scaling the LRs of an optimizer's parameter groups."""

from __future__ import annotations

import math
from typing import Any, Final

import torch
from torch import Tensor

from arc.numbers import number

LOWEST, HIGHEST = 1e-12, 1e6
LIMITS: Final = (LOWEST, HIGHEST)
"""No move carries an LR past these, whatever the settings: float32 LRs stay clear of 0 and infinity."""


def read(optimizer: torch.optim.Optimizer, *, allow_zero: bool = False) -> tuple[float, ...]:
    """The LR of every parameter group; ``allow_zero`` lets all of them be 0 (a schedule may start there).

    Raises:
        TypeError: no optimizer.
        ValueError: an LR that is negative or not finite, or no positive LR at all.
    """
    groups = getattr(optimizer, "param_groups", None)
    if not groups:
        raise TypeError(
            f"got optimizer={type(optimizer).__name__}, need a torch optimizer (with param_groups)"
        )
    lrs = tuple(_value(group, i) for i, group in enumerate(groups))
    if not any(lrs) and not allow_zero:
        raise ValueError(f"got lr={list(lrs)}, need at least one positive LR (a group at 0 stays at 0)")
    return lrs


def _value(group: dict[str, Any], index: int) -> float:
    value = number(group.get("lr"), "lr")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"got lr={value} in parameter group {index}, need a finite LR >= 0")
    return value


def reference(lrs: tuple[float, ...]) -> float:
    """The LR that stands for all groups: the first one that is not 0; 0 if all are."""
    return next((lr for lr in lrs if lr > 0), 0.0)


def limited(multiplier: float, lrs: tuple[float, ...], min_lr: float, max_lr: float) -> float:
    """The multiplier, shortened so that every positive LR stays within the bounds; never turned around."""
    positive = [lr for lr in lrs if lr > 0]
    if not positive:
        return 1.0
    if multiplier > 1:
        return max(1.0, min(multiplier, max_lr / max(positive)))
    return min(1.0, max(multiplier, min_lr / min(positive)))


def scale(optimizer: torch.optim.Optimizer, multiplier: float) -> tuple[float, ...]:
    """Multiply every group's LR; tensor LRs are filled in place. The new LRs."""
    for group in optimizer.param_groups:
        set_group(group, number(group["lr"], "lr") * multiplier)
    return tuple(number(group["lr"], "lr") for group in optimizer.param_groups)


def set_group(group: dict[str, Any], lr: float) -> None:
    """Set one group's LR; a tensor in place, because compiled and capturable optimizers hold on to it."""
    if isinstance(group["lr"], Tensor):
        with torch.no_grad():
            group["lr"].fill_(lr)
    else:
        group["lr"] = lr
