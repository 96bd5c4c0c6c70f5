"""Other LR schedulers on the same optimizer: their base LRs move with the controller, or they are refused."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler

LR_KEYS = ("lr", "initial_lr", "max_lr", "min_lr", "swa_lr")
"""What optimizers and torch's schedulers keep in the parameter groups (OneCycleLR two of them, SWALR one)."""

REMEDY = (
    "a torch scheduler drives this optimizer and would overwrite the controller's LR: pass it as "
    "scheduler=..., so that its base_lrs are scaled too, or remove it"
)


def checked(scheduler: Any) -> tuple[LRScheduler, ...]:
    """The schedulers that were passed: None, one or several (TypeError for anything else)."""
    if scheduler is None:
        return ()
    found = tuple(scheduler) if isinstance(scheduler, list | tuple) else (scheduler,)
    for one in found:
        inner = getattr(one, "scheduler", one)  # Accelerate's wrapper
        if not isinstance(inner, LRScheduler):
            raise TypeError(f"got scheduler={one!r:.80}, need a torch.optim.lr_scheduler.LRScheduler")
    return tuple(getattr(one, "scheduler", one) for one in found)


def drives(optimizer: torch.optim.Optimizer) -> bool:
    """Whether a torch scheduler was put on the optimizer (ReduceLROnPlateau multiplies, and is none)."""
    step = getattr(optimizer, "step", None)
    return any(getattr(step, mark, False) for mark in ("_wrapped_by_lr_sched", "_with_counter"))


def scale(optimizer: torch.optim.Optimizer, schedulers: tuple[LRScheduler, ...], multiplier: float) -> None:
    """Multiply everything from which the schedulers compute the LR."""
    if not schedulers:
        return
    for group in optimizer.param_groups:
        for key in LR_KEYS[1:]:
            if key in group:
                group[key] = group[key] * multiplier
    for scheduler in schedulers:
        _scale_one(scheduler, multiplier)


def _scale_one(scheduler: Any, multiplier: float) -> None:
    for name in ("base_lrs", "max_lrs", "_last_lr"):
        values = getattr(scheduler, name, None)
        if values is not None:
            setattr(scheduler, name, [value * multiplier for value in values])
    if hasattr(scheduler, "eta_min"):  # the floor of the cosine schedules
        scheduler.eta_min = scheduler.eta_min * multiplier
    for inner in getattr(scheduler, "_schedulers", ()):
        _scale_one(inner, multiplier)
