"""CenterNet: an hourglass that marks the centres of objects, without anchors.

Source: Zhou et al., 2019 (Objects as Points), with a UNet for the hourglass.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from tasks.nets.unet import UNet

STRIDE = 2
"""Pixels of a cell of the maps."""


class CentreNet(nn.Module):
    """Images to the heat of every class and the sides of a box, in every cell.

    Args:
        channels: of the image.
        classes: kinds of objects.
        width: channels of the finest map; each of the ``depth`` coarser ones doubles them.
        depth: how often the hourglass halves the resolution.
    """

    def __init__(self, *, channels: int, classes: int, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 4, stride=STRIDE, padding=1)
        self.hourglass = UNet(channels=width, classes=width, width=width, depth=depth)
        self.heat = nn.Sequential(nn.ReLU(), nn.Conv2d(width, classes, 3, padding=1))
        self.sides = nn.Sequential(nn.ReLU(), nn.Conv2d(width, 4, 3, padding=1))
        # Every cell begins with probability 0.1, so that the many empty ones do not swamp the loss.
        nn.init.constant_(self.heat[-1].bias, -math.log(9))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, h, w) float to logits (n, classes, h/2, w/2) and sides (n, 4, h/2, w/2) in cells."""
        found = self.hourglass(self.stem(x))
        return self.heat(found), self.sides(found)
