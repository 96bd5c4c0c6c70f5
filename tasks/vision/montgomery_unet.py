"""Lungs in chest X-rays, semantic segmentation with a UNet (the paper's task 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions
from tasks.data import objects
from tasks.metrics.overlap import overlap
from tasks.nets.unet import UNet
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.vision._masks import Masks


@dataclass(frozen=True, kw_only=True)
class MontgomeryUNet(Masks):
    """Which pixels of a grey image belong to the lungs; embedded, to an object.

    Attributes:
        width: channels of the UNet's first level.
        depth: how often it halves the resolution.
    """

    role = "zoo"
    together = True

    width: int
    depth: int

    def build(self) -> nn.Module:
        """A UNet on grey images."""
        return UNet(channels=1, classes=self.classes, width=self.width, depth=self.depth)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Dice loss of the classes but background plus cross-entropy of the pixels."""
        logits = model(batch["image"].float() / 127.5 - 1)
        mask = batch["mask"].long()
        predicted = logits.softmax(dim=1)[:, 1:]
        true = F.one_hot(mask, self.classes).movedim(-1, 1)[:, 1:]
        shared = (predicted * true).sum((2, 3))
        # Smoothed by one pixel, so that a class that is neither there nor predicted costs little.
        soft = (2 * shared + 1) / (predicted.sum((2, 3)) + true.sum((2, 3)) + 1)
        loss = F.cross_entropy(logits, mask) + (1 - soft).mean()
        return loss, overlap(logits.detach(), mask)

    scales: ClassVar = {
        "mini": {
            "scenes": objects.Scenes(
                train=224, held_out=128, size=16, classes=1, objects=2, contrast=0.5, grey=True
            ),
            "size": 16,
            "classes": 2,
            "width": 8,
            "depth": 1,
            "batch_size": 16,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "scenes": objects.Scenes(train=110, held_out=14, size=64, classes=1, objects=2, grey=True),
            "size": 512,
            "classes": 2,
            "width": 64,
            "depth": 4,
            "batch_size": 4,
            "lr_range": lr_ranges((1e-5, 1e-4)),
        },
    }
