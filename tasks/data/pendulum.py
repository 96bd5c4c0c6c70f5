"""Measured double pendulums: how they swing, and where they are some time later."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

GRAVITY = 9.81
STEP = 0.01
"""Seconds of a step of the integration (Runge and Kutta, fourth order)."""
WIDEST = 2.4
"""Radians from hanging down, at which a rod is let go at most,"""
FASTEST = 3.0
"""and radians a second; measured speeds are in units of it."""

Array = npt.NDArray[np.float64]


def swings(rng: np.random.Generator, count: int, *, seconds: float, noise: float) -> dict[str, np.ndarray]:
    """Pendulums of two equal rods and masses, let go at most angles and at any slow speed.

    Args:
        rng: draws.
        count: of pendulums.
        seconds: from the first measurement to the second.
        noise: standard deviation of what is measured the second time, in lengths of a rod.

    Returns:
        ``x`` (count, 6): cosine and sine of both angles, both speeds; ``y`` (count, 4): by how much both
        masses have moved, right and up, in lengths of a rod; float32.
    """
    angles = rng.uniform(-WIDEST, WIDEST, (2, count))
    state = np.concatenate([angles, rng.uniform(-FASTEST, FASTEST, (2, count))])
    x = np.concatenate([np.cos(angles), np.sin(angles), state[2:] / FASTEST])
    before = _masses(state)
    for _ in range(round(seconds / STEP)):
        state = _stepped(state)
    y = _masses(state) - before + rng.normal(0, noise, (4, count))
    return {"x": x.T.astype(np.float32), "y": y.T.astype(np.float32)}


def _masses(state: Array) -> Array:
    right, up = np.sin(state[:2]), -np.cos(state[:2])
    return np.stack([right[0], up[0], right.sum(0), up.sum(0)])


def _stepped(state: Array) -> Array:
    a = _speed(state)
    b = _speed(state + STEP / 2 * a)
    c = _speed(state + STEP / 2 * b)
    d = _speed(state + STEP * c)
    return state + STEP / 6 * (a + 2 * b + 2 * c + d)


def _speed(state: Array) -> Array:
    """How angles and speeds change in a second."""
    first, second, one, two = state
    apart = first - second
    inertia = 3 - np.cos(2 * apart)
    pull = -GRAVITY * (3 * np.sin(first) + np.sin(first - 2 * second))
    swung = -2 * np.sin(apart) * (two**2 + one**2 * np.cos(apart))
    other = 2 * np.sin(apart) * (2 * one**2 + 2 * GRAVITY * np.cos(first) + two**2 * np.cos(apart))
    return np.stack([one, two, (pull + swung) / inertia, other / inertia])
