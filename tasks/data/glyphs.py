"""Embedded characters of many scripts, drawn with the fonts that matplotlib ships.

Every drawing is in a font file and a warp of its own. The splits have different scripts, so that a model
is judged on characters that it has never seen.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from tasks.base import Splits, TaskError
from tasks.data import pairs
from tasks.data.cache import cached
from tasks.seeding import derive

VERSION = 1
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
)
SCRIPTS: dict[str, dict[str, tuple[int, int]]] = {
    "train": {
        "latin capitals": (0x41, 0x5A),
        "latin": (0x61, 0x7A),
        "phonetic": (0x250, 0x2AF),
        "greek": (0x391, 0x3C9),
        "cyrillic": (0x410, 0x44F),
        "arabic": (0x621, 0x64A),
        "syllabics": (0x1401, 0x1550),
        "lao": (0xE81, 0xEAE),
        "mathematics": (0x2200, 0x22FF),
    },
    "val": {"armenian": (0x531, 0x587), "n'ko": (0x7CA, 0x7EA)},
    "test": {"georgian": (0x10A0, 0x10FA), "tifinagh": (0x2D30, 0x2D65), "hebrew": (0x5D0, 0x5EA)},
}
"""The first and last code point of each script."""


def load(*, train: int, held_out: int, size: int, drawings: int = 6) -> Splits:
    """Pairs of glyphs for three splits.

    Args:
        train: pairs of the training split.
        held_out: pairs of the validation split, and of the test split.
        size: height and width in pixels.
        drawings: of each character.

    Returns:
        The columns of :func:`tasks.data.pairs.draw`.
    """

    def build() -> Splits:
        counts = (train, held_out, held_out)
        return Splits(
            *(
                pairs.draw(_alphabets(split, size, drawings), count, seed=i)
                for i, (split, count) in enumerate(zip(SCRIPTS, counts, strict=True))
            )
        )

    return cached(f"glyphs-{train}-{held_out}-{size}-{drawings}", VERSION, build)


def _alphabets(split: str, size: int, drawings: int) -> pairs.Alphabets:
    rng = np.random.default_rng(derive("glyphs", split))
    return {
        script: {
            chr(code): torch.stack([drawing(chr(code), size, rng) for _ in range(drawings)])
            for code in range(first, last + 1)
            if unicodedata.category(chr(code))[0] in "LS" and fonts_with(code)
        }
        for script, (first, last) in SCRIPTS[split].items()
    }


def fonts_with(code: int) -> list[str]:
    """The names of the fonts that have a character."""
    return [font for font in FONTS if code in _code_points(font)]


def drawing(
    character: str, size: int, rng: np.random.Generator, fonts: Sequence[str] | None = None
) -> torch.Tensor:
    """One (size, size) uint8 drawing: a font, turned, sheared and stretched, fitted into the square.

    The font is one of ``fonts``, or of all that have the character.
    """
    fonts = fonts_with(ord(character)) if fonts is None else fonts
    large = 4 * size
    glyph = Image.new("L", (large, large))
    font = _font(fonts[int(rng.integers(len(fonts)))], int(0.7 * large))
    ImageDraw.Draw(glyph).text((large / 2, large / 2), character, fill=255, font=font, anchor="mm")
    turn, shear, stretch = rng.normal(0, 0.12), rng.normal(0, 0.2), rng.uniform(0.8, 1.25)
    a = np.array([[np.cos(turn) * stretch, shear - np.sin(turn)], [np.sin(turn), np.cos(turn) / stretch]])
    centre = np.full(2, large / 2)
    offset = centre - a @ (centre + rng.normal(0, 0.03, 2) * large)
    glyph = glyph.transform(
        (large, large),
        Image.Transform.AFFINE,
        (a[0, 0], a[0, 1], offset[0], a[1, 0], a[1, 1], offset[1]),
        Image.Resampling.BILINEAR,
    )
    return torch.from_numpy(np.array(glyph.resize((size, size), Image.Resampling.BOX), dtype=np.uint8))


@cache
def _code_points(font: str) -> frozenset[int]:
    return frozenset(FT2Font(str(_path(font))).get_charmap())


@cache
def _font(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_path(name), pixels)


def _path(font: str) -> Path:
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    if not path.is_file():
        raise TaskError(f"no font file {path}; reinstall matplotlib>=3.9, which ships it")
    return path
