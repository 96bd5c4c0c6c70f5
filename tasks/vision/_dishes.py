"""What the tasks on dishes share: data, augmentation, accuracy, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import augment, hub, labelled_images
from tasks.data.dishes import dishes
from tasks.metrics.accuracy import accuracy


@dataclass(frozen=True, kw_only=True)
class Dishes(Task):
    """Name the dish on a photo.

    Attributes:
        examples: training, validation and test images of the embedded data.
        limited: whether no more are taken of other data either.
        size: height and width of the images in pixels, as they lie in memory.
        crop: height and width of the part that the network sees: at a random place in training.
        classes: dishes.
    """

    examples: tuple[int, int, int]
    limited: bool
    size: int
    crop: int
    classes: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        train, val, test = self.examples
        if source.kind == "embedded":
            return dishes(train=train, val=val, test=test, size=self.size)
        limit = self.examples if self.limited else None
        return labelled_images.load(source, hub.FOOD, size=self.size, classes=self.classes, limit=limit)

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A random crop, mirrored or not."""
        images = augment.random_crop(batch["image"], self.crop, generator)
        return {**batch, "image": augment.random_flip(images, generator)}


MINI: Final[dict[str, Any]] = {
    "examples": (800, 400, 400),
    "limited": True,
    "size": 16,
    "crop": 14,
    "classes": 10,
    "batch_size": 50,
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
    "examples": (320, 80, 80),
    "limited": False,
    "classes": 101,
    "batch_size": 64,
    "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-2)),
}
"""Their numbers at the paper's."""
