"""Food with Inception-v3 and its auxiliary head (the paper's task 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions
from tasks.data import augment
from tasks.data.images import standardised
from tasks.nets.inception import InceptionV3
from tasks.vision._dishes import MINI, PAPER, Dishes

AUXILIARY_WEIGHT = 0.3  # as in GoogLeNet (Szegedy et al., 2015)


@dataclass(frozen=True, kw_only=True)
class FoodInception(Dishes):
    """Name the dish on a photo.

    Attributes:
        modules: number of modules of each of the three kinds; (3, 4, 2) is Inception-v3.
        width: multiplies the numbers of channels.
        small: whether the stem is a single convolution, for small images.
        dropout: share of the features dropped in front of the main head.
    """

    role = "zoo"
    together = True

    modules: tuple[int, int, int]
    width: float
    small: bool
    dropout: float

    def build(self) -> nn.Module:
        """The Inception-v3."""
        return InceptionV3(
            modules=self.modules,
            width=self.width,
            small=self.small,
            outputs=self.classes,
            dropout=self.dropout,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the main head and, weighted, of the auxiliary one; the main scores."""
        images = augment.centre_crop(batch["image"], self.crop)
        scores, auxiliary = model(standardised(images))
        main = F.cross_entropy(scores, batch["label"])
        return main + AUXILIARY_WEIGHT * F.cross_entropy(auxiliary, batch["label"]), scores

    scales: ClassVar = {
        "mini": MINI | {"modules": (1, 0, 0), "width": 0.0625, "small": True, "dropout": 0.1},
        "paper": PAPER
        | {
            "size": 320,
            "crop": 299,
            "modules": (3, 4, 2),
            "width": 1.0,
            "small": False,
            "dropout": 0.5,
        },
    }
