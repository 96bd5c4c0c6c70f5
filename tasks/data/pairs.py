"""Drawings of characters to labelled pairs for verification, and their random warps."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tasks.base import Batch, TaskError
from tasks.seeding import derive

Alphabets = Mapping[str, Mapping[str, Tensor]]
"""Alphabet to character to drawings, each (drawings, size, size) uint8 with ink 255 on 0."""


_WARPS = {
    "turn": (-10.0, 10.0, 0.0),
    "shear_x": (-0.3, 0.3, 0.0),
    "shear_y": (-0.3, 0.3, 0.0),
    "scale_x": (0.8, 1.2, 1.0),
    "scale_y": (0.8, 1.2, 1.0),
    "shift_x": (-2.0, 2.0, 0.0),
    "shift_y": (-2.0, 2.0, 0.0),
}
"""Lowest and highest amount, and the one that changes nothing; degrees, and pixels of 105."""
_LOW = torch.tensor([low for low, _, _ in _WARPS.values()])[:, None]
_RANGE = torch.tensor([high - low for low, high, _ in _WARPS.values()])[:, None]
_NONE = torch.tensor([nothing for _, _, nothing in _WARPS.values()])[:, None]


def draw(alphabets: Alphabets, count: int, *, seed: int) -> Batch:
    """``count`` pairs, alternately of the same character and of two characters of one alphabet.

    Returns:
        ``left`` and ``right`` (count, 1, size, size) uint8, ``same`` (count,) float32 of ones and zeros.

    Source: Koch et al., 2015, section 4.1.
    """
    rng = np.random.default_rng(derive("pairs", seed))
    usable = [
        drawings
        for _, characters in sorted(alphabets.items())
        if len(drawings := [d for _, d in sorted(characters.items()) if len(d) > 1]) > 1
    ]
    if not usable:
        raise TaskError("need an alphabet of two characters with two drawings each at least")
    left, right = [], []
    for i in range(count):
        characters = usable[rng.integers(len(usable))]
        a, b = rng.choice(len(characters), 2, replace=False)
        if i % 2 == 0:
            first, second = rng.choice(len(characters[a]), 2, replace=False)
            pair = characters[a][first], characters[a][second]
        else:
            pair = (
                characters[a][rng.integers(len(characters[a]))],
                characters[b][rng.integers(len(characters[b]))],
            )
        left.append(pair[0])
        right.append(pair[1])
    same = (torch.arange(count) % 2 == 0).float()
    return {"left": torch.stack(left)[:, None], "right": torch.stack(right)[:, None], "same": same}


@functools.lru_cache
def _on(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """The warps' lowest values, ranges, and values that change nothing, on a device."""
    with torch.inference_mode(False):
        return _LOW.to(device), _RANGE.to(device), _NONE.to(device)


def warped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random affine copies of (n, 1, size, size) uint8 images with dark (0) surroundings.

    Each of rotation (10 degrees at most), shear (0.3), scale (0.8 to 1.2) and shift (2 of 105 pixels) is
    applied with probability one half, as by Koch et al., 2015, section 3.3.
    """
    count = len(images)
    draws = torch.rand(len(_WARPS), 2, count, generator=generator, device=generator.device)
    low, span, none = _on(generator.device)
    amounts = torch.where(draws[:, 1] < 0.5, low + span * draws[:, 0], none)
    turn, shear_x, shear_y, scale_x, scale_y = (*amounts[:1].deg2rad(), *amounts[1:5])
    shift_x, shift_y = amounts[5:] * 2 / 105
    cos, sin = turn.cos(), turn.sin()
    rows = (cos * scale_x, shear_x - sin, shift_x, sin + shear_y, cos * scale_y, shift_y)
    theta = torch.stack(rows, dim=1).view(count, 2, 3).to(images.device)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, align_corners=False).round().to(torch.uint8)
