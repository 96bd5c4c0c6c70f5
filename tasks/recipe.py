"""How a task is trained, beside its optimizer and LR: what people set in their own trainings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import torch
from torch import Tensor, nn

from tasks.errors import InputError

Precision = Literal["float32", "autocast", "bfloat16"]
PRECISIONS: Final = get_args(Precision)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The numbers of a training that belong neither to its task nor to its optimizer.

    Attributes:
        batch_size: examples of a step; None: the task's own.
        epoch_steps: optimizer steps from one validation to the next, which counts as an epoch; None: one
            pass over the training data.
        weight_decay: as the optimizer means it (decoupled for AdamW); None: the optimizer's default.
        clip: largest norm of a step's gradient; None: no clipping.
        warmup: first steps of the run, over which the LR rises linearly to what is set.
        precision: ``float32``; ``autocast`` (bfloat16 where torch deems it safe); ``bfloat16`` (parameters,
            which then move in coarse steps).

    Raises:
        InputError: a number out of range, or an unknown precision.
    """

    batch_size: int | None = None
    epoch_steps: int | None = None
    weight_decay: float | None = None
    clip: float | None = None
    warmup: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name in ("batch_size", "epoch_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"got {name}={value}, need an integer >= 1 or null")
        if self.warmup < 0:
            raise InputError(f"got warmup={self.warmup}, need steps >= 0")
        if self.clip is not None and not self.clip > 0:
            raise InputError(f"got clip={self.clip}, need a norm > 0 or null")
        if self.weight_decay is not None and not 0 <= self.weight_decay < math.inf:
            raise InputError(f"got weight_decay={self.weight_decay}, need a number >= 0 or null")
        if self.precision not in PRECISIONS:
            raise InputError(f"got precision={self.precision!r}, need one of {', '.join(PRECISIONS)}")


PLAIN: Final = Recipe()
"""Nothing but the task's and the optimizer's own numbers."""


def in_bfloat16(model: nn.Module) -> nn.Module:
    """The model with bfloat16 parameters; it takes and gives float32, so that losses stay exact."""
    model.to(torch.bfloat16)
    model.register_forward_pre_hook(lambda _, args: cast(args, torch.bfloat16))
    model.register_forward_hook(lambda _, args, output: cast(output, torch.float32))
    return model


def cast(value: Any, dtype: torch.dtype) -> Any:
    """The same tensor, or list or tuple of tensors, with what floats as ``dtype``."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, list | tuple):
        return type(value)(cast(v, dtype) for v in value)
    return value
