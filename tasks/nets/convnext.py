"""A small ConvNeXt: depthwise convolutions, layer normalisation, no batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ConvNeXt(nn.Module):
    """Patches, stages of blocks with a halving between them, a linear head on the mean.

    Args:
        widths: channels of each stage.
        depths: blocks of each stage.
        patch: side of the patches of the first convolution, in pixels.
        kernel: side of the depthwise convolutions.
        outputs: size of the head.

    Shapes: (n, 3, height, width) float, sides multiples of ``patch * 2^(stages - 1)`` -> (n, outputs).

    Source: Liu et al., 2022 ("A ConvNet for the 2020s"), without layer scale and stochastic depth.
    """

    def __init__(
        self, *, widths: Sequence[int], depths: Sequence[int], patch: int, kernel: int, outputs: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], patch, stride=patch), _Norm(widths[0])]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage:
                narrow = widths[stage - 1]
                layers += [_Norm(narrow), nn.Conv2d(narrow, width, 2, stride=2)]
            layers += [_Block(width, kernel) for _ in range(depth)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.LayerNorm(widths[-1]), nn.Linear(widths[-1], outputs))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the outputs."""
        scores: Tensor = self.head(self.body(images).mean(dim=(2, 3)))
        return scores


class _Norm(nn.LayerNorm):
    """Layer normalisation of the channels of (n, channels, height, width)."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class _Block(nn.Module):
    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, maps: Tensor) -> Tensor:
        last = self.mix(maps).permute(0, 2, 3, 1)
        return torch.add(maps, self.perceptron(last).permute(0, 3, 1, 2))
