"""Time series: tones that are modulated in one of several ways, and series that change their regime."""

from __future__ import annotations

import numpy as np

from tasks.data.synthetic import Columns

CLASSES = 8
"""Of each family of tones."""


def tones(rng: np.random.Generator, count: int, *, family: str, length: int, noise: float) -> Columns:
    """``signal`` float32 (count, length) and ``label`` int64 (count,).

    Args:
        rng: draws the rows.
        count: rows.
        family: ``steady`` (the class is the mix of three overtones) or ``moving`` (how frequency and
            loudness change: rising, falling, up and down, trembling; each of them swelling or fading).
        length: samples.
        noise: standard deviation of what is added; the tone has about 0.7.
    """
    labels = rng.integers(0, CLASSES, count)
    t = np.linspace(0, 1, length)
    pitch, phase = rng.uniform(3, 7, (count, 1)), rng.uniform(0, 2 * np.pi, (count, 1))
    kind = labels[:, None]
    if family == "steady":
        turns = pitch * t
        waves = [np.sin(2 * np.pi * (k + 1) * turns + phase) * (0.3 + (kind >> k & 1)) for k in range(3)]
        rows = np.stack(waves).sum(0) / 1.5
    else:
        bend = np.select(
            [kind % 4 == 0, kind % 4 == 1, kind % 4 == 2],
            [2 * t**2, -1.2 * t**2 + 2 * t, 2 * t - 1.2 * np.sin(2 * np.pi * t) / np.pi],
            2 * t + 0.12 * np.sin(8 * np.pi * t),
        )
        loud = np.where(kind < 4, 0.4 + t, 1.4 - t)
        rows = loud * np.sin(2 * np.pi * pitch * bend + phase)
    return {"signal": (rows + noise * rng.normal(size=rows.shape)).astype(np.float32), "label": labels}


def regimes(rng: np.random.Generator, count: int, *, length: int, stay: float) -> Columns:
    """``series`` float32 (count, length, 2) and ``label`` int64 (count, length): which of 4 laws holds.

    A law turns the state by its own angle, with noise; after each step it stays with chance ``stay``.
    """
    angles = np.array([0.25, 0.6, 1.1, 2.0])
    law = rng.integers(0, 4, count)
    state, series, labels = rng.normal(size=(count, 2)), [], []
    for _ in range(length):
        law = np.where(rng.random(count) < stay, law, rng.integers(0, 4, count))
        c, s = np.cos(angles[law]), np.sin(angles[law])
        x, y = state.T
        state = 0.9 * np.stack([c * x - s * y, s * x + c * y], 1) + 0.3 * rng.normal(size=(count, 2))
        series.append(state)
        labels.append(law)
    return {"series": np.stack(series, 1).astype(np.float32), "label": np.stack(labels, 1)}
