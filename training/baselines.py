"""What simpler classifiers reach on the same samples: the bar that the network has to clear.

They see what a person would look at in a window, as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from arc.history.features import LENGTH, MAX_PERIODS, PERIOD_LENGTH
from training.dataset import Samples

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

BASELINES: Final[Mapping[str, Any]] = {
    "constant answer": lambda: DummyClassifier(strategy="prior"),
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "gradient boosting": lambda: HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=15, random_state=0
    ),
}
"""Names to factories of scikit-learn classifiers on :func:`hand_features`."""


def baseline(name: str, train: Samples, held: Samples) -> Array:
    """Probabilities (N, 3) for ``held`` by the baseline called ``name``, fitted to ``train``."""
    model = BASELINES[name]()
    model.fit(hand_features(train.windows.numpy()), train.labels.numpy())
    found: Array = np.zeros((len(held), 3))
    found[:, model.classes_] = model.predict_proba(hand_features(held.windows.numpy()))
    return found


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
