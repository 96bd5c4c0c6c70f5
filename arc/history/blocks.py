"""Training losses of a call as a few points: their averages, and the noise that averaging hides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

POINTS: Final = 25
"""Points that a call becomes for a network."""
STRETCHES: Final = 8
"""Stretches of a call whose means tell how much its losses scatter."""


def blocks(losses: Sequence[float]) -> tuple[list[float], list[float]]:
    """Area averages of at most :data:`POINTS` equal stretches, and the deviation within each.

    The deviation comes from differences of neighbours (sqrt of half their mean square), so that a slope is
    no noise; 0 in a stretch of one loss. Calls of ten and of ten thousand steps come out alike, where
    sampling every n-th loss would show single batches.

    Args:
        losses: of a call, finite, oldest first; at least one.

    Returns:
        Two lists of min(POINTS, number of losses) values.

    Example:
        >>> mean, spread = blocks([1.0, 3.0] * 50)
        >>> len(mean), mean[0], round(spread[0], 3)
        (25, 2.0, 1.414)
    """
    values = np.asarray(losses, dtype=np.float64)
    parts = min(POINTS, len(values))
    starts = np.arange(parts) * (len(values) // parts) + np.minimum(np.arange(parts), len(values) % parts)
    sizes = np.diff(starts, append=len(values))
    with np.errstate(over="ignore"):
        squares = np.square(np.diff(values, append=values[-1]))
    squares[starts[1:] - 1] = 0.0  # from one stretch to the next
    spread = np.sqrt(np.add.reduceat(squares, starts) / np.maximum(sizes - 1, 1) / 2)
    means: list[float] = (np.add.reduceat(values, starts) / sizes).tolist()
    return means, spread.tolist()


def stretches(losses: Sequence[float]) -> tuple[float, ...]:
    """Means of up to :data:`STRETCHES` parts of equal length; what is over is left out at the beginning."""
    size = max(1, len(losses) // STRETCHES)
    count = min(STRETCHES, len(losses))
    kept = losses[len(losses) - size * count :]
    return tuple(sum(kept[i : i + size]) / size for i in range(0, len(kept), size))
