"""Semantic segmentation: UNet on CUB-200-2011 (spec section 10, task 12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Role, Source, Splits, Task
from tasks.data import masks, objects
from tasks.data.images import standardised
from tasks.metrics.overlap import dice, overlap
from tasks.nets.unet import UNet
from tasks.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class CubUnet(Task):
    """Which pixels show which kind of object; at paper scale, which show the bird.

    Attributes:
        size: height and width of the images in pixels.
        classes: of pixels, background included.
        width: channels of the UNet's first level.
        depth: how often it halves the resolution.
        scenes: the embedded data.
    """

    role: ClassVar[Role] = "zoo"
    together = True
    metric_name: ClassVar[str] = "dice"
    scales: ClassVar = {
        "mini": {
            "batch_size": 16,
            "lr_range": {
                "adam": (1e-5, 1e0),
                "adamw": (1e-5, 1e0),
                "sgd": (1e-3, 3e1),
                "momentum": (1e-4, 3e0),
                "rmsprop": (1e-5, 1e0),
            },
            "size": 16,
            "classes": 12,  # room for other data; of the embedded scenes 2 occur
            "width": 8,
            "depth": 2,
            "scenes": objects.Scenes(train=192, held_out=128, size=16, classes=1),
        },
        "medium": {
            "batch_size": 8,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
            "size": 48,
            "classes": 12,
            "width": 16,
            "depth": 3,
            "scenes": objects.Scenes(train=1600, held_out=160, size=48, classes=11, objects=3, tint=0.3),
            "recipe": Recipe(epoch_steps=100, weight_decay=0.01),
        },
        "paper": {
            "batch_size": 16,
            "lr_range": dict.fromkeys(("adam", "adamw", "sgd", "momentum", "rmsprop"), (1e-5, 1e-3)),
            "size": 256,
            "classes": 2,
            "width": 64,
            "depth": 4,
            "scenes": objects.Scenes(train=192, held_out=128, size=64, classes=1),
        },
    }

    size: int
    classes: int
    width: int
    depth: int
    scenes: objects.Scenes

    def load(self, source: Source) -> Splits:
        """``image`` (n, 3, size, size) uint8 and ``mask`` (n, size, size) uint8."""
        if source.kind == "embedded":
            splits = objects.load(self.scenes)
            return Splits(*({"image": s["image"], "mask": s["mask"]} for s in splits))
        return masks.load(source, size=self.size, classes=self.classes)

    def build(self) -> nn.Module:
        """A UNet on colour images."""
        return UNet(channels=3, classes=self.classes, width=self.width, depth=self.depth)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the pixels."""
        logits = model(standardised(batch["image"]))
        loss = F.cross_entropy(logits, batch["mask"].long())
        return loss, overlap(logits.detach(), batch["mask"])

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Dice coefficient, the mean over the object classes."""
        return dice(*predictions)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Mirror half of the images."""
        return masks.mirrored(batch, generator)
