"""LRs in parameter groups: read, written and multiplied, here and nowhere else in the package."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from arc.tensors import number

LOWEST, HIGHEST = 1e-12, 1e6
LIMITS: Final = (LOWEST, HIGHEST)
"""No move carries an LR past these, whatever the settings: float32 LRs stay clear of 0 and infinity."""


def listed(optimizer: Any) -> list[Any]:
    """One optimizer or several as a list; what ``accelerator.prepare`` returns without its wrapper.

    Raises:
        TypeError: something without ``param_groups``, an empty list, one optimizer twice.
    """
    found = list(optimizer) if isinstance(optimizer, list | tuple) else [optimizer]
    # the wrapper is an optimizer by type only: it takes no hooks, and schedulers leave no mark on it
    wrapper = getattr(sys.modules.get("accelerate.optimizer"), "AcceleratedOptimizer", ())
    found = [one.optimizer if isinstance(one, wrapper) else one for one in found]
    for one in found or [optimizer]:
        if not getattr(one, "param_groups", None):
            raise TypeError(
                f"got optimizer={type(one).__name__}, need a torch optimizer (with param_groups) "
                "or a list of them"
            )
    if len({id(one) for one in found}) < len(found):
        raise TypeError("got the same optimizer twice in the list, pass each one once")
    return found


def values(groups: Sequence[Mapping[str, Any]], *, allow_zero: bool = False) -> tuple[float, ...]:
    """The LR of every group; ``allow_zero`` lets all of them be 0 (a schedule may start there).

    Raises:
        ValueError: an LR that is negative or not finite, or no positive LR at all.
    """
    lrs = tuple(_value(group, i) for i, group in enumerate(groups))
    if not any(lrs) and not allow_zero:
        raise ValueError(f"got lr={list(lrs)}, need at least one positive LR (a group at 0 stays at 0)")
    return lrs


def read(optimizer: Any, *, allow_zero: bool = False) -> tuple[float, ...]:
    """:func:`values` of all groups of one optimizer or several (TypeError for none)."""
    groups = [group for one in listed(optimizer) for group in one.param_groups]
    return values(groups, allow_zero=allow_zero)


def _value(group: Mapping[str, Any], index: int) -> float:
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


def scale(groups: Sequence[Any], multiplier: float) -> tuple[float, ...]:
    """Multiply every group's LR, each shared one once. The new LRs."""
    write(groups, [number(group["lr"], "lr") * multiplier for group in groups])
    return tuple(number(group["lr"], "lr") for group in groups)


def write(groups: Sequence[Any], lrs: Iterable[float]) -> None:
    """Set every group's LR.

    A tensor is filled in place, because compiled and capturable optimizers hold on to it; where several
    groups share one it gets the first one's value.
    """
    written: set[int] = set()
    for group, lr in zip(groups, lrs, strict=True):
        old = group["lr"]
        target = old if isinstance(old, Tensor) else group
        if id(target) in written:
            continue
        written.add(id(target))
        if isinstance(old, Tensor):
            with torch.no_grad():
                old.fill_(lr)
        else:
            group["lr"] = lr


def load_state(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> None:
    """Load a copy of an optimizer's state; tensor LRs stay the same tensors (compiled steps hold them)."""
    tensors = [group["lr"] for group in optimizer.param_groups]
    optimizer.load_state_dict(copy.deepcopy(state_dict))
    for group, lr in zip(optimizer.param_groups, tensors, strict=True):
        if isinstance(lr, Tensor):
            group["lr"] = lr.fill_(float(group["lr"]))
