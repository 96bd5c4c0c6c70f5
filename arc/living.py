"""What the process holds of a kind, where torch keeps no way to it: the garbage collector does."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import compress
from typing import TypeVar

T = TypeVar("T")


def living(kind: type[T]) -> list[T]:
    """All objects of a class and of those below it: some tens of milliseconds, for once, not for a loop.

    They are told by their exact types: asking a proxy whether it is one may wake it.

    Example:
        >>> class Kept: ...
        >>> one = Kept()
        >>> living(Kept) == [one]
        True
    """
    kinds = {kind, *_below(kind)}
    objects = gc.get_objects()
    return list(compress(objects, map(kinds.__contains__, map(type, objects))))


def _below(kind: type[T]) -> Iterator[type[T]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)
