"""What is measured of a candidate on held-out runs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, matthews_corrcoef

from arc.actions import Action

REWARD: Final = np.array([[1, 0, -1], [0, 1, 0], [-1, 0, 1]])
"""Rows are true actions, columns predicted ones: +1 if right, -1 for RAISE taken for LOWER or the reverse.

The paper's matrix (table 5) is lost from our text; this one is ours.
"""
BINS: Final = 15


def measure(
    probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], losses: npt.NDArray[Any]
) -> dict[str, Any]:
    """Accuracy, MCC, weighted accuracy, regret, expected calibration error and the confusion matrix.

    Args:
        probabilities: (N, 3), rows sum to 1.
        labels: (N,).
        losses: (N, 3), final validation losses of raise, keep and lower.

    Returns:
        Plain floats under the metrics' names, and ``confusion`` as rows (true) of columns (predicted).
    """
    predicted = probabilities.argmax(1)
    confusion = confusion_matrix(labels, predicted, labels=list(Action))
    return {
        "accuracy": float((predicted == labels).mean()),
        # one class on both sides: no correlation, and scikit-learn would warn
        "mcc": float(matthews_corrcoef(labels, predicted)) if (labels != predicted[0]).any() else 0.0,
        "weighted_accuracy": float((REWARD * confusion).sum() / confusion.sum()),
        "regret": regret(predicted, losses),
        "calibration_error": calibration_error(probabilities, labels),
        "confusion": confusion.tolist(),
    }


def regret(predicted: npt.NDArray[np.int64], losses: npt.NDArray[Any]) -> float:
    """What the predicted actions lose: (loss - best) / (worst - best) of the trial's branches, on average.

    A diverged branch loses 1; trials of which fewer than two branches stayed finite, or whose losses are
    all equal, are left out (NaN if that leaves none).
    """
    finite = np.isfinite(losses)
    best = np.where(finite, losses, np.inf).min(1)
    worst = np.where(finite, losses, -np.inf).max(1)
    rows = (finite.sum(1) > 1) & (worst > best)
    taken = np.where(finite, losses, worst[:, None])[np.arange(len(losses)), predicted]
    return float(((taken - best)[rows] / (worst - best)[rows]).mean()) if rows.any() else float("nan")


def calibration_error(probabilities: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """Expected calibration error of the top probability, in 15 bins of equal width.

    Source: Guo et al. (2017), On Calibration of Modern Neural Networks, section 2.
    """
    confidence = probabilities.max(1)
    correct = probabilities.argmax(1) == labels
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(correct[bins == b].sum() - confidence[bins == b].sum()) for b in range(BINS)]
    return float(sum(gaps) / len(labels))
