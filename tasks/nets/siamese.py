"""The convolutional siamese network of Koch et al., 2015, Figure 4."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Siamese(nn.Module):
    """Two images to the logit that they show the same character.

    Both images pass through the same convolutions (each rectified, all but the last followed by 2 x 2
    pooling) and a sigmoid layer; a weighted L1 distance of the two codes gives the logit.

    Args:
        size: height and width of the images in pixels.
        widths: output channels of the convolutions.
        kernels: their sizes; no padding.
        code: units of the sigmoid layer.
    """

    def __init__(
        self,
        *,
        size: int,
        widths: Sequence[int] = (64, 128, 128, 256),
        kernels: Sequence[int] = (10, 7, 4, 4),
        code: int = 4096,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (a, b, kernel) in enumerate(zip((1, *widths[:-1]), widths, kernels, strict=True)):
            layers += [nn.Conv2d(a, b, kernel), nn.ReLU(inplace=True)]
            size = size - kernel + 1
            if i < len(widths) - 1:
                layers.append(nn.MaxPool2d(2))
                size //= 2
        self.encoder = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(widths[-1] * size**2, code), nn.Sigmoid()
        )
        self.head = nn.Linear(code, 1)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Two (n, 1, size, size) float tensors to (n,) logits."""
        codes = self.encoder(torch.cat([left, right]))
        a, b = codes.chunk(2)
        logits: Tensor = self.head((a - b).abs())
        return logits.squeeze(1)
