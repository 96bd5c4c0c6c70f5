"""What the tasks share that mark an object's pixels: data, Dice coefficient, mirrored images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import masks, objects
from tasks.metrics.overlap import dice


@dataclass(frozen=True, kw_only=True)
class Masks(Task):
    """Which pixels show which kind of object.

    Attributes:
        scenes: the embedded data.
        size: height and width of the images in pixels.
        classes: of pixels, background included.
    """

    metric_name: ClassVar[str] = "dice"

    scenes: objects.Scenes
    size: int
    classes: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, channels, size, size) and ``mask`` uint8 (n, size, size)."""
        if source.kind == "embedded":
            splits = objects.load(self.scenes)
        else:
            channels = 1 if self.scenes.grey else 3
            splits = masks.load(source, size=self.size, classes=self.classes, channels=channels)
        return Splits(*({"image": s["image"], "mask": s["mask"]} for s in splits))

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Dice coefficient, the mean over the object classes."""
        return dice(*predictions)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Mirror half of the images."""
        return masks.mirrored(batch, generator)
