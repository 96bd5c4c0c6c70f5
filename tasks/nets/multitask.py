"""One ResNet encoder for two tasks: the class of an image and the class of each pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tasks.nets.resnet import ResNet
from tasks.nets.unet import Decoder


class ResUNet(nn.Module):
    """A ResNet with a linear classifier on its last map, and a UNet decoder on all of them.

    Args:
        labels: classes of images.
        classes: classes of pixels.
        blocks: of each stage of the ResNet.
        width: channels of its stem.
        stem: kernel of its first convolution.

    Attributes:
        log_variances: (2,) of classification and segmentation, trained with the weights.
    """

    def __init__(self, *, labels: int, classes: int, blocks: Sequence[int], width: int, stem: int) -> None:
        super().__init__()
        self.encoder = ResNet(blocks=blocks, width=width, stem=stem)
        self.classifier = nn.Linear(self.encoder.widths[-1], labels)
        self.decoder = Decoder(widths=self.encoder.widths, classes=classes, stride=self.encoder.strides[0])
        self.log_variances = nn.Parameter(torch.zeros(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3, h, w) float to the logits (n, labels) and (n, classes, h, w)."""
        maps = self.encoder(x)
        return self.classifier(maps[-1].mean((2, 3))), self.decoder(maps)

    def weighted(self, losses: Tensor) -> Tensor:
        """The sum of exp(-s) loss + s / 2 over both tasks, s being the task's log variance.

        Args:
            losses: (2,) cross-entropies of classification and segmentation.

        Source: Kendall et al., 2018, equation 10.
        """
        return (torch.exp(-self.log_variances) * losses + 0.5 * self.log_variances).sum()
