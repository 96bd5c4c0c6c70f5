"""House numbers in the manner of SVHN, made of scikit-learn's digits and photos.

Each image shows one digit in its middle, scaled, tilted, coloured, crowded by neighbours of the same
style, on a crop of a photo. The splits share neither digits nor photo regions.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.base import Batch, Splits
from tasks.data import photos
from tasks.data.images import composed, pixels, uniforms
from tasks.seeding import derive

_VERSION = 1
_COUNTS = {"train": 1100, "val": 347, "test": 350}


def house_numbers(examples: tuple[int, int, int], size: int) -> Splits:
    """Images of ``size`` x ``size`` pixels: ``image`` uint8 (n, 3, size, size), ``label`` int64 (n,)."""
    return composed("house-numbers", _VERSION, examples, size, _compose)


@cache
def _glyphs(split: str) -> tuple[Tensor, Tensor]:
    """The digits of a split: opacity (n, 1, 8, 8) in [0, 1] and label (n,)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = torch.randperm(len(digits.target), generator=torch.Generator().manual_seed(derive("digits")))
    rows = dict(zip(_COUNTS, torch.split(order, list(_COUNTS.values())), strict=True))[split]
    opacity = torch.from_numpy(digits.images).float()[rows, None] / 16
    return opacity, torch.from_numpy(digits.target)[rows].long()


def _compose(count: int, size: int, split: str) -> Batch:
    generator = torch.Generator().manual_seed(derive("house numbers", split))
    opacity, labels = _glyphs(split)
    uniform = uniforms(count, generator)
    background = photos.crops(count, size, split, generator).float() / 255
    background = 0.5 * background + uniform(0, 0.5, 1, 1, 1)
    # Light on dark or dark on light, tinted: lighter than its background where there is room for it.
    light = background.mean(dim=(1, 2, 3), keepdim=True)
    contrast = uniform(0.25, 0.6, 1, 1, 1)
    colour = torch.where(light < 0.5, light + contrast, light - contrast) + uniform(-0.15, 0.15, 3, 1, 1)
    chosen = torch.randint(len(labels), (count, 3), generator=generator)
    scale, tilt = uniform(0.7, 0.95), uniform(-0.25, 0.25)
    shift = uniform(-0.1, 0.1, 2)
    spacing = uniform(0.9, 1.2)
    image = background
    for position, column in ((-1, 1), (1, 2), (0, 0)):
        centre = shift + torch.stack([position * spacing * scale * 1.3, 0.2 * position * tilt], dim=1)
        mask = _place(opacity[chosen[:, column]], scale, tilt, centre, size)
        image = image * (1 - mask) + colour * mask
    image = image + 0.04 * torch.randn(image.shape, generator=generator)
    return {"image": pixels(image), "label": labels[chosen[:, 0]]}


def _place(glyph: Tensor, scale: Tensor, tilt: Tensor, centre: Tensor, size: int) -> Tensor:
    """Draw each glyph at ``centre`` (x, y in units of half an image), ``scale`` of the image high."""
    cos, sin = torch.cos(tilt) / scale, torch.sin(tilt) / scale
    x, y = centre.unbind(1)
    rows = [cos, sin, -cos * x - sin * y, -sin, cos, sin * x - cos * y]
    theta = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = F.affine_grid(theta, [len(glyph), 1, size, size], align_corners=False)
    return F.grid_sample(glyph, grid, align_corners=False)
