"""Wide residual networks for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class WideResNet(nn.Module):
    """Three groups of pre-activation residual blocks with 3 x 3 convolutions.

    Args:
        depth: 6 k + 4 layers make k blocks per group; 28 gives four.
        widen: multiplies the channels of the groups.
        base: channels of the first convolution; the groups have ``base * widen`` times 1, 2 and 4.
        outputs: size of the head.

    Shapes: (n, 3, height, width) float -> (n, outputs).

    Source: Zagoruyko & Komodakis, 2016, section 2.
    """

    def __init__(self, *, depth: int, widen: int, base: int, outputs: int) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"got depth={depth}, need 6 k + 4 with k >= 1, e.g. 10, 16 or 28")
        blocks: list[nn.Module] = []
        channels = base
        for group in range(3):
            wider = base * widen * 2**group
            for i in range((depth - 4) // 6):
                blocks.append(_Block(channels, wider, stride=2 if group and not i else 1))
                channels = wider
        self.stem = nn.Conv2d(3, base, 3, padding=1, bias=False)
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the outputs."""
        maps = F.relu(self.norm(self.blocks(self.stem(images))))
        scores: Tensor = self.head(maps.mean(dim=(2, 3)))
        return scores


class _Block(nn.Module):
    def __init__(self, channels: int, wider: int, *, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, wider, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(wider)
        self.conv2 = nn.Conv2d(wider, wider, 3, padding=1, bias=False)
        self.stride = stride
        self.shortcut = nn.Conv2d(channels, wider, 1, bias=False) if channels != wider or stride > 1 else None

    def forward(self, maps: Tensor) -> Tensor:
        active = F.relu(self.norm1(maps))
        shortcut = maps
        if self.shortcut is not None:
            # Where the shape changes, the shortcut too starts from the activated maps. They are thinned
            # out before the 1 x 1 convolution: oneDNN's strided one (torch 2.13) writes past its buffers
            # where channels are last in memory and fewer than eight.
            shortcut = self.shortcut(active[:, :, :: self.stride, :: self.stride])
        return torch.add(shortcut, self.conv2(F.relu(self.norm2(self.conv1(active)))))
