"""Cyrillic letters with a small CNN: for design decisions, neither trained on nor reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.nets.convnet import ConvNet
from tasks.vision._images import ShiftedImages
from tasks.vision._noisy_characters import MINI, PAPER, NoisyCharacters


@dataclass(frozen=True, kw_only=True)
class DevGlyphCNN(NoisyCharacters, ShiftedImages):
    """Name a letter.

    Attributes:
        widths: channels of each stage.
    """

    script = "cyrillic"
    grain = 0.05

    widths: tuple[int, ...]

    def build(self) -> nn.Module:
        """The CNN."""
        return ConvNet(channels=self.channels, widths=self.widths, size=self.size, outputs=self.classes)

    scales: ClassVar = {
        "mini": MINI
        | {
            "examples": (512, 320, 640),
            "size": 12,
            "classes": 16,
            "noise": 20.0,
            "widths": (8, 16),
            "padding": 1,
        },
        "paper": PAPER | {"widths": (64, 128, 256, 512), "padding": 4},
    }
