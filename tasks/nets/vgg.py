"""VGG with batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class VGG(nn.Module):
    """Stages of 3 x 3 convolutions, each followed by 2 x 2 max pooling, then a linear head.

    The convolutions are those of the paper; its three dense layers, made for maps of 7 x 7, give way
    to a mean over the last map and one linear layer, as is usual for images of 32 x 32.

    Args:
        stages: convolutions per stage: (2, 2, 4, 4, 4) is VGG19, (2, 2, 3, 3, 3) is VGG16.
        width: channels of the first stage; they double per stage, up to eight times ``width``.
        outputs: size of the head.

    Shapes: (n, 3, height, width) float -> (n, outputs).

    Source: Simonyan & Zisserman, 2015; Ioffe & Szegedy, 2015 for the normalisation.
    """

    def __init__(self, *, stages: Sequence[int], width: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for stage, convolutions in enumerate(stages):
            wider = width * min(2**stage, 8)
            for _ in range(convolutions):
                layers += [
                    nn.Conv2d(channels, wider, 3, padding=1),
                    nn.BatchNorm2d(wider),
                    nn.ReLU(inplace=True),
                ]
                channels = wider
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, outputs)
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Scores of the outputs."""
        scores: Tensor = self.head(self.features(images).mean(dim=(2, 3)))
        return scores
