"""Noisy digits with a deep tanh MLP: for design decisions, neither trained on nor reported.

With momentum SGD an LR of 1 saturates the net within its first steps, and no lower LR brings it back:
the dead start that only a return to the initial weights repairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import hub, labelled_images
from tasks.data.characters import characters
from tasks.metrics.accuracy import accuracy
from tasks.nets.mlp import mlp


@dataclass(frozen=True, kw_only=True)
class DevTanhMLP(Task):
    """Name a digit from its pixels, without convolutions.

    Attributes:
        examples: training, validation and test images of the embedded data.
        limited: whether no more are taken of other data either.
        size: height and width of the images in pixels.
        classes: size of the last layer.
        inputs: values of an image.
        hidden: width of each hidden layer.
        layers: hidden layers.
        noise: standard deviation of the noise on training images, of at most 255.
    """

    role = "development"

    examples: tuple[int, int, int]
    limited: bool
    size: int
    classes: int
    inputs: int
    hidden: int
    layers: int
    noise: float

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind == "embedded":
            return characters("digits", examples=self.examples, size=self.size, clutter=0.4, noise=0.1)
        limit = self.examples if self.limited else None
        return labelled_images.load(
            source,
            hub.SVHN,
            size=self.size,
            classes=self.classes,
            limit=limit,
            channels=self.inputs // self.size**2,
        )

    def build(self) -> nn.Module:
        """The MLP."""
        return mlp([self.inputs, *[self.hidden] * self.layers, self.classes], activation="tanh")

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores: Tensor = model(batch["image"].flatten(1).float() / 127.5 - 1)
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Noisy images."""
        images = batch["image"]
        noise = self.noise * torch.randn(images.shape, generator=generator)
        return {**batch, "image": (images + noise.to(images.device)).clamp(0, 255)}

    scales: ClassVar = {
        "mini": {
            "examples": (800, 400, 600),
            "limited": True,
            "size": 10,
            "classes": 10,
            "inputs": 100,
            "hidden": 48,
            "layers": 4,
            "noise": 30.0,
            "batch_size": 32,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "examples": (8000, 1000, 1000),
            "limited": False,
            "size": 32,
            "classes": 10,
            "inputs": 3072,
            "hidden": 1024,
            "layers": 5,
            "noise": 8.0,
            "batch_size": 128,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-1)),
        },
    }
