"""Letters on photos with an MLP-Mixer: reported only, never in training data."""

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
from tasks.nets.mixer import Mixer


@dataclass(frozen=True, kw_only=True)
class GlyphMixer(Task):
    """Name a letter in a font that was not seen in training, or the object of a small photo.

    The paper-scale network is Mixer-S of Tolstikhin et al., 2021, with the patches of a small image.

    Attributes:
        examples: training, validation and test images of the embedded data.
        limited: whether no more are taken of other data either.
        size: height and width of the images in pixels.
        channels: of the images.
        classes: size of the head.
        patch: side of a patch in pixels.
        width: channels of a place.
        layers: mixer blocks.
        hidden: of their perceptrons over places and over channels.
        padding: pixels by which a training image is shifted at most, its edge reflected.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    limited: bool
    size: int
    channels: int
    classes: int
    patch: int
    width: int
    layers: int
    hidden: tuple[int, int]
    padding: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind == "embedded":
            return characters("capitals", examples=self.examples, size=self.size, clutter=0.2, noise=0.03)
        limit = self.examples if self.limited else None
        return labelled_images.load(
            source, hub.CIFAR10, size=self.size, classes=self.classes, limit=limit, channels=self.channels
        )

    def build(self) -> nn.Module:
        """The Mixer."""
        return Mixer(
            channels=self.channels,
            size=self.size,
            patch=self.patch,
            width=self.width,
            layers=self.layers,
            hidden=self.hidden,
            outputs=self.classes,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores: Tensor = model(batch["image"].float() / 127.5 - 1)
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Shifted images."""
        shifted = augment.random_crop(batch["image"], self.size, generator, padding=self.padding)
        return {**batch, "image": shifted}

    scales: ClassVar = {
        "mini": {
            "examples": (780, 312, 780),
            "limited": True,
            "size": 12,
            "channels": 1,
            "classes": 26,
            "patch": 4,
            "width": 32,
            "layers": 2,
            "hidden": (16, 64),
            "padding": 1,
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
            "patch": 4,
            "width": 512,
            "layers": 8,
            "hidden": (256, 2048),
            "padding": 4,
            "batch_size": 128,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-1)),
        },
    }
