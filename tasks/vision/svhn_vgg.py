"""House numbers with VGG19 and batch normalisation (the paper's task 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.nets.vgg import VGG
from tasks.vision._house_numbers import MINI, PAPER, HouseNumbers


@dataclass(frozen=True, kw_only=True)
class SvhnVGG(HouseNumbers):
    """Name the middle digit of a house number.

    Attributes:
        stages: convolutions per stage; (2, 2, 4, 4, 4) is VGG19.
        width: channels of the first stage.
    """

    role = "zoo"
    together = True

    stages: tuple[int, ...]
    width: int

    def build(self) -> nn.Module:
        """The VGG."""
        return VGG(stages=self.stages, width=self.width, outputs=self.classes)

    scales: ClassVar = {
        "mini": MINI | {"stages": (1, 1, 1), "width": 8, "batch_size": 32},
        "paper": PAPER | {"stages": (2, 2, 4, 4, 4), "width": 64},
    }
