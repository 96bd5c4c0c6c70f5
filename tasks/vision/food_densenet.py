"""Food with DenseNet121 (the paper's task 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import augment, hub, labelled_images
from tasks.data.dishes import dishes
from tasks.data.images import standardised
from tasks.metrics.accuracy import accuracy
from tasks.nets.densenet import DenseNet

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class FoodDenseNet(Task):
    """Name the dish on a photo.

    Attributes:
        examples: training, validation and test images of the embedded data.
        limited: whether no more are taken of other data either.
        size: height and width of the images in pixels, as they lie in memory.
        crop: height and width of the part that the network sees: at a random place in training.
        classes: size of the head.
        blocks: layers per dense block; (6, 12, 24, 16) is DenseNet121.
        growth: channels that each layer adds.
        stem: channels of the first convolution.
        small: whether the first convolution keeps the size, for small images.
    """

    role = "zoo"

    examples: tuple[int, int, int]
    limited: bool
    size: int
    crop: int
    classes: int
    blocks: tuple[int, ...]
    growth: int
    stem: int
    small: bool

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        train, val, test = self.examples
        if source.kind == "embedded":
            return dishes(train=train, val=val, test=test, size=self.size)
        limit = self.examples if self.limited else None
        return labelled_images.load(source, hub.FOOD, size=self.size, classes=self.classes, limit=limit)

    def build(self) -> nn.Module:
        """The DenseNet."""
        return DenseNet(
            blocks=self.blocks, growth=self.growth, stem=self.stem, small=self.small, outputs=self.classes
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        images = augment.centre_crop(batch["image"], self.crop)
        scores: Tensor = model(standardised(images, MEAN, DEVIATION))
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A random crop, mirrored or not."""
        images = augment.random_crop(batch["image"], self.crop, generator)
        return {**batch, "image": augment.random_flip(images, generator)}

    scales: ClassVar = {
        "mini": {
            "examples": (800, 400, 400),
            "limited": True,
            "size": 16,
            "crop": 14,
            "classes": 10,
            "blocks": (2, 2),
            "growth": 6,
            "stem": 12,
            "small": True,
            "batch_size": 50,
            "lr_range": {
                "adam": (1e-5, 1e0),
                "adamw": (1e-5, 1e0),
                "rmsprop": (1e-5, 1e0),
                "sgd": (1e-3, 3e1),
                "momentum": (1e-4, 3e0),
            },
        },
        "paper": {
            "examples": (320, 80, 80),
            "limited": False,
            "size": 256,
            "crop": 224,
            "classes": 101,
            "blocks": (6, 12, 24, 16),
            "growth": 32,
            "stem": 64,
            "small": False,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-2)),
        },
    }
