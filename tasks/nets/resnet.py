"""Residual networks with bottleneck blocks, as encoders that give a map per resolution.

Source: He et al., 2016; the stride sits in the 3 x 3 convolution, as in most public implementations.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


def conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size but for its stride, normalised."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    )


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a shortcut; four times ``width`` channels out."""

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.reduce = conv(channels_in, width, 1)
        self.middle = conv(width, width, 3, stride)
        self.expand = conv(width, out, 1)
        same = stride == 1 and channels_in == out
        self.shortcut = nn.Identity() if same else conv(channels_in, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels_in, h, w) to (n, 4 width, h / stride, w / stride)."""
        y = F.relu(self.middle(F.relu(self.reduce(x))))
        return F.relu(self.expand(y) + self.shortcut(x))


class ResNet(nn.Module):
    """The encoder of a ResNet: images to the maps of its stem and of every stage.

    Args:
        blocks: of each stage; (3, 4, 6, 3) is ResNet-50.
        width: channels of the stem; stage i has ``4 width 2^i`` of them.
        stem: size of the first convolution's kernel. From 7 on it halves the resolution and pooling halves
            it again; smaller stems, for small images, keep it.

    Attributes:
        widths: channels of the maps, finest first: the stem and the stages.
        strides: pixels of the image per pixel of each map.
    """

    def __init__(self, *, blocks: Sequence[int] = (3, 4, 6, 3), width: int = 64, stem: int = 7) -> None:
        super().__init__()
        large = stem >= 7
        self.stem = conv(3, width, stem, 2 if large else 1)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if large else nn.Identity()
        channels, stages = width, []
        self.widths, self.strides = [width], [2 if large else 1]
        for i, count in enumerate(blocks):
            stage: list[nn.Module] = []
            for j in range(count):
                # With a small stem the first stage halves the resolution in the pooling's stead.
                stride = 2 if j == 0 and (i > 0 or not large) else 1
                stage.append(Bottleneck(channels, width * 2**i, stride))
                channels = 4 * width * 2**i
            stages.append(nn.Sequential(*stage))
            self.widths.append(channels)
            self.strides.append(2 * self.strides[-1])
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(n, 3, h, w) float to the maps of the stem and the stages, finest first."""
        # With channels last, torch 2.13's strided 1 x 1 convolutions of few channels corrupt memory on CPUs.
        x = F.relu(self.stem(x.contiguous()))
        maps = [x]
        x = self.pool(x)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps
