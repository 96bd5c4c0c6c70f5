"""Classification of blurred photos without any normalisation: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.classification import Classification
from tasks.data import blurred
from tasks.nets.nf_resnet import NFResNet
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class ShakenNFResNet(Classification):
    """Say in which direction the camera moved.

    Attributes:
        examples: training, validation and test rows.
        size: height and width of the images in pixels.
        classes: directions.
        noise: standard deviation of a pixel before the blur, of 255; smooth crops alone tell nothing.
        widths: channels of each stage.
        blocks: of each stage.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    size: int
    classes: int
    noise: float
    widths: tuple[int, ...]
    blocks: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        return blurred.shaken(
            source, examples=self.examples, size=self.size, classes=self.classes, noise=self.noise
        )

    def build(self) -> nn.Module:
        """The residual network."""
        return NFResNet(widths=self.widths, blocks=self.blocks, outputs=self.classes)

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["image"].float() / 127.5 - 1)
        return scores

    scales: ClassVar = {
        "mini": {
            "examples": (768, 256, 512),
            "size": 14,
            "classes": 12,
            "noise": 150.0,
            "widths": (8, 16),
            "blocks": 1,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "paper": {
            "examples": (50000, 5000, 10000),
            "size": 32,
            "classes": 8,
            "noise": 150.0,
            "widths": (64, 128, 256, 512),
            "blocks": 2,
            "batch_size": 128,
            "lr_range": lr_ranges((1e-6, 1e-1)),
        },
    }
