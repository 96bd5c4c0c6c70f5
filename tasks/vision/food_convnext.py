"""Small photos of food with a ConvNeXt: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions
from tasks.data import augment
from tasks.data.images import standardised
from tasks.nets.convnext import ConvNeXt
from tasks.recipe import Recipe
from tasks.vision._dishes import MINI, Dishes

MEAN, DEVIATION = (0.507, 0.487, 0.441), (0.267, 0.256, 0.276)


@dataclass(frozen=True, kw_only=True)
class FoodConvNeXt(Dishes):
    """Name the dish on a photo: the food classes of CIFAR-100, or embedded plates.

    Attributes:
        widths: channels of each stage.
        depths: blocks of each stage.
        patch: side of the patches of the first convolution, in pixels.
        kernel: side of the depthwise convolutions.
        smoothing: of the labels in training and validation.
    """

    role = "evaluation"

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    patch: int
    kernel: int
    smoothing: float

    def build(self) -> nn.Module:
        """The ConvNeXt."""
        return ConvNeXt(
            widths=self.widths,
            depths=self.depths,
            patch=self.patch,
            kernel=self.kernel,
            outputs=self.classes,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy with smoothed labels; the predictions are the class scores."""
        images = augment.centre_crop(batch["image"], self.crop)
        scores: Tensor = model(standardised(images, MEAN, DEVIATION))
        return F.cross_entropy(scores, batch["label"], label_smoothing=self.smoothing), scores

    scales: ClassVar = {
        "mini": MINI
        | {
            "size": 18,
            "crop": 16,
            "widths": (12, 24),
            "depths": (1, 1),
            "patch": 2,
            "kernel": 3,
            "smoothing": 0.0,
        },
        "medium": MINI
        | {
            "examples": (4500, 500, 1000),
            "limited": False,
            "size": 36,
            "crop": 32,
            "widths": (96, 192),
            "depths": (2, 2),
            "patch": 4,
            "kernel": 5,
            "smoothing": 0.1,
            "batch_size": 32,
            "recipe": Recipe(epoch_steps=100, weight_decay=0.05, clip=1.0),
        },
    }
