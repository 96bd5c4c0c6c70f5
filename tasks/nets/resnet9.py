"""ResNet-9, the small residual network of the DAWNBench records on CIFAR-10."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResNet9(nn.Module):
    """Four convolutions and two residual blocks, global max pooling, a scaled linear head without bias.

    Args:
        width: channels of the first convolution; 64 in the source.
        outputs: size of the head.

    Shapes: (n, 3, height, width) float, sides at least 8 -> (n, outputs).

    Source: David Page, "How to train your ResNet", 2018 (cifar10-fast, DAWNBench).
    """

    def __init__(self, *, width: int, outputs: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _convolution(3, width),
            _convolution(width, 2 * width, pool=True),
            _Residual(2 * width),
            _convolution(2 * width, 4 * width, pool=True),
            _convolution(4 * width, 8 * width, pool=True),
            _Residual(8 * width),
        )
        self.head = nn.Linear(8 * width, outputs, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the outputs."""
        scores: Tensor = self.head(self.features(images).amax(dim=(2, 3)))
        return 0.125 * scores


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, maps: Tensor) -> Tensor:
        return torch.add(maps, self.body(maps))


def _convolution(channels: int, wider: int, *, pool: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(channels, wider, 3, padding=1, bias=False),
        nn.BatchNorm2d(wider),
        nn.ReLU(inplace=True),
    ]
    return nn.Sequential(*layers, nn.MaxPool2d(2)) if pool else nn.Sequential(*layers)
