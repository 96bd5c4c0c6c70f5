"""Optimizer names to factories, with torch's defaults but for momentum; and what our own optimizers share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import torch
from torch import nn

from tasks.base import TaskError
from tasks.errors import near_misses
from tasks.lean_adam import LeanAdam, LeanAdamW

Factory = Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer]
Range = tuple[float, float]

# Fused and foreach kernels compute the same update in fewer calls.
OPTIMIZERS: dict[str, Factory] = {
    "adam": lambda params, lr: LeanAdam(params, lr=lr, fused=True),
    "adamw": lambda params, lr: LeanAdamW(params, lr=lr, fused=True),
    "sgd": lambda params, lr: torch.optim.SGD(params, lr=lr, fused=True),
    "momentum": lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9, fused=True),
    "rmsprop": lambda params, lr: torch.optim.RMSprop(params, lr=lr, foreach=True),
}

OWN = "own"
"""Stands for what :meth:`tasks.base.Task.optimizer` returns."""


def check(name: str) -> None:
    """TaskError for a name that is neither an optimizer's nor :data:`OWN`; it lists near misses."""
    if name != OWN:
        get(name)


def get(name: str) -> Factory:
    """The optimizer called ``name``; TaskError lists near misses."""
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    raise TaskError(f"no optimizer {name!r}; {near_misses(name, [*OPTIMIZERS, OWN])}")


def lr_ranges(
    adaptive: Range, *, sgd: Range | None = None, momentum: Range | None = None
) -> dict[str, Range]:
    """A task's ``lr_range``: the lowest and the highest initial LR of every optimizer.

    Args:
        adaptive: of Adam, AdamW and RMSprop.
        sgd: of plain SGD; as the adaptive ones where it is None.
        momentum: of SGD with momentum; likewise.
    """
    return dict.fromkeys(("adam", "adamw", "rmsprop"), adaptive) | {
        "sgd": sgd or adaptive,
        "momentum": momentum or adaptive,
    }


USUAL_LRS: Final = lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0))
"""From too low to diverging for most nets of mini and medium scale; others write their own."""
LOW_SGD_LRS: Final = lr_ranges((1e-5, 1e0), sgd=(1e-4, 1e1), momentum=(1e-5, 1e0))
"""The same where plain SGD diverges sooner: squared errors, detection by focal losses."""
