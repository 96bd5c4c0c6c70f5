"""A plain convolutional network for small images."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class ConvNet(nn.Module):
    """Stages of a 3 x 3 convolution, batch normalisation and max pooling; a linear head on all that is left.

    Args:
        channels: of the images.
        widths: channels of each stage, which halves the image.
        size: height and width of the images in pixels.
        outputs: size of the head.

    Shapes: (n, channels, size, size) float -> (n, outputs).
    """

    def __init__(self, *, channels: int, widths: Sequence[int], size: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for narrow, wide in zip([channels, *widths], widths, strict=False):
            layers += [
                nn.Conv2d(narrow, wide, 3, padding=1, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * (size // 2 ** len(widths)) ** 2, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the outputs."""
        scores: Tensor = self.head(self.body(images).flatten(1))
        return scores
