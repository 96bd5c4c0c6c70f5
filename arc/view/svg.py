"""A small chart as SVG text: lines over epochs, marks with a tooltip. No package, no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

LEFT, RIGHT, TOP, BOTTOM = 58, 12, 26, 34
SHAPES: Final = {"raise": "M0,-6 6,5 -6,5Z", "keep": "M-4,-4H4V4H-4Z", "lower": "M0,6 6,-5 -6,-5Z"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A named line; ``kind`` is its CSS class. Values that are not finite leave a gap."""

    name: str
    kind: str
    points: Sequence[tuple[float, float]]
    steps: bool = False


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A decision: where it was made, which action, and the words that its tooltip shows."""

    x: float
    y: float
    action: str
    words: str


def chart(
    title: str, lines: Sequence[Line], marks: Sequence[Mark] = (), *, width: int, height: int, log: bool
) -> str:
    """The chart; it scales with the page, its text with it.

    Args:
        title: above the chart, and its name for a screen reader.
        lines: at least one.
        marks: drawn above the lines.
        width, height: of the drawing, in CSS pixels where it is not scaled.
        log: a logarithmic y-axis; values at or below 0 leave a gap.
    """
    shown = [p for line in lines for p in line.points if _drawable(p[1], log)]
    calls = [x for line in lines for x, _ in line.points]
    frame = _Frame(calls, [y for _, y in shown], width, height, log)
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">']
    parts += frame.axes()
    parts.append(f'<text class="title" x="{LEFT}" y="16">{escape(title)}</text>')
    parts += [_path(line, frame, log) for line in lines]
    at = float(width - RIGHT)
    for line in reversed(lines if len(lines) > 1 else []):
        parts.append(f'<text class="name {line.kind}" x="{at:.0f}" y="16">{escape(line.name)}</text>')
        at -= 7.0 * len(line.name) + 14
    for mark in marks:
        if _drawable(mark.y, log):
            place = f"translate({frame.x(mark.x):.1f} {frame.y(mark.y):.1f})"
            path = f'<path d="{SHAPES[mark.action]}"><title>{escape(mark.words)}</title></path>'
            parts.append(f'<g class="mark {mark.action}" transform="{place}">{path}</g>')
    return "\n".join([*parts, "</svg>"])


class _Frame:
    """From values to places on the drawing."""

    def __init__(self, xs: Sequence[float], ys: Sequence[float], width: int, height: int, log: bool) -> None:
        xs, ys = xs or [1.0], ys or [1.0]
        self._log = log
        self._size = width, height
        self._low, self._high = _widened(*(math.log10(v) if log else v for v in (min(ys), max(ys))))
        self._first, self._last = min(xs), max(max(xs), min(xs) + 1)

    def x(self, value: float) -> float:
        share = (value - self._first) / (self._last - self._first)
        return LEFT + share * (self._size[0] - LEFT - RIGHT)

    def y(self, value: float) -> float:
        value = math.log10(value) if self._log else value
        share = min(1.0, max(0.0, (value - self._low) / (self._high - self._low)))
        return self._size[1] - BOTTOM - share * (self._size[1] - TOP - BOTTOM)

    def axes(self) -> list[str]:
        width, height = self._size
        parts = []
        for value in self._y_ticks():
            y = self.y(value)
            parts.append(f'<path class="grid" d="M{LEFT},{y:.1f}H{width - RIGHT}"/>')
            parts.append(f'<text class="y" x="{LEFT - 6}" y="{y + 4:.1f}">{value:.3g}</text>')
        for value in _round_numbers(self._first, self._last, width // 70):
            if value == int(value):
                parts.append(
                    f'<text class="x" x="{self.x(value):.1f}" y="{height - BOTTOM + 16}">{value:g}</text>'
                )
        parts.append(f'<text class="x" x="{(LEFT + width) / 2:.0f}" y="{height - 3}">call of step()</text>')
        return parts

    def _y_ticks(self) -> list[float]:
        if not self._log:
            return _round_numbers(self._low, self._high, 5)
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        every = max(1, len(decades) // 6)
        ticks = [10.0**d for d in decades if not d % every]
        if self._high - self._low < 2.5:
            ticks = [m * 10.0**d for d in decades for m in (1, 2, 5)]
        return [t for t in ticks if self._low <= math.log10(t) <= self._high]


def _path(line: Line, frame: _Frame, log: bool) -> str:
    commands, pen, before = [], "M", 0.0
    for x, value in line.points:
        if not _drawable(value, log):
            pen = "M"
            continue
        y = frame.y(value)
        if line.steps and pen == "L":
            commands.append(f"L{frame.x(x):.1f},{before:.1f}")
        commands.append(f"{pen}{frame.x(x):.1f},{y:.1f}")
        pen, before = "L", y
    return f'<path class="line {line.kind}" d="{" ".join(commands)}"/>'


def _drawable(value: float, log: bool) -> bool:
    return math.isfinite(value) and (value > 0 or not log)


def _widened(low: float, high: float) -> tuple[float, float]:
    margin = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
    return low - margin, high + margin


def _round_numbers(low: float, high: float, count: int) -> list[float]:
    """About ``count`` round numbers from ``low`` to ``high``."""
    rough = (high - low) / max(1, count)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= rough)
    return [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
