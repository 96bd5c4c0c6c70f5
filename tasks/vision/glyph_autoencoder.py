"""A deep autoencoder of letters: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits
from tasks.data import hub, labelled_images
from tasks.data.characters import characters
from tasks.nets.mlp import mlp
from tasks.optimizers import lr_ranges
from tasks.vision._images import ShiftedImages


@dataclass(frozen=True, kw_only=True)
class GlyphAutoencoder(ShiftedImages):
    """Draw an image again from a code of a few numbers.

    The paper-scale network is the one of Hinton and Salakhutdinov, 2006, with ReLU and
    squared errors.

    Attributes:
        examples: training, validation and test images of the embedded data.
        size: height and width of the images in pixels, of which the mean of the channels is drawn.
        classes: labels of other data are below it; they are not used.
        widths: hidden layers of the encoder, the last one being the code; the decoder mirrors them.
    """

    role = "evaluation"
    metric_name = "unexplained_variance"
    higher_is_better = False

    examples: tuple[int, int, int]
    size: int
    classes: int
    widths: tuple[int, ...]

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``label`` int64 (n,)."""
        if source.kind == "embedded":
            return characters("greek", examples=self.examples, size=self.size, clutter=0.0, noise=0.0)
        return labelled_images.load(source, hub.CIFAR10, size=self.size, classes=self.classes)

    def build(self) -> nn.Module:
        """Encoder and decoder in a row."""
        sides = [self.size**2, *self.widths]
        return mlp([*sides, *sides[-2::-1]])

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Mean squared error of the standardised pixels; the predictions are that of each image."""
        pixels = batch["image"].float().mean(1).flatten(1)
        deviation, mean = torch.std_mean(pixels, dim=1, correction=0, keepdim=True)
        wanted = (pixels - mean) / (deviation + 1)
        drawn: Tensor = model(wanted)
        losses = (drawn - wanted).square().mean(1)
        return losses.mean(), losses

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Mean squared error, in parts of an image's variance: 1 for a grey drawing, 0 for a perfect one."""
        assert isinstance(predictions, Tensor)
        return predictions.double().mean().item()

    scales: ClassVar = {
        "mini": {
            "examples": (768, 384, 768),
            "size": 12,
            "classes": 24,
            "widths": (96, 48, 16),
            "padding": 0,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 1e2), momentum=(1e-4, 1e1)),
        },
        "paper": {
            "examples": (60000, 6000, 10000),
            "size": 28,
            "classes": 10,
            "widths": (1000, 500, 250, 30),
            "padding": 2,
            "batch_size": 128,
            "lr_range": lr_ranges((1e-5, 1e-2)),
        },
    }
