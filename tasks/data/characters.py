"""Single characters to be named or redrawn: the glyphs of one script on faint photo crops.

The splits share neither fonts nor photo regions, and every drawing has a warp of its own.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from tasks.base import Batch, Splits
from tasks.data import photos
from tasks.data.cache import cached
from tasks.data.glyphs import FONTS, drawing
from tasks.data.images import pixels
from tasks.seeding import derive

_VERSION = 2
_HELD_OUT = {
    "val": ("DejaVuSans-Oblique", "STIXGeneralItalic"),
    "test": ("DejaVuSerif-Bold", "STIXGeneralBol"),
}
ALPHABETS = {
    "latin": "abcdefghijklmnopqrstuvwxyz",
    "greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "cyrillic": "бгджзилмпуфцчшыэ",
    "capitals": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "cyrillic capitals": "БГДЖЗИЛПФЦЧШЩЭЮЯ",
    "digits": "0123456789",
}
"""The characters of each script; all twelve fonts have them."""


def characters(
    script: str, *, examples: tuple[int, int, int], size: int, clutter: float, noise: float
) -> Splits:
    """Images of ``size`` x ``size`` pixels: ``image`` uint8 (n, 1, size, size), ``label`` int64 (n,).

    Args:
        script: of :data:`ALPHABETS`; a label is a character's place in it.
        examples: training, validation and test images.
        size: height and width in pixels.
        clutter: how much of the background is photo, 0 to 1; with 0 it is plain.
        noise: standard deviation of the pixel noise, in units of the full range.
    """
    name = f"characters-{script}-{'-'.join(map(str, examples))}-{size}px-{clutter}-{noise}"
    settings = (script, size, clutter, noise)
    return cached(
        name,
        _VERSION,
        lambda: Splits(*(_draw(n, s, *settings) for n, s in zip(examples, Splits._fields, strict=True))),
    )


def _draw(count: int, split: str, script: str, size: int, clutter: float, noise: float) -> Batch:
    key = derive("characters", script, split)
    rng, generator = np.random.default_rng(key), torch.Generator().manual_seed(key)
    held_out = {font for fonts in _HELD_OUT.values() for font in fonts}
    fonts = _HELD_OUT.get(split) or tuple(font for font in FONTS if font not in held_out)
    alphabet = ALPHABETS[script]
    labels = torch.arange(count) % len(alphabet)
    glyphs = torch.stack([drawing(alphabet[label], size, rng, fonts) for label in labels.tolist()])
    opacity = glyphs[:, None].float() / 255

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)

    photo = photos.crops(count, size, split, generator).float().mean(1, keepdim=True) / 255
    # Bright characters on darker paper, so that a plain background stays nearly 0.
    image = clutter * photo * uniform(0.5, 1.0) + (1 - clutter) * 0.1
    ink = image + uniform(0.4, 0.8)
    image = image * (1 - opacity) + ink * opacity
    image = image + noise * torch.randn(image.shape, generator=generator)
    return {"image": pixels(image), "label": labels}
