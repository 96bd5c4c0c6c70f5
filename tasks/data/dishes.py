"""Plates with ten kinds of patterned food on photo crops: the embedded stand-in for Food-101.

The pattern is the class; its scale, angle, place, both colours and the light are drawn anew for every
image, so that no colour gives a class away. The splits share neither photo regions nor random streams.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.base import Batch, Splits
from tasks.data import photos
from tasks.data.images import Uniform, composed, pixels, places, uniforms
from tasks.seeding import derive

_VERSION = 2
CLASSES = ("stripes", "spots", "checks", "rings", "wedges", "lattice", "spiral", "waves", "cloud", "grain")


def dishes(examples: tuple[int, int, int], size: int) -> Splits:
    """Images of ``size`` x ``size`` pixels: ``image`` uint8 (n, 3, size, size), ``label`` int64 (n,)."""
    return composed("dishes", _VERSION, examples, size, _compose)


def _compose(count: int, size: int, split: str) -> Batch:
    generator = torch.Generator().manual_seed(derive("dishes", split))
    uniform = uniforms(count, generator)
    labels = torch.arange(count) % len(CLASSES)
    x, y = places(size, uniform)
    plate = torch.sigmoid((uniform(0.75, 1.0, 1, 1) - torch.hypot(x, y)) * size / 2)[:, None]
    pattern = _pattern(x, y, labels, uniform, size, generator)[:, None]
    dark = uniform(0.0, 0.5, 3, 1, 1)
    light = dark + uniform(0.25, 0.6, 3, 1, 1)
    swapped = uniform(0, 1, 1, 1, 1) < 0.5
    pattern = torch.where(swapped, 1 - pattern, pattern)
    food = pattern * light + (1 - pattern) * dark
    table = photos.crops(count, size, split, generator).float() / 255
    image = plate * food + (1 - plate) * table
    image = image * uniform(0.6, 1.1, 1, 1, 1) + 0.05 * torch.randn(image.shape, generator=generator)
    return {"image": pixels(image), "label": labels}


def _pattern(
    x: Tensor, y: Tensor, labels: Tensor, uniform: Uniform, size: int, generator: torch.Generator
) -> Tensor:
    """The pattern of each image's class, (n, size, size) in [0, 1]."""
    count = len(labels)
    turn, pitch = uniform(0, math.tau, 1, 1), uniform(5, 8, 1, 1)
    u = pitch * (torch.cos(turn) * x + torch.sin(turn) * y)
    v = pitch * (torch.cos(turn) * y - torch.sin(turn) * x)
    radius, angle = torch.hypot(u, v), torch.atan2(v, u)
    start = uniform(0, math.tau, 1, 1)
    arms = torch.randint(3, 6, (count, 1, 1), generator=generator)
    noise = torch.randn(count, 1, 8, 8, generator=generator)
    fields = (
        torch.sin(u + start),
        torch.sin(u + start) + torch.sin(v) - 0.6,
        torch.sin(u + start) * torch.sin(v) * 2,
        torch.sin(radius + start),
        torch.sin(arms * angle + start),
        torch.maximum(torch.sin(u + start), torch.sin(v)) - 0.3,
        torch.sin(radius + 2 * angle + start),
        torch.sin(u + 1.5 * torch.sin(v) + start),
        F.interpolate(noise[:, :, :5, :5], size=size, mode="bicubic", align_corners=False)[:, 0],
        F.interpolate(noise, size=size, mode="nearest")[:, 0],
    )
    chosen = torch.stack(torch.broadcast_tensors(*fields), dim=1)[torch.arange(count), labels]
    return torch.sigmoid(3 * chosen)
