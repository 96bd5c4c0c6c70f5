"""What simpler classifiers reach on the same samples: the bar that the network has to clear."""

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

from training.dataset import Samples
from training.hand_features import hand_features

Probabilities = npt.NDArray[np.float64]

BASELINES: Final[Mapping[str, Any]] = {
    "constant answer": lambda: DummyClassifier(strategy="prior"),
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "gradient boosting": lambda: HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.05, max_leaf_nodes=15, random_state=0
    ),
}
"""Names to factories of scikit-learn classifiers on :func:`training.hand_features.hand_features`."""


def baseline(name: str, train: Samples, held: Samples) -> Probabilities:
    """Probabilities (N, 3) for ``held`` by the baseline called ``name``, fitted to ``train``."""
    model = BASELINES[name]()
    model.fit(hand_features(train.windows.numpy()), train.labels.numpy())
    found: Probabilities = np.zeros((len(held), 3))
    found[:, model.classes_] = model.predict_proba(hand_features(held.windows.numpy()))
    return found
