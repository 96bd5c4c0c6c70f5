"""Food with DenseNet121 (the paper's task 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch
from tasks.data import augment
from tasks.data.images import standardised
from tasks.nets.densenet import DenseNet
from tasks.vision._dishes import MINI, PAPER, Dishes

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class FoodDenseNet(Dishes):
    """Name the dish on a photo.

    Attributes:
        blocks: layers per dense block; (6, 12, 24, 16) is DenseNet121.
        growth: channels that each layer adds.
        stem: channels of the first convolution.
        small: whether the first convolution keeps the size, for small images.
    """

    role = "zoo"
    together = True

    blocks: tuple[int, ...]
    growth: int
    stem: int
    small: bool

    def build(self) -> nn.Module:
        """The DenseNet."""
        return DenseNet(
            blocks=self.blocks, growth=self.growth, stem=self.stem, small=self.small, outputs=self.classes
        )

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        images = augment.centre_crop(batch["image"], self.crop)
        scores: Tensor = model(standardised(images, MEAN, DEVIATION))
        return scores

    scales: ClassVar = {
        "mini": MINI | {"blocks": (2, 2), "growth": 6, "stem": 12, "small": True},
        "paper": PAPER
        | {
            "size": 256,
            "crop": 224,
            "blocks": (6, 12, 24, 16),
            "growth": 32,
            "stem": 64,
            "small": False,
        },
    }
