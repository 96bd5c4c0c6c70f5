"""Noisy digits with a deep tanh MLP: for design decisions, neither trained on nor reported.

With momentum SGD an LR of 1 saturates the net within its first steps, and no lower LR brings it back:
the dead start that only a return to the initial weights repairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.data import hub
from tasks.data.characters import characters
from tasks.nets.mlp import mlp
from tasks.optimizers import lr_ranges
from tasks.vision._images import PublishedImages


@dataclass(frozen=True, kw_only=True)
class DevTanhMLP(PublishedImages):
    """Name a digit from its pixels, without convolutions.

    Attributes:
        inputs: values of an image.
        hidden: width of each hidden layer.
        layers: hidden layers.
        noise: standard deviation of the noise on training images, of at most 255.
    """

    role = "development"

    inputs: int
    hidden: int
    layers: int
    noise: float

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind != "embedded":
            return self._published(source, hub.SVHN, self.inputs // self.size**2)
        return characters("digits", examples=self.examples, size=self.size, clutter=0.4, noise=0.1)

    def build(self) -> nn.Module:
        """The MLP."""
        return mlp([self.inputs, *[self.hidden] * self.layers, self.classes], activation="tanh")

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["image"].flatten(1).float() / 127.5 - 1)
        return scores

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
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
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
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
