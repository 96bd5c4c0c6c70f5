"""A progress bar for a terminal: done, rate, time left. Nothing in a pipe or a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

WIDTH: Final = 24
PAUSE: Final = 0.1
"""Seconds between two drawings."""


class Bar:
    """Redraws one line of at most 80 columns on ``stream`` while the work goes on; plain ASCII, no colour.

    Args:
        total: ticks in all, at least 1.
        title: before the bar.
        unit: what a tick is, in the plural.
        stream: standard error by default; what is no terminal gets nothing.
        clock: seconds.
    """

    def __init__(
        self,
        total: int,
        title: str,
        unit: str,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._title, self._unit, self._clock = total, title, unit, clock
        self._stream = sys.stderr if stream is None else stream
        self._done = 0
        self._began = self._drawn = clock()

    def tick(self) -> None:
        """One more is done; the last one ends the line."""
        self._done += 1
        last = self._done == self._total
        now = self._clock()
        if not self._stream.isatty() or (now - self._drawn < PAUSE and not last):
            return
        self._drawn = now
        self._stream.write("\r" + self._line(now - self._began) + ("\n" if last else ""))
        self._stream.flush()

    def _line(self, seconds: float) -> str:
        share = self._done / self._total
        rate = self._done / max(seconds, 1e-9)
        left = round((self._total - self._done) / rate)
        filled = "#" * round(WIDTH * share)
        count = f"{self._done:>{len(str(self._total))}}/{self._total} {self._unit}"
        time_left = f"{left // 60}:{left % 60:02d} left"
        return f"{self._title} [{filled:<{WIDTH}}] {count} {rate:.1f}/s {time_left}"
