"""What users' tensors hold: one number, or of a sharded one this rank's part."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch.distributed as dist
from torch import Tensor


def number(value: Any, name: str) -> float:
    """``value`` as a float: a real number, or a tensor or array with one (TypeError, ValueError)."""
    if type(value) is float:
        return value
    if isinstance(value, Tensor):
        value = value.detach()
    if isinstance(value, Tensor | np.ndarray):
        if value.size != 1 if isinstance(value, np.ndarray) else value.numel() != 1:
            raise ValueError(f"got {name} of shape {tuple(value.shape)}, need one value")
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(
            f"got {name}={value!r:.80} ({type(value).__name__}), need a real number{_inside(value)}"
        )
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"got {name}={value!r:.40}, which is too large for a float") from error


def _inside(value: Any) -> str:
    """Where the number is in what a model or an evaluation gave instead of it."""
    if isinstance(value, Mapping) and value:
        return f", one of its values: {', '.join(repr(key) for key in value):.80}"
    return ": write .loss" if hasattr(value, "loss") else ""


def local(tensor: Tensor) -> Tensor:
    """The tensor itself, without a graph; of a DTensor this rank's shard, sharing its memory."""
    tensor = tensor.detach()
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def rank() -> int:
    """This process's rank: the process group's, else ``RANK``'s, else 0."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank()
    return int(os.environ.get("RANK", "0"))
