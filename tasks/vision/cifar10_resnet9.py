"""CIFAR-10 with ResNet-9 (the paper's section 4.1): reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.data import augment, hub
from tasks.data.images import standardised
from tasks.data.silhouettes import silhouettes
from tasks.nets.resnet9 import ResNet9
from tasks.optimizers import lr_ranges
from tasks.recipe import Recipe
from tasks.vision._images import PublishedImages

MEAN, DEVIATION = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


@dataclass(frozen=True, kw_only=True)
class Cifar10ResNet9(PublishedImages):
    """Name the object of a small photo.

    Attributes:
        width: channels of the first convolution.
        padding: pixels reflected at the edges before the random crop.
        hole: side of the square that cutout hides, in pixels.
    """

    role = "evaluation"

    width: int
    padding: int
    hole: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        if source.kind != "embedded":
            return self._published(source, hub.CIFAR10)
        return silhouettes(self.examples, self.size)

    def build(self) -> nn.Module:
        """The ResNet-9."""
        return ResNet9(width=self.width, outputs=self.classes)

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(standardised(batch["image"], MEAN, DEVIATION))
        return scores

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
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
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
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
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
            "lr_range": lr_ranges((1e-4, 1e-2)),
        },
    }
