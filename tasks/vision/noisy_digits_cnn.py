"""A few digits, many of them labelled wrongly, and a CNN: it overfits on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.base import Source, Splits
from tasks.data.label_noise import noisy
from tasks.data.plain_digits import plain_digits
from tasks.nets.convnet import ConvNet
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.vision._images import Images


@dataclass(frozen=True, kw_only=True)
class NoisyDigitsCNN(Images):
    """Name a digit; at the LR that trains fastest the validation loss rises after some epochs.

    Attributes:
        noise: share of the labels that are drawn anew, in every split.
        widths: channels of each stage.
    """

    role = "zoo"
    together = True

    noise: float
    widths: tuple[int, ...]

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 1, size, size) and ``label`` int64 (n,)."""
        source.require_embedded()
        return noisy(plain_digits(self.examples, self.size), share=self.noise, classes=10)

    def build(self) -> nn.Module:
        """The CNN."""
        return ConvNet(channels=1, widths=self.widths, size=self.size, outputs=10)

    scales: ClassVar = {
        "mini": {
            "examples": (480, 400, 600),
            "noise": 0.3,
            "widths": (16, 32),
            "size": 8,
            "batch_size": 32,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "examples": (1000, 300, 497),
            "noise": 0.3,
            "widths": (64, 128, 256),
            "size": 32,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
