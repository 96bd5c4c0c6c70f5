"""How long a method takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")


class Clock:
    """Wall and CPU time of what runs inside it."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._wall
        self.cpu += time.thread_time() - self._cpu

    def time(self, iterator: Iterator[T]) -> T | None:
        """The next of an iterator, or None at its end; timed."""
        with self:
            return next(iterator, None)
