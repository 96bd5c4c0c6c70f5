"""What a person would look at in a window, as numbers: the features of the baselines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from arc.history.features import LENGTH, MAX_PERIODS, PERIOD_LENGTH

Array = npt.NDArray[np.float64]

NAMES = (
    "periods",
    *(
        f"{channel}_{what}"
        for channel in ("train", "val")
        for what in ("slope_1", "slope_2", "slope_3", "step", "noise", "last", "seen")
    ),
    *("lr_last", "lr_step"),
)
"""Slope of each period, oldest first; the last period's mean minus the one's before; the deviation from
neighbouring values in the last period; the last tenth's mean; whether the channel varies at all; the log of
the LR against the window's first and against the period before."""


def hand_features(windows: npt.NDArray[np.float32]) -> Array:
    """Features of shape (N, 17), named in :data:`NAMES`, of windows (N, 300, 3) by :func:`arc.featurise`."""
    parts = windows.astype(np.float64).reshape(len(windows), MAX_PERIODS, PERIOD_LENGTH, 3)
    log_lr = np.log(parts[:, :, -1, 2])
    padded = _padding(windows)
    columns = [MAX_PERIODS - padded / PERIOD_LENGTH]
    for channel in (0, 1):
        values = parts[..., channel]
        slopes = _slopes(values)
        means = values.mean(2)
        noise = np.diff(values[:, -1], axis=1).std(1)
        columns += [*slopes.T, means[:, -1] - means[:, -2], noise, values[:, -1, -10:].mean(1)]
        columns.append((windows[..., channel].std(1) > 0).astype(float))
    columns += [log_lr[:, -1], log_lr[:, -1] - log_lr[:, -2]]
    return np.stack(columns, axis=1)


def _slopes(values: Array) -> Array:
    """Least-squares slope of each period, per period: (N, periods)."""
    x = np.linspace(-0.5, 0.5, PERIOD_LENGTH)
    slopes: Array = values @ x / (x @ x)
    return slopes


def _padding(windows: npt.NDArray[np.float32]) -> Array:
    """Values before the history begins: the training loss is exactly 0 there."""
    seen = windows[..., 0] != 0
    first = np.where(seen.any(1), seen.argmax(1), LENGTH)
    return (first // PERIOD_LENGTH * PERIOD_LENGTH).astype(float)
