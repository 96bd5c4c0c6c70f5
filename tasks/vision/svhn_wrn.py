"""House numbers with a WideResNet-28-2: the proxy task on which candidates are compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.nets.wide_resnet import WideResNet
from tasks.vision._house_numbers import MINI, PAPER, HouseNumbers


@dataclass(frozen=True, kw_only=True)
class SvhnWideResNet(HouseNumbers):
    """Name the middle digit of a house number.

    Attributes:
        depth: layers of the network, 6 k + 4.
        widen: its widening factor.
        base: channels of its first convolution.
    """

    role = "proxy"

    depth: int
    widen: int
    base: int

    def build(self) -> nn.Module:
        """The wide residual network."""
        return WideResNet(depth=self.depth, widen=self.widen, base=self.base, outputs=self.classes)

    scales: ClassVar = {
        "mini": MINI | {"depth": 10, "widen": 2, "base": 4, "batch_size": 50},
        "paper": PAPER | {"depth": 28, "widen": 2, "base": 16},
    }
