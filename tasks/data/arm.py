"""A robot arm of two joints: the torques of its motion, some of them measured badly."""

from __future__ import annotations

import numpy as np

from tasks.data.synthetic import Columns


def torques(rng: np.random.Generator, count: int, *, outliers: float, size: float) -> Columns:
    """``x`` float32 (count, 6): angles, speeds, accelerations; ``y`` float32 (count, 2): torques.

    Args:
        rng: draws the rows.
        count: rows.
        outliers: share of rows with errors of standard deviation ``size``.
        size: in units of the torques' own deviation, about 1.

    Source: the equations of motion of a planar arm with equal links (Craig, Introduction to Robotics, 6.7).
    """
    angles = rng.uniform(-np.pi, np.pi, (2, count))
    speeds, accelerations = rng.normal(size=(2, 2, count))
    (a, b), (u, v), (p, q) = angles, speeds, accelerations
    cosine, sine = np.cos(b), np.sin(b)
    second = (1 + cosine) * p + q + sine * u**2 + 3 * np.cos(a + b)
    first = (2 + 2 * cosine) * p + (1 + cosine) * q - sine * (v**2 + 2 * u * v)
    first = first + 6 * np.cos(a) + 3 * np.cos(a + b)
    y = np.stack([first / 6.0, second / 3.2], 1)
    wrong = rng.random(count) < outliers
    y[wrong] += size * rng.normal(size=(int(wrong.sum()), 2))
    x = np.stack([a / np.pi, b / np.pi, u, v, p, q], 1)
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)}
