"""The curve of validation loss over LR: which LRs to try, and what can be read off it. No network.

Source: Learning rate optimization through step sampling (ICLR 2022 submission), section 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from arc.methods.method import require

LR_RANGE: Final = (1e-7, 10.0)
"""Lowest and highest candidate."""
GRID: Final = 0.5
"""Decades between the candidates of the first grid (section 3.3)."""
THRESHOLD: Final = 0.25
"""Decades between neighbours at which a point of interest counts as known. Section 3.3 says "a
specified threshold"; ours is one halving of the grid, because the loss of 20 steps resolves no more."""
POINTS: Final = 200
"""Points at which the interpolated curve is examined."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Points:
    """The points of interest of a curve, as LRs (sections 3.1 and 3.2).

    Attributes:
        min_lr: the knee, where the loss begins to fall.
        max_lr: the LR of the lowest loss.
        midpoint: the log-midpoint of the two; method 1, the best in the paper.
        half: the LR that reaches half of the possible loss reduction; method 2.
        steepest: the LR where the loss falls fastest over log LR; method 3.
    """

    min_lr: float
    max_lr: float
    midpoint: float
    half: float
    steepest: float


def refine(
    trial: Callable[[float], float],
    untrained: float,
    *,
    lr_range: tuple[float, float] = LR_RANGE,
    threshold: float = THRESHOLD,
) -> dict[float, float]:
    """Try a coarse grid of LRs, then the log-midpoints beside each point of interest (section 3.3).

    Points of interest lie on the interpolated curve. One that is a tried LR has two gaps beside it, one
    between two of them has one; gaps wider than ``threshold`` are halved.

    Args:
        trial: LR to validation loss; not finite where the trial diverged.
        untrained: the validation loss without training.
        lr_range: lowest and highest LR.
        threshold: decades between a point's neighbours at which it counts as known.

    Returns:
        validation loss by LR, ascending.
    """
    low, high = lr_range
    require(0 < low < high < math.inf, "lr_range", lr_range, "two ascending positive LRs")
    require(threshold > 0, "threshold", threshold, "a positive number of decades")
    start, end = math.log10(low), math.log10(high)
    grid = np.linspace(start, end, max(3, round((end - start) / GRID) + 1)).tolist()
    losses = {x: trial(10**x) for x in grid}
    while True:
        points = analyse({10**x: loss for x, loss in losses.items()}, untrained)
        known = np.array(sorted(losses))
        wanted: set[float] = set()
        for lr in (points.min_lr, points.max_lr, points.half, points.steepest):
            wanted.update(_beside(known, math.log10(lr), threshold))
        if not wanted:
            return {10**x: losses[x] for x in sorted(losses)}
        losses |= {x: trial(10**x) for x in sorted(wanted)}


def analyse(curve: Mapping[float, float], untrained: float) -> Points:
    """The points of interest on a curve of validation loss by LR.

    Curvature depends on units, and the paper names none. Ours: x is log10 LR, y the loss scaled to
    [0, 1] between its minimum and the untrained loss, interpolated by monotone cubics (PCHIP) on 200
    points. What diverged or ended above the untrained loss counts as 1, the worst. Equation 1 is
    garbled; the standard curvature y'' / (1 + y'^2)^(3/2) is meant. The knee is its minimum left of
    ``half`` (footnote 1).

    Raises:
        ValueError: fewer than three LRs, or none that lowers the loss.
    """
    require(len(curve) >= 3, "LRs", len(curve), "at least 3")
    x = np.log10(np.array(sorted(curve)))
    raw = np.array([curve[lr] for lr in sorted(curve)], dtype=np.float64)
    losses = np.where(np.isfinite(raw), raw, math.inf)
    best = float(losses.min())
    if not best < untrained < math.inf:
        raise ValueError(
            f"no LR from {10 ** x[0]:.3g} to {10 ** x[-1]:.3g} lowers the validation loss: "
            f"{untrained:.6g} untrained, {best:.6g} at best; try more steps or another lr_range"
        )
    y = np.minimum((losses - best) / (untrained - best), 1.0)
    grid = np.linspace(x[0], x[-1], POINTS)
    value, slope, bend = _interpolated(x, y, grid)

    max_x = float(x[losses.argmin()])
    left = grid <= max_x
    half_x = _first_crossing(grid[left], value[left], max_x)
    curvature = bend / (1 + slope**2) ** 1.5
    min_x = _lowest(grid, curvature, grid <= half_x)
    steepest_x = _lowest(grid, slope, left)
    mid_x = (min_x + max_x) / 2
    return Points(
        min_lr=10**min_x, max_lr=10**max_x, midpoint=10**mid_x, half=10**half_x, steepest=10**steepest_x
    )


def _interpolated(x: Array, y: Array, grid: Array) -> tuple[Array, Array, Array]:
    try:
        from scipy.interpolate import PchipInterpolator
    except ImportError as error:
        raise ImportError("LR step sampling needs scipy: pip install 'arc-lr[methods]'") from error
    curve = PchipInterpolator(x, y)
    return curve(grid), curve(grid, 1), curve(grid, 2)


def _lowest(grid: Array, values: Array, where: npt.NDArray[np.bool_]) -> float:
    """The first x at which ``values`` is lowest among ``where``; the left end if that is empty."""
    return float(grid[where][values[where].argmin()]) if where.any() else float(grid[0])


def _first_crossing(grid: Array, values: Array, end: float) -> float:
    """The first x at which the curve is down to one half."""
    below = np.flatnonzero(values <= 0.5)
    return float(grid[below[0]]) if len(below) else end


def _beside(known: Array, x: float, threshold: float) -> list[float]:
    """The midpoints between ``x``'s neighbours and itself, where they are further apart than allowed."""
    at = int(np.searchsorted(known, x - 1e-9))
    on_known = at < len(known) and abs(known[at] - x) < 1e-9
    gaps = [at - 1, at] if on_known else [at - 1]  # gap i lies between known[i] and known[i + 1]
    return [
        float(known[i] + known[i + 1]) / 2
        for i in gaps
        if 0 <= i < len(known) - 1 and known[i + 1] - known[i] > threshold + 1e-9
    ]
