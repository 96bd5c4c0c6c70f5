"""UNet, and the UNet decoder that a ResNet encoder can feed.

Source: Ronneberger et al., 2015, with padded convolutions and batch normalisation, so that the output has
the input's size (the variant of most public implementations).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.nets.concat import Concat


def double_conv(channels_in: int, channels_out: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each normalised and rectified; height and width stay."""
    layers: list[nn.Module] = []
    for fan_in in (channels_in, channels_out):
        layers += [
            nn.Conv2d(fan_in, channels_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


class Up(nn.Module):
    """Double the resolution, put the skip connection beside it, convolve twice."""

    def __init__(self, channels_in: int, channels_skip: int, channels_out: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(channels_in, channels_out, 2, stride=2)
        self.join = Concat()
        self.conv = double_conv(channels_out + channels_skip, channels_out)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """``x`` (n, channels_in, h, w) and ``skip`` of at least twice that size to the skip's size."""
        x = self.up(x)
        if skip is None:
            grown: Tensor = self.conv(x)
            return grown
        # Odd sizes lose a row or column when they are halved.
        x = F.pad(x, (0, skip.shape[-1] - x.shape[-1], 0, skip.shape[-2] - x.shape[-2]))
        joined: Tensor = self.conv(self.join(skip, x))
        return joined


class UNet(nn.Module):
    """Images to one logit per class and pixel.

    Args:
        channels: of the input image.
        classes: of the output.
        width: channels of the first level; each of the ``depth`` further levels doubles them.
    """

    def __init__(self, *, channels: int, classes: int, width: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            double_conv(a, b) for a, b in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(Up(2 * w, w, w) for w in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, h, w) float to (n, classes, h, w)."""
        skips: list[Tensor] = []
        for level, conv in enumerate(self.down):
            x = conv(F.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for up, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            x = up(x, skip)
        logits: Tensor = self.head(x)
        return logits


class Decoder(nn.Module):
    """The right half of a UNet, on the feature maps of any encoder.

    Args:
        widths: channels of the encoder's maps, finest first, each half the resolution of the one before.
        classes: of the output.
        stride: of the finest map; further doublings without a skip bring the output to the image's size.
    """

    def __init__(self, *, widths: Sequence[int], classes: int, stride: int) -> None:
        super().__init__()
        fine, coarse = list(reversed(widths[:-1])), widths[-1]
        outs = [max(w // 2, widths[0] // 2) for w in fine]
        self.up = nn.ModuleList(
            Up(a, skip, out) for a, skip, out in zip([coarse, *outs[:-1]], fine, outs, strict=True)
        )
        self.grow = nn.ModuleList(Up(outs[-1], 0, outs[-1]) for _ in range(stride.bit_length() - 1))
        self.head = nn.Conv2d(outs[-1], classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """The encoder's maps, finest first, to (n, classes, h, w)."""
        x = maps[-1]
        for up, skip in zip(self.up, reversed(maps[:-1]), strict=True):
            x = up(x, skip)
        for grow in self.grow:
            x = grow(x, None)
        logits: Tensor = self.head(x)
        return logits
