"""The concatenation of maps as a layer, so that :mod:`tasks.together` can replace it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Concat(nn.Module):
    """Maps (n, c_i, height, width) of equal height and width side by side: (n, sum of c_i, height, width)."""

    def forward(self, *maps: Tensor) -> Tensor:
        """The maps' channels, one map's after the other's."""
        return torch.cat(maps, dim=1)
