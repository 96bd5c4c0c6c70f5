"""Random crops of scikit-learn's two photos, from regions that the splits do not share."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

STRIPE = 80
"""Width in pixels of the photos' vertical stripes; a crop never leaves its stripe."""

_STRIPES = {"train": (0, 1, 3, 4, 6), "val": (2, 5), "test": (7,)}


@cache
def regions(split: str) -> Tensor:
    """The photo stripes of ``split`` (train, val or test), as uint8 (stripes, 3, 427, 80)."""
    from sklearn.datasets import load_sample_images

    photos = [torch.from_numpy(photo.copy()).permute(2, 0, 1) for photo in load_sample_images().images]
    stripes = [p[:, :, s * STRIPE : (s + 1) * STRIPE] for p in photos for s in _STRIPES[split]]
    return torch.stack(stripes)


def crops(count: int, size: int, split: str, generator: torch.Generator) -> Tensor:
    """Crops at random places, as uint8 (count, 3, size, size); enlarged where a stripe is narrower."""
    if size > STRIPE:
        enlarged = F.interpolate(crops(count, STRIPE, split, generator).float(), size=size, mode="bilinear")
        return enlarged.to(torch.uint8)
    pool = regions(split)

    def draw(high: int) -> Tensor:
        return torch.randint(high, (count, 1, 1), generator=generator)

    stripe, top, left = draw(len(pool)), draw(pool.shape[2] - size + 1), draw(STRIPE - size + 1)
    rows = top + torch.arange(size)[:, None]
    columns = left + torch.arange(size)
    return pool[stripe, :, rows, columns].permute(0, 3, 1, 2).contiguous()
