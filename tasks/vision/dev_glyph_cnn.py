"""Cyrillic letters with a small CNN: for design decisions, neither trained on nor reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import augment, hub, labelled_images
from tasks.data.characters import characters
from tasks.metrics.accuracy import accuracy
from tasks.nets.convnet import ConvNet


@dataclass(frozen=True, kw_only=True)
class DevGlyphCNN(Task):
    """Name a letter in a font that was not seen in training.

    Attributes:
        examples: training, validation and test images of the embedded data.
        limited: whether no more are taken of other data either.
        size: height and width of the images in pixels.
        channels: of the images.
        classes: size of the head.
        widths: channels of each stage.
        padding: pixels by which a training image is shifted at most, its edge reflected.
        noise: standard deviation of the noise on training images, of at most 255.
    """

    role = "development"

    examples: tuple[int, int, int]
    limited: bool
    size: int
    channels: int
    classes: int
    widths: tuple[int, ...]
    padding: int
    noise: float

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind == "embedded":
            return characters("cyrillic", examples=self.examples, size=self.size, clutter=0.4, noise=0.05)
        limit = self.examples if self.limited else None
        return labelled_images.load(
            source, hub.SVHN, size=self.size, classes=self.classes, limit=limit, channels=self.channels
        )

    def build(self) -> nn.Module:
        """The CNN."""
        return ConvNet(channels=self.channels, widths=self.widths, size=self.size, outputs=self.classes)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores: Tensor = model(batch["image"].float() / 127.5 - 1)
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Shifted and noisy images."""
        images = augment.random_crop(batch["image"], self.size, generator, padding=self.padding)
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
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
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
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-1)),
        },
    }
