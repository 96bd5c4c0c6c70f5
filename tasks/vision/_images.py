"""What the tasks share that name what an image shows: where it comes from, how it is shown and shifted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.base import Batch, Source, Splits, Task
from tasks.classification import Classification
from tasks.data import augment, labelled_images
from tasks.data.hub import Repository


@dataclass(frozen=True, kw_only=True)
class Images(Classification):
    """Name what an image shows: ``image`` uint8 (n, channels, size, size), ``label`` int64 (n,).

    Attributes:
        examples: training, validation and test images of the embedded data.
        size: height and width of the images in pixels.
    """

    examples: tuple[int, int, int]
    size: int

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["image"].float() / 127.5 - 1)
        return scores


@dataclass(frozen=True, kw_only=True)
class PublishedImages(Images):
    """Images that are embedded, or a published data set's.

    Attributes:
        limited: whether no more than ``examples`` are taken of published data either.
        classes: of the data, and the size of the head.
    """

    limited: bool
    classes: int

    def _published(self, source: Source, repository: Repository, channels: int = 3) -> Splits:
        """The images of a source that is not embedded; ``repository`` is what ``hub`` means."""
        return labelled_images.load(
            source,
            repository,
            size=self.size,
            classes=self.classes,
            limit=self.examples if self.limited else None,
            channels=channels,
        )


@dataclass(frozen=True, kw_only=True)
class ShiftedImages(Task):
    """Training images lie a little elsewhere each time.

    Attributes:
        size: height and width of the images in pixels.
        padding: pixels by which a training image is shifted at most, its edge reflected.
    """

    size: int
    padding: int

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Shifted images."""
        shifted = augment.random_crop(batch["image"], self.size, generator, padding=self.padding)
        return {**batch, "image": shifted}
