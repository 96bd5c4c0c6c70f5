"""Random changes of image batches; every image of a batch is changed on its own.

Numbers are drawn where the generator is; what is drawn on the host goes to the images' device without
waiting for it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def random_crop(images: Tensor, size: int, generator: torch.Generator, *, padding: int = 0) -> Tensor:
    """(n, 3, h, w) -> (n, 3, size, size) at random places; ``padding`` pixels are reflected first."""
    count, channels, height, width = images.shape
    if padding == 0 and size == height == width:
        return images
    tops = torch.randint(
        height + 2 * padding - size + 1, (count, 1, 1), generator=generator, device=generator.device
    )
    lefts = torch.randint(
        width + 2 * padding - size + 1, (count, 1, 1), generator=generator, device=generator.device
    )
    steps = torch.arange(size, device=generator.device)
    rows = _reflected(tops + steps[:, None] - padding, height).to(images.device, non_blocking=True)
    columns = _reflected(lefts + steps - padding, width).to(images.device, non_blocking=True)
    pixels = (rows * width + columns).view(count, 1, -1).expand(-1, channels, -1)
    return images.flatten(2).gather(2, pixels).view(count, channels, size, size)


def centre_crop(images: Tensor, size: int) -> Tensor:
    """(n, 3, h, w) -> the middle (n, 3, size, size); the same tensor where it has that size."""
    top, left = (images.shape[2] - size) // 2, (images.shape[3] - size) // 2
    return images[:, :, top : top + size, left : left + size]


def random_flip(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror half of the images left to right."""
    draws = torch.rand(len(images), 1, 1, 1, generator=generator, device=generator.device)
    flipped = draws.to(images.device, non_blocking=True) < 0.5
    return torch.where(flipped, images.flip(3), images)


def cutout(images: Tensor, size: int, fill: Tensor, generator: torch.Generator) -> Tensor:
    """Overwrite one square of ``size`` pixels of each image with the colour ``fill``, of (3,)."""
    count, _, height, width = images.shape
    tops = torch.randint(height - size + 1, (count, 1), generator=generator, device=generator.device)
    lefts = torch.randint(width - size + 1, (count, 1), generator=generator, device=generator.device)
    rows, columns = (torch.arange(side, device=generator.device) for side in (height, width))
    in_rows = (rows >= tops) & (rows < tops + size)
    in_columns = (columns >= lefts) & (columns < lefts + size)
    hole = (in_rows[:, None, :, None] & in_columns[:, None, None, :]).to(images.device, non_blocking=True)
    return torch.where(hole, fill.to(images, non_blocking=True).view(1, 3, 1, 1), images)


def _reflected(positions: Tensor, length: int) -> Tensor:
    positions = positions.abs()
    return torch.where(positions >= length, 2 * (length - 1) - positions, positions)
