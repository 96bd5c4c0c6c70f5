"""What the tasks on house numbers share: data, augmentation, cross-entropy, accuracy, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import augment, hub, labelled_images
from tasks.data.digits import house_numbers
from tasks.data.images import standardised
from tasks.metrics.accuracy import accuracy


@dataclass(frozen=True, kw_only=True)
class HouseNumbers(Task):
    """Name the middle digit of a house number.

    Attributes:
        examples: training, validation and test images of the embedded data.
        limited: whether no more are taken of other data either.
        size: height and width of the images in pixels.
        padding: pixels by which a training image is shifted at most, its edge reflected.
        classes: digits.
    """

    examples: tuple[int, int, int]
    limited: bool
    size: int
    padding: int
    classes: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        train, val, test = self.examples
        if source.kind == "embedded":
            return house_numbers(train=train, val=val, test=test, size=self.size)
        limit = self.examples if self.limited else None
        return labelled_images.load(source, hub.SVHN, size=self.size, classes=self.classes, limit=limit)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores: Tensor = model(standardised(batch["image"]))
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Shifted images at mini scale, the same at paper scale."""
        shifted = augment.random_crop(batch["image"], self.size, generator, padding=self.padding)
        return {**batch, "image": shifted}


MINI: Final[dict[str, Any]] = {
    "examples": (800, 400, 400),
    "limited": True,
    "size": 12,
    "padding": 1,
    "classes": 10,
    "lr_range": {
        "adam": (1e-5, 1e0),
        "adamw": (1e-5, 1e0),
        "rmsprop": (1e-5, 1e0),
        "sgd": (1e-3, 3e1),
        "momentum": (1e-4, 3e0),
    },
}
"""Their numbers at mini scale."""

PAPER: Final[dict[str, Any]] = {
    "examples": (8000, 1000, 1000),
    "limited": False,
    "size": 32,
    "padding": 0,
    "classes": 10,
    "batch_size": 128,
    "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-3)),
}
"""Their numbers at the paper's."""
