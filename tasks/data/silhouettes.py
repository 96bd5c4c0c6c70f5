"""Ten silhouettes cut from one photo crop and laid on another: the embedded stand-in for CIFAR-10.

The outline is the class. Pose, stretch, colour and light are drawn anew for every image, and a bar of
the background hides a part of it. The splits share neither photo regions nor random streams.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from tasks.base import Batch, Splits
from tasks.data import photos
from tasks.data.images import composed, pixels, places, uniforms
from tasks.seeding import derive

_VERSION = 2
CLASSES = (
    "ring",
    "crescent",
    "cross",
    "frame",
    "arrow",
    "triangle",
    "star",
    "hourglass",
    "bars",
    "half disc",
)


def silhouettes(examples: tuple[int, int, int], size: int) -> Splits:
    """Images of ``size`` x ``size`` pixels: ``image`` uint8 (n, 3, size, size), ``label`` int64 (n,)."""
    return composed("silhouettes", _VERSION, examples, size, _compose)


def _compose(count: int, size: int, split: str) -> Batch:
    generator = torch.Generator().manual_seed(derive("silhouettes", split))
    uniform = uniforms(count, generator)
    labels = torch.arange(count) % len(CLASSES)
    x, y = places(size, uniform)
    turn, scale, stretch = uniform(-0.6, 0.6, 1, 1), uniform(0.65, 0.9, 1, 1), uniform(0.85, 1.15, 1, 1)
    u = (torch.cos(turn) * x + torch.sin(turn) * y) / (scale * stretch)
    v = (torch.cos(turn) * y - torch.sin(turn) * x) / (scale / stretch)
    mask = torch.sigmoid(_inside(u, v)[torch.arange(count), labels] * size)
    # A bar in front, at a random angle and place.
    angle = uniform(0, math.pi, 1, 1)
    across = torch.cos(angle) * x + torch.sin(angle) * y - uniform(-0.8, 0.8, 1, 1)
    mask = (mask * torch.sigmoid((across.abs() - uniform(0.0, 0.15, 1, 1)) * size))[:, None]
    crops = photos.crops(2 * count, size, split, generator).float().view(2, count, 3, size, size) / 255
    back = 0.6 * crops[1] + uniform(0, 0.4, 1, 1, 1)
    # Lighter than its background where there is room for it, as in the embedded house numbers.
    light = back.mean(dim=(1, 2, 3), keepdim=True)
    contrast = uniform(0.2, 0.6, 1, 1, 1) * torch.where(light < 0.5, 1, -1)
    front = 0.4 * (crops[0] - 0.5) + light + contrast + uniform(-0.2, 0.2, 3, 1, 1)
    image = mask * front + (1 - mask) * back
    image = image * uniform(0.6, 1.1, 1, 1, 1) + 0.04 * torch.randn(image.shape, generator=generator)
    return {"image": pixels(image), "label": labels}


def _inside(x: Tensor, y: Tensor) -> Tensor:
    """How far a point lies inside each class's outline, (n, classes, size, size); negative outside."""
    radius, across, along = torch.hypot(x, y), x.abs(), y.abs()
    square = torch.maximum(across, along)
    both, either = torch.minimum, torch.maximum
    outlines = (
        0.25 - (radius - 0.7).abs(),
        both(0.95 - radius, torch.hypot(x - 0.45, y) - 0.7),
        either(both(0.25 - across, 0.95 - along), both(0.95 - across, 0.25 - along)),
        0.2 - (square - 0.7).abs(),
        either(both(0.2 - across, both(y, 0.95 - y)), both(0.1 - y, 0.75 * (y + 0.95) - across)),
        both(0.8 - y, 0.5 * (y + 0.95) - across),
        0.6 + 0.35 * torch.cos(5 * torch.atan2(y, x)) - radius,
        both(0.9 - along, along + 0.05 - across),
        both(0.2 - (across - 0.5).abs(), 0.9 - along),
        both(0.95 - radius, y + 0.2),
    )
    return torch.stack(outlines, dim=1)
