"""What every task shares that names the class of an example, be it an image, a text or a row."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Task
from tasks.metrics.accuracy import accuracy


@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """Name the class of an example: every split has ``label`` int64 (n,).

    A subclass says in ``_scores`` which part of a batch its model sees.
    """

    @abstractmethod
    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        """The model's score of each class, float32 (n, classes)."""

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores = self._scores(model, batch)
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])
