"""What the tasks share that tell kinds of text apart: data, class scores, windows of long rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.base import Batch
from tasks.classification import Classification
from tasks.data.text import crop


@dataclass(frozen=True, kw_only=True)
class TextClassification(Classification):
    """Tell of what kind a text is: ``text`` int32 (rows, length), in training rows ``span``.

    Attributes:
        length: tokens of one example.
        span: tokens of one training row, of which an epoch sees ``length`` at a random place.
    """

    length: int
    span: int

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["text"].long())
        return scores

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A window of each row at a random place."""
        return crop(batch, self.length, generator)
