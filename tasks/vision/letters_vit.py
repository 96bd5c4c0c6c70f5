"""Cyrillic capitals with a vision transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.base import Source, Splits
from tasks.data.characters import ALPHABETS, characters
from tasks.nets.gpt import VisionTransformer
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.transformers import SMALL, OfTransformer
from tasks.vision._images import Images, ShiftedImages

SCRIPT = "cyrillic capitals"


@dataclass(frozen=True, kw_only=True)
class LettersViT(ShiftedImages, Images, OfTransformer):
    """Name a letter.

    Attributes:
        patch: height and width of a patch; it divides ``size``.
    """

    role = "zoo"
    together = True

    patch: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 1, size, size) and ``label`` int64 (n,)."""
        source.require_embedded()
        return characters(SCRIPT, examples=self.examples, size=self.size, clutter=0.1, noise=0.03)

    def build(self) -> nn.Module:
        """The vision transformer."""
        return VisionTransformer(
            channels=1,
            size=self.size,
            patch=self.patch,
            outputs=len(ALPHABETS[SCRIPT]),
            **self._sizes(),
        )

    scales: ClassVar = {
        "mini": SMALL
        | {
            "examples": (640, 400, 600),
            "size": 16,
            "patch": 4,
            "padding": 1,
            "batch_size": 32,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "examples": (50000, 5000, 10000),
            "size": 32,
            "patch": 4,
            "width": 384,
            "layers": 7,
            "heads": 6,
            "padding": 4,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
