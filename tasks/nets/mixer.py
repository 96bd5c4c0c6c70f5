"""MLP-Mixer: patches of an image, mixed by perceptrons over places and over channels in turn.

Source: Tolstikhin et al., 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Mixer(nn.Module):
    """Patch embedding, mixer blocks, a last normalisation, the mean over places, a linear head.

    Args:
        channels: of the images.
        size: height and width of the images in pixels.
        patch: side of a patch, which divides ``size``.
        width: channels of a place.
        layers: blocks.
        hidden: of each block's perceptron over places, and of the one over channels.
        outputs: size of the head.

    Shapes: (n, channels, size, size) float -> (n, outputs).
    """

    def __init__(
        self,
        *,
        channels: int,
        size: int,
        patch: int,
        width: int,
        layers: int,
        hidden: tuple[int, int],
        outputs: int,
    ) -> None:
        super().__init__()
        places = (size // patch) ** 2
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.blocks = nn.Sequential(*(_Block(places, width, hidden) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the outputs."""
        places = self.patches(images).flatten(2).transpose(1, 2)
        scores: Tensor = self.head(self.norm(self.blocks(places)).mean(1))
        return scores


class _Block(nn.Module):
    def __init__(self, places: int, width: int, hidden: tuple[int, int]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.over_places = _perceptron(places, hidden[0])
        self.over_channels = _perceptron(width, hidden[1])

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.over_places(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return torch.add(x, self.over_channels(self.norms[1](x)))


def _perceptron(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, width))
