"""SVHN, or what stands in for it."""

from __future__ import annotations

from tasks.base import Source, Splits, TaskError
from tasks.data.digits import house_numbers


def load(source: Source, *, examples: tuple[int, int, int], size: int, classes: int) -> Splits:
    """Images of ``size`` x ``size`` pixels: ``image`` uint8 (n, 3, size, size), ``label`` int64 (n,)."""
    if source.kind == "embedded":
        train, val, test = examples
        return house_numbers(train=train, val=val, test=test, size=size)
    raise TaskError("not yet")
