"""CIFAR-10 with ResNet-9 (the paper's section 4.1): reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import augment, hub, labelled_images
from tasks.data.images import standardised
from tasks.data.silhouettes import silhouettes
from tasks.metrics.accuracy import accuracy
from tasks.nets.resnet9 import ResNet9
from tasks.recipe import Recipe

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True, kw_only=True)
class Cifar10ResNet9(Task):
    """Name the object of a small photo.

    Attributes:
        examples: training, validation and test images of the embedded data.
        limited: whether no more are taken of other data either.
        size: height and width of the images in pixels.
        classes: size of the head.
        width: channels of the first convolution.
        padding: pixels reflected at the edges before the random crop.
        hole: side of the square that cutout hides, in pixels.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    limited: bool
    size: int
    classes: int
    width: int
    padding: int
    hole: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        train, val, test = self.examples
        if source.kind == "embedded":
            return silhouettes(train=train, val=val, test=test, size=self.size)
        limit = self.examples if self.limited else None
        return labelled_images.load(source, hub.CIFAR10, size=self.size, classes=self.classes, limit=limit)

    def build(self) -> nn.Module:
        """The ResNet-9."""
        return ResNet9(width=self.width, outputs=self.classes)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores: Tensor = model(standardised(batch["image"], MEAN, DEVIATION))
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A random crop of the padded image, mirrored or not, with a hole of the mean colour."""
        images = augment.random_crop(batch["image"], self.size, generator, padding=self.padding)
        images = augment.random_flip(images, generator)
        fill = 255 * torch.tensor(MEAN)
        return {**batch, "image": augment.cutout(images, self.hole, fill, generator)}

    scales: ClassVar = {
        "mini": {
            "examples": (512, 300, 600),
            "limited": True,
            "size": 12,
            "classes": 10,
            "width": 4,
            "padding": 1,
            "hole": 2,
            "batch_size": 32,
            "lr_range": {
                "adam": (1e-5, 1e0),
                "adamw": (1e-5, 1e0),
                "rmsprop": (1e-5, 1e0),
                "sgd": (1e-3, 3e1),
                "momentum": (1e-4, 3e0),
            },
        },
        "medium": {
            "examples": (20000, 2000, 4000),
            "limited": True,
            "size": 24,
            "classes": 10,
            "width": 16,
            "padding": 3,
            "hole": 6,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
            "recipe": Recipe(epoch_steps=100, weight_decay=5e-4),
        },
        "paper": {
            "examples": (8000, 1000, 1000),
            "limited": False,
            "size": 32,
            "classes": 10,
            "width": 64,
            "padding": 4,
            "hole": 8,
            "batch_size": 128,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-4, 1e-2)),
        },
    }
