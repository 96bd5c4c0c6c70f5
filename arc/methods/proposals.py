"""Which LR to try next: a Gaussian process over log LR, fitted to the losses of those that were tried.

Source: AutoLRS (Jin et al., ICLR 2021) and its public code, which uses scikit-optimize, no longer maintained.
Here it runs on scikit-learn.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

PUBLISHED_KAPPA: Final = 1e6
"""The public code's exploration constant: with it, only uncertainty decides what is tried next."""
CANDIDATES: Final = 401
"""LRs among which the acquisition is minimised, evenly spaced in log LR."""
OUTLIER_FACTOR: Final = 5.0
"""Losses further above the best than this many times the median's distance count as that far: a diverged
trial must not flatten the rest of the curve. Ours."""

Array = npt.NDArray[np.float64]


def propose(tried: Mapping[float, float], lr_range: tuple[float, float], *, kappa: float, seed: int) -> float:
    """The next LR to try: the lowest lower confidence bound ``mean - kappa * deviation``.

    Args:
        tried: forecast loss by LR; what is not finite ranks as the worst.
        lr_range: lowest and highest LR.
        kappa: weight of the uncertainty.
        seed: decides the first LR, which is drawn log-uniformly as in the public code.

    The Gaussian process lives over log LR with scikit-optimize's kernel: constant x Matern(5/2) + white
    noise. An LR is never proposed twice.

    Raises:
        ImportError: without scikit-learn (``pip install 'arc-lr[methods]'``).
    """
    low, high = math.log(lr_range[0]), math.log(lr_range[1])
    if not tried:
        return math.exp(np.random.default_rng(seed).uniform(low, high))
    x = (np.log(np.array(list(tried))) - low) / (high - low)
    grid = np.linspace(0, 1, CANDIDATES)
    grid = grid[np.abs(grid[:, None] - x).min(axis=1) > 0.5 / CANDIDATES]
    mean, deviation = _posterior(x, _tamed(list(tried.values())), grid)
    chosen = float(grid[np.argmin(mean - kappa * deviation)])
    return min(max(math.exp(low + chosen * (high - low)), lr_range[0]), lr_range[1])


def best(tried: Mapping[float, float]) -> float:
    """The LR of the lowest finite loss; the lowest LR where none is finite."""
    finite = {lr: loss for lr, loss in tried.items() if math.isfinite(loss)}
    return min(finite, key=finite.__getitem__) if finite else min(tried)


def _tamed(losses: list[float]) -> Array:
    values = np.array(losses)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(len(values))
    lowest = finite.min()
    bound = lowest + OUTLIER_FACTOR * float(np.median(finite) - lowest)
    if bound == lowest:
        bound = max(float(finite.max()), lowest + 1.0)
    tamed: Array = np.minimum(np.where(np.isfinite(values), values, bound), bound)
    return tamed


def _posterior(x: Array, y: Array, at: Array) -> tuple[Array, Array]:
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
    except ImportError as error:
        raise ImportError("AutoLRS needs scikit-learn and scipy: pip install 'arc-lr[methods]'") from error
    kernel = ConstantKernel(1.0, (0.01, 1000.0)) * Matern(0.3, (0.05, 3.0), nu=2.5) + WhiteKernel(
        1e-2, (1e-6, 1.0)
    )
    process = GaussianProcessRegressor(kernel, normalize_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # few points pin no length scale down
        process.fit(x[:, None], y)
        mean, deviation = process.predict(at[:, None], return_std=True)
    return mean, deviation
