"""Crops of scikit-learn's photos, shaken along a line."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.base import Batch, Source, Splits, TaskError
from tasks.data import photos
from tasks.data.cache import cached
from tasks.seeding import derive


def shaken(
    source: Source, *, examples: tuple[int, int, int], size: int, classes: int, noise: float
) -> Splits:
    """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,): the direction of the motion blur.

    Args:
        source: must be embedded.
        examples: training, validation and test crops, from regions of the photos that they do not share.
        size: of a crop in pixels.
        classes: directions.
        noise: standard deviation of a pixel before the blur, of 255; without it smooth crops tell nothing.
    """
    if source.kind != "embedded":
        raise TaskError(f"got data={source.kind}; the photos come with scikit-learn: data=embedded")

    def build() -> Splits:
        return Splits(
            *(_split(n, s, size, classes, noise) for s, n in zip(Splits._fields, examples, strict=True))
        )

    return cached(f"shaken-{'-'.join(map(str, examples))}-{size}px-{classes}-{noise}", 2, build)


def _split(count: int, split: str, size: int, classes: int, noise: float) -> Batch:
    generator = torch.Generator().manual_seed(derive(f"shaken-{split}"))
    images = photos.crops(count, size + 6, split, generator).float()
    images = images + noise * torch.randn(images.shape, generator=generator)
    labels = torch.randint(classes, (count,), generator=generator)
    kernels = _lines(classes)[labels][:, None, None].expand(-1, 3, 1, 7, 7)
    grouped = F.conv2d(images.reshape(1, -1, size + 6, size + 6), kernels.flatten(0, 1), groups=3 * count)
    blurred = grouped.view(count, 3, size, size).clamp(0, 255)
    return {"image": blurred.to(torch.uint8), "label": labels}


def _lines(classes: int) -> Tensor:
    """(classes, 7, 7): a line through the middle at each angle."""
    y, x = torch.meshgrid(torch.arange(-3.0, 4), torch.arange(-3.0, 4), indexing="ij")
    angles = [math.pi * k / classes for k in range(classes)]
    found = torch.stack([(1 - (x * math.sin(a) - y * math.cos(a)).abs()).clamp(min=0) for a in angles])
    found = found * (x**2 + y**2 <= 10)
    return found / found.sum((1, 2), keepdim=True)
