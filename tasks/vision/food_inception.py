"""Food with Inception-v3 and its auxiliary head (the paper's task 5)."""

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
from tasks.nets.inception import InceptionV3

AUXILIARY_WEIGHT = 0.3  # as in GoogLeNet (Szegedy et al., 2015)


@dataclass(frozen=True, kw_only=True)
class FoodInception(Task):
    """Name the dish on a photo.

    Attributes:
        examples: training, validation and test images of the embedded data.
        limited: whether no more are taken of other data either.
        size: height and width of the images in pixels, as they lie in memory.
        crop: height and width of the part that the network sees: at a random place in training.
        classes: size of the head.
        modules: number of modules of each of the three kinds; (3, 4, 2) is Inception-v3.
        width: multiplies the numbers of channels.
        small: whether the stem is a single convolution, for small images.
        dropout: share of the features dropped in front of the main head.
    """

    role = "zoo"

    examples: tuple[int, int, int]
    limited: bool
    size: int
    crop: int
    classes: int
    modules: tuple[int, int, int]
    width: float
    small: bool
    dropout: float

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        train, val, test = self.examples
        if source.kind == "embedded":
            return dishes(train=train, val=val, test=test, size=self.size)
        limit = self.examples if self.limited else None
        return labelled_images.load(source, hub.FOOD, size=self.size, classes=self.classes, limit=limit)

    def build(self) -> nn.Module:
        """The Inception-v3."""
        return InceptionV3(
            modules=self.modules,
            width=self.width,
            small=self.small,
            outputs=self.classes,
            dropout=self.dropout,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the main head and, weighted, of the auxiliary one; the main scores."""
        images = augment.centre_crop(batch["image"], self.crop)
        scores, auxiliary = model(standardised(images))
        main = F.cross_entropy(scores, batch["label"])
        return main + AUXILIARY_WEIGHT * F.cross_entropy(auxiliary, batch["label"]), scores

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
            "modules": (1, 0, 0),
            "width": 0.0625,
            "small": True,
            "dropout": 0.1,
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
            "size": 320,
            "crop": 299,
            "classes": 101,
            "modules": (3, 4, 2),
            "width": 1.0,
            "small": False,
            "dropout": 0.5,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-2)),
        },
    }
