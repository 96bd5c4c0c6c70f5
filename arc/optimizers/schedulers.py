"""torch's LR schedulers on the same optimizers: scaled along, or refused. torch's private names are here.

``tests/arc/optimizers/test_torch_names.py`` says when torch changes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from arc.living import living

LR_KEYS: Final = ("lr", "initial_lr", "max_lr", "min_lr", "swa_lr")
"""What optimizers and torch's schedulers keep in the parameter groups (OneCycleLR two of them, SWALR one)."""

MARKS: Final = ("_wrapped_by_lr_sched", "_with_counter")
"""Attributes that torch's schedulers put on ``optimizer.step``: since torch 2.4, and before."""
LISTS: Final = ("base_lrs", "max_lrs", "_last_lr")
"""Lists of LRs, one per group, that schedulers compute the next LR from, or report."""
FALLING: Final = frozenset(
    ("CosineAnnealingLR", "OneCycleLR", "PolynomialLR", "ExponentialLR", "StepLR", "MultiStepLR")
)
"""Schedules that are meant to end low."""
FLOOR: Final = "eta_min"
"""The floor of the cosine schedules."""
PARTS: Final = "_schedulers"
"""The schedulers inside SequentialLR and ChainedScheduler."""

REMEDY: Final = (
    "a torch scheduler drives this optimizer and would overwrite the controller's LR: pass it as "
    "scheduler=..., so that its base_lrs are scaled too, or remove it"
)


def checked(scheduler: Any) -> tuple[Any, ...]:
    """The schedulers that were passed: None, one or several (TypeError for anything else)."""
    if scheduler is None:
        return ()
    found = tuple(scheduler) if isinstance(scheduler, list | tuple) else (scheduler,)
    for one in found:
        inner = getattr(one, "scheduler", one)  # Accelerate's wrapper
        if not isinstance(inner, LRScheduler | ReduceLROnPlateau):
            raise TypeError(f"got scheduler={one!r:.80}, need a torch.optim.lr_scheduler.LRScheduler")
    return tuple(getattr(one, "scheduler", one) for one in found)


def drives(optimizer: Any) -> bool:
    """Whether a torch scheduler was put on the optimizer (ReduceLROnPlateau multiplies, and is none)."""
    step = getattr(optimizer, "step", None)
    return any(getattr(step, mark, False) for mark in MARKS)


def strangers(optimizers: Sequence[Any], passed: Sequence[Any]) -> bool:
    """Whether a scheduler that was not passed drives one of the optimizers."""
    if not passed:
        return any(map(drives, optimizers))
    if len(optimizers) == 1:  # wrapped optimizers need not be the scheduler's own object
        return False
    known = {id(_unwrapped(scheduler.optimizer)) for scheduler in _with_parts(passed)}
    return any(drives(one) and id(_unwrapped(one)) not in known for one in optimizers)


def has_plateau(optimizers: Sequence[Any]) -> bool:
    """Whether a ``ReduceLROnPlateau`` is on one of the optimizers.

    It leaves no mark on them, so all that live are looked through: for once, not for a loop.
    ``arc.Scheduler`` is one by type only.
    """
    ours = {id(_unwrapped(one)) for one in optimizers}
    return any(
        id(_unwrapped(found.optimizer)) in ours
        for found in living(ReduceLROnPlateau)
        if hasattr(found, "optimizer") and not hasattr(found, "controller")
    )


def falling(schedulers: Sequence[Any]) -> list[str]:
    """Names of those whose kind ends a training with an LR near zero; a LambdaLR tells nothing of its end."""
    names = [type(one).__name__ for one in _with_parts(schedulers) if getattr(one, "gamma", 0.0) < 1]
    return sorted(set(names) & FALLING)


def scale(groups: Sequence[Any], schedulers: Sequence[Any], multiplier: float) -> None:
    """Multiply everything from which the schedulers compute the LR, but for the LR itself."""
    if not schedulers:
        return
    for group in {id(group): group for group in groups}.values():
        for key in LR_KEYS[1:]:
            if key in group:
                group[key] = group[key] * multiplier
    for scheduler in _with_parts(schedulers):
        _scale_one(scheduler, multiplier)


def _scale_one(scheduler: Any, multiplier: float) -> None:
    for name in LISTS:
        values = getattr(scheduler, name, None)
        if values is not None:
            setattr(scheduler, name, [value * multiplier for value in values])
    if hasattr(scheduler, FLOOR):
        setattr(scheduler, FLOOR, getattr(scheduler, FLOOR) * multiplier)


def _with_parts(schedulers: Sequence[Any]) -> list[Any]:
    """The schedulers and all inside them, each once."""
    found: dict[int, Any] = {}
    waiting = list(schedulers)
    while waiting:
        one = waiting.pop()
        if id(one) not in found:
            found[id(one)] = one
            waiting += getattr(one, PARTS, ())
    return list(found.values())


def _unwrapped(optimizer: Any) -> Any:
    return getattr(optimizer, "optimizer", optimizer)
