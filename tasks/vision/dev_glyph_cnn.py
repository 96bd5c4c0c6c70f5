"""Cyrillic letters with a small CNN: for design decisions, neither trained on nor reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from tasks.base import Batch, Source, Splits
from tasks.data import hub
from tasks.data.characters import characters
from tasks.nets.convnet import ConvNet
from tasks.optimizers import lr_ranges
from tasks.vision._images import PublishedImages, ShiftedImages


@dataclass(frozen=True, kw_only=True)
class DevGlyphCNN(PublishedImages, ShiftedImages):
    """Name a letter in a font that was not seen in training.

    Attributes:
        channels: of the images.
        widths: channels of each stage.
        noise: standard deviation of the noise on training images, of at most 255.
    """

    role = "development"

    channels: int
    widths: tuple[int, ...]
    noise: float

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind != "embedded":
            return self._published(source, hub.SVHN, self.channels)
        return characters("cyrillic", examples=self.examples, size=self.size, clutter=0.4, noise=0.05)

    def build(self) -> nn.Module:
        """The CNN."""
        return ConvNet(channels=self.channels, widths=self.widths, size=self.size, outputs=self.classes)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Shifted and noisy images."""
        images = super().augment(batch, generator)["image"]
        noise = self.noise * torch.randn(images.shape, generator=generator)
        return {**batch, "image": (images + noise.to(images.device)).clamp(0, 255)}

    scales: ClassVar = {
        "mini": {
            "examples": (512, 320, 640),
            "limited": True,
            "size": 12,
            "channels": 1,
            "classes": 16,
            "widths": (8, 16),
            "padding": 1,
            "noise": 20.0,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "paper": {
            "examples": (8000, 1000, 1000),
            "limited": False,
            "size": 32,
            "channels": 3,
            "classes": 10,
            "widths": (64, 128, 256, 512),
            "padding": 4,
            "noise": 8.0,
            "batch_size": 128,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
