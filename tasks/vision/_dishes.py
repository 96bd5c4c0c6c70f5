"""What the tasks on dishes share: data, augmentation, accuracy, numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch

from tasks.base import Batch, Source, Splits
from tasks.data import augment, hub
from tasks.data.dishes import dishes
from tasks.optimizers import lr_ranges
from tasks.vision._images import PublishedImages


@dataclass(frozen=True, kw_only=True)
class Dishes(PublishedImages):
    """Name the dish on a photo.

    Attributes:
        crop: height and width of the part that the network sees: at a random place in training.
    """

    crop: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        if source.kind != "embedded":
            return self._published(source, hub.FOOD)
        return dishes(self.examples, self.size)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A random crop, mirrored or not."""
        images = augment.random_crop(batch["image"], self.crop, generator)
        return {**batch, "image": augment.random_flip(images, generator)}


MINI: Final[dict[str, Any]] = {
    "examples": (800, 400, 400),
    "limited": True,
    "size": 16,
    "crop": 14,
    "classes": 10,
    "batch_size": 50,
    "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
}
"""Their numbers at mini scale."""

PAPER: Final[dict[str, Any]] = {
    "examples": (320, 80, 80),
    "limited": False,
    "classes": 101,
    "batch_size": 64,
    "lr_range": lr_ranges((1e-5, 1e-2)),
}
"""Their numbers at the paper's."""
