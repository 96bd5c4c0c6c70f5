"""Metrics that are a mean, or a function of one, accumulated batch by batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tasks.base import Batch, Predictions


class Mean:
    """The mean of the values of all batches, or a function of it; every single value counts alike.

    Args:
        values: of a batch, from predictions and batch: a tensor of any shape, say one number for each example
            or each token.
        then: what the metric is of their mean.

    Example:
        >>> mean = Mean(lambda logits, batch: logits.argmax(-1) == batch["label"])
        >>> mean.update(torch.eye(2), {"label": torch.tensor([0, 0])})
        >>> mean.update(torch.eye(2), {"label": torch.tensor([0, 1])})
        >>> mean.compute()
        0.75
    """

    def __init__(self, values: Callable[..., Tensor], then: Callable[[float], float] = float) -> None:
        self._values, self._then = values, then
        self._sum: Tensor | float = 0.0
        self._count = 0

    def update(self, predictions: Predictions, batch: Batch) -> None:
        """As :class:`tasks.base.Meter` says; nothing is read back from the device."""
        values = self._values(predictions, batch)
        self._sum = self._sum + values.sum(dtype=torch.float64)
        self._count += values.numel()

    def compute(self) -> float:
        """As :class:`tasks.base.Meter` says."""
        return self._then(float(self._sum) / self._count)
