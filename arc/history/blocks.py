"""Training losses of a call as a few points: their averages, and the noise that averaging hides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

POINTS: Final = 25
"""Points that a call becomes."""


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
    parts = np.array_split(values, min(POINTS, len(values)))
    spread = [math.sqrt(np.square(np.diff(part)).mean() / 2) if len(part) > 1 else 0.0 for part in parts]
    return [float(part.mean()) for part in parts], spread
