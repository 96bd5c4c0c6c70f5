"""Clouds of points on the surfaces of solids, turned about the vertical axis at random."""

from __future__ import annotations

import numpy as np

from tasks.data.synthetic import Columns

CLASSES = 8
"""Ball, ellipsoid, box, cylinder, cone, torus, helix, saddle."""


def clouds(rng: np.random.Generator, count: int, *, points: int, size: float, noise: float) -> Columns:
    """``points`` float32 (count, points, 3) and ``label`` int64 (count,).

    Args:
        rng: draws the rows.
        count: rows.
        points: of a cloud.
        size: root mean square of a point's distance from the middle.
        noise: standard deviation of a coordinate, where ``size`` is 1.
    """
    labels = rng.integers(0, CLASSES, count)
    rows = np.stack([_surface(rng, label, points) for label in labels])
    angles = rng.uniform(0, 2 * np.pi, count)
    turns = np.zeros((count, 3, 3))
    turns[:, 0, 0] = turns[:, 1, 1] = np.cos(angles)
    turns[:, 0, 1], turns[:, 1, 0], turns[:, 2, 2] = -np.sin(angles), np.sin(angles), 1.0
    rows = (rows - rows.mean(1, keepdims=True)) @ turns
    rows /= np.sqrt((rows**2).sum(2).mean(1))[:, None, None]
    rows = size * (rows + noise * rng.normal(size=rows.shape))
    return {"points": rows.astype(np.float32), "label": labels}


def _surface(rng: np.random.Generator, label: int, points: int) -> np.ndarray:
    u, v = rng.random((2, points))
    angle, stretch = 2 * np.pi * u, rng.uniform(0.6, 1.4)
    if label <= 1:
        rows = rng.normal(size=(points, 3))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows * ((1, 1, 1) if label == 0 else (1, 0.5, 0.7 * stretch))
    if label == 2:
        rows = rng.uniform(-1, 1, (points, 3))
        side = rng.integers(0, 3, points)
        rows[np.arange(points), side] = np.sign(rows[np.arange(points), side])
        return rows * (1, 1, stretch)
    if label == 5:
        ring = 1 + 0.35 * np.cos(2 * np.pi * v)
        return np.stack([ring * np.cos(angle), ring * np.sin(angle), 0.35 * np.sin(2 * np.pi * v)], 1)
    if label == 7:
        x, y = 2 * u - 1, 2 * v - 1
        return np.stack([x, y, stretch * (x**2 - y**2)], 1)
    radius = {3: np.ones(points), 4: v, 6: np.ones(points)}[label]
    turn = 4 * np.pi * v if label == 6 else angle
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), 2 * stretch * v], 1)
