"""Cyrillic capitals with a vision transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import augment
from tasks.data.characters import ALPHABETS, characters
from tasks.metrics.accuracy import accuracy
from tasks.nets.gpt import VisionTransformer

SCRIPT = "cyrillic capitals"


@dataclass(frozen=True, kw_only=True)
class LettersViT(Task):
    """Name a letter.

    Attributes:
        examples: training, validation and test images.
        size: height and width of the images in pixels.
        patch: height and width of a patch; it divides ``size``.
        width: of the transformer.
        layers: its blocks.
        heads: of each.
        padding: pixels by which a training image is shifted at most, its edge reflected.
    """

    role = "zoo"
    together = True

    examples: tuple[int, int, int]
    size: int
    patch: int
    width: int
    layers: int
    heads: int
    padding: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 1, size, size) and ``label`` int64 (n,)."""
        source.require_embedded()
        return characters(SCRIPT, examples=self.examples, size=self.size, clutter=0.1, noise=0.03)

    def build(self) -> nn.Module:
        """The vision transformer."""
        return VisionTransformer(
            channels=1,
            size=self.size,
            patch=self.patch,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            outputs=len(ALPHABETS[SCRIPT]),
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
            "examples": (640, 400, 600),
            "size": 16,
            "patch": 4,
            "width": 32,
            "layers": 2,
            "heads": 2,
            "padding": 1,
            "batch_size": 32,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "examples": (50000, 5000, 10000),
            "size": 32,
            "patch": 4,
            "width": 384,
            "layers": 7,
            "heads": 6,
            "padding": 4,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-1)),
        },
    }
