"""Accuracy of a classification."""

from __future__ import annotations

from torch import Tensor


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """The share of examples whose highest score, of (n, classes), is at the label, of (n,)."""
    return (scores.argmax(1) == labels).double().mean().item()
