"""Semantic segmentation: UNet on CUB-200-2011 (spec section 10, task 12)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Role
from tasks.data import objects
from tasks.data.images import standardised
from tasks.metrics.overlap import overlap
from tasks.nets.unet import UNet
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.recipe import Recipe
from tasks.vision._masks import Masks


@dataclass(frozen=True, kw_only=True)
class CubUnet(Masks):
    """Which pixels show which kind of object; at paper scale, which show the bird.

    Attributes:
        width: channels of the UNet's first level.
        depth: how often it halves the resolution.
    """

    role: ClassVar[Role] = "zoo"
    together = True
    scales: ClassVar = {
        "mini": {
            "batch_size": 16,
            "lr_range": USUAL_LRS,
            "size": 16,
            "classes": 12,  # room for other data; of the embedded scenes 2 occur
            "width": 8,
            "depth": 2,
            "scenes": objects.Scenes(train=192, held_out=128, size=16, classes=1),
        },
        "medium": {
            "batch_size": 8,
            "lr_range": USUAL_LRS,
            "size": 48,
            "classes": 12,
            "width": 16,
            "depth": 3,
            "scenes": objects.Scenes(train=1600, held_out=160, size=48, classes=11, objects=3, tint=0.3),
            "recipe": Recipe(epoch_steps=100, weight_decay=0.01),
        },
        "paper": {
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e-3)),
            "size": 256,
            "classes": 2,
            "width": 64,
            "depth": 4,
            "scenes": objects.Scenes(train=192, held_out=128, size=64, classes=1),
        },
    }

    width: int
    depth: int

    def build(self) -> nn.Module:
        """A UNet on colour images."""
        return UNet(channels=3, classes=self.classes, width=self.width, depth=self.depth)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the pixels."""
        logits = model(standardised(batch["image"]))
        loss = F.cross_entropy(logits, batch["mask"].long())
        return loss, overlap(logits.detach(), batch["mask"])
