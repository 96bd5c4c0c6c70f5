"""Densely connected convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.nets.concat import Concat


class DenseNet(nn.Module):
    """Dense blocks of bottleneck layers, halved in channels and size between the blocks.

    Args:
        blocks: layers per block; (6, 12, 24, 16) is DenseNet121.
        growth: channels that each layer adds; 32 in DenseNet121.
        stem: channels of the first convolution; 64 in DenseNet121.
        small: a 3 x 3 first convolution of stride 2 and no pooling, for images under 64 pixels.
        outputs: size of the head.

    Shapes: (n, 3, height, width) float -> (n, outputs).

    Source: Huang et al., 2017, table 1 (the variant with bottlenecks and compression 0.5).
    """

    def __init__(self, *, blocks: Sequence[int], growth: int, stem: int, small: bool, outputs: int) -> None:
        super().__init__()
        kernel = 3 if small else 7
        first = nn.Conv2d(3, stem, kernel, stride=2, padding=kernel // 2, bias=False)
        layers: list[nn.Module] = [first, nn.BatchNorm2d(stem), nn.ReLU(inplace=True)]
        if not small:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        channels = stem
        for i, count in enumerate(blocks):
            layers += [_Dense(channels + j * growth, growth) for j in range(count)]
            channels += count * growth
            layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
            if i < len(blocks) - 1:
                layers += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
                channels //= 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the outputs."""
        scores: Tensor = self.head(self.features(images).mean(dim=(2, 3)))
        return scores


class _Dense(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.join = Concat()

    def forward(self, maps: Tensor) -> Tensor:
        new = self.conv1(F.relu(self.norm1(maps)))
        joined: Tensor = self.join(maps, self.conv2(F.relu(self.norm2(new))))
        return joined
