"""Copies of what a checkpoint is made of."""

from __future__ import annotations

from typing import Any

from torch import Tensor


def cloned(value: Any) -> Any:
    """A copy of tensors in dicts, lists and tuples; other values stay."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {k: cloned(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(cloned(v) for v in value)
    return value


def size_of(value: Any) -> int:
    """Bytes of all tensors in dicts, lists and tuples."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return sum(size_of(v) for v in value.values())
    if isinstance(value, list | tuple):
        return sum(size_of(v) for v in value)
    return 0
