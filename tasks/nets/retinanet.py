"""RetinaNet: a ResNet with a feature pyramid, and two heads on every level.

Source: Lin et al., 2017 (focal loss) and 2017 (feature pyramids).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.nets.resnet import ResNet

RATIOS = (0.5, 1.0, 2.0)
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
PER_CELL = len(RATIOS) * len(SCALES)

TINY: Final[dict[str, Any]] = {"blocks": (1,), "stem": 3, "levels": (1, 0)}
"""Its numbers, but for width and tower, where images have some 20 pixels: one map of half their size."""
NARROW: Final[dict[str, Any]] = {
    "blocks": (2, 2, 2, 2),
    "width": 32,
    "stem": 7,
    "levels": (2, 1),
    "tower": 2,
}
"""Its numbers where they have some 128: half as wide as the paper's, two blocks a stage."""


class RetinaNet(nn.Module):
    """Images to class logits and box offsets of every anchor.

    Args:
        classes: kinds of objects; there is no background class.
        blocks: of each stage of the ResNet.
        width: channels of its stem; the pyramid has four times as many.
        stem: kernel of its first convolution.
        levels: the first map of the ResNet (0 is its stem) that the pyramid uses, all later ones following,
            and the number of coarser levels on top of them.
        tower: convolutions of each head before its output.
    """

    def __init__(
        self,
        *,
        classes: int,
        blocks: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        stem: int = 7,
        levels: tuple[int, int] = (2, 2),
        tower: int = 4,
    ) -> None:
        super().__init__()
        self.encoder = ResNet(blocks=blocks, width=width, stem=stem)
        first, extra = levels
        self.first, self.classes = first, classes
        inner = 4 * width
        used = self.encoder.widths[first:]
        self.lateral = nn.ModuleList(nn.Conv2d(w, inner, 1) for w in used)
        self.smooth = nn.ModuleList(nn.Conv2d(inner, inner, 3, padding=1) for _ in used)
        self.extra = nn.ModuleList(nn.Conv2d(inner, inner, 3, 2, padding=1) for _ in range(extra))
        last = self.encoder.strides[-1]
        self.strides = [*self.encoder.strides[first:], *(last * 2 ** (i + 1) for i in range(extra))]
        self.classify = _head(inner, PER_CELL * classes, tower)
        self.regress = _head(inner, PER_CELL * 4, tower)
        # Every anchor begins with probability 0.01, so that the many negatives do not swamp the loss.
        nn.init.constant_(self.classify[-1].bias, -math.log(99))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images to what every anchor finds.

        Args:
            x: (n, 3, h, w) float.

        Returns:
            Logits (n, anchors, classes), offsets (n, anchors, 4) and the anchors' boxes (anchors, 4).
        """
        maps = self._pyramid(x)
        logits = [_per_anchor(self.classify(m), self.classes) for m in maps]
        offsets = [_per_anchor(self.regress(m), 4) for m in maps]
        boxes = [_anchors(m, stride) for m, stride in zip(maps, self.strides, strict=True)]
        return torch.cat(logits, dim=1), torch.cat(offsets, dim=1), torch.cat(boxes)

    def _pyramid(self, x: Tensor) -> list[Tensor]:
        sides = [conv(m) for conv, m in zip(self.lateral, self.encoder(x)[self.first :], strict=True)]
        for fine in range(len(sides) - 2, -1, -1):
            sides[fine] = sides[fine] + F.interpolate(sides[fine + 1], size=sides[fine].shape[-2:])
        maps = [conv(m) for conv, m in zip(self.smooth, sides, strict=True)]
        for i, conv in enumerate(self.extra):
            maps.append(conv(F.relu(maps[-1]) if i else maps[-1]))
        return maps


def _head(channels: int, out: int, tower: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(tower):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
    head = nn.Sequential(*layers, nn.Conv2d(channels, out, 3, padding=1))
    for layer in head:
        if isinstance(layer, nn.Conv2d):
            # Lin et al. draw from a normal distribution of deviation 0.01, which is for 256 channels.
            nn.init.normal_(layer.weight, std=0.01 * 16 / math.sqrt(channels))
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return head


def _per_anchor(x: Tensor, values: int) -> Tensor:
    """(n, PER_CELL values, h, w) to (n, h w PER_CELL, values)."""
    n, _, h, w = x.shape
    return x.view(n, PER_CELL, values, h, w).permute(0, 3, 4, 1, 2).reshape(n, -1, values)


def _anchors(cells: Tensor, stride: int) -> Tensor:
    """The boxes (left, top, right, bottom) around every cell, four strides large at scale and ratio 1."""
    h, w = cells.shape[-2:]
    sizes = [
        (4 * stride * scale / math.sqrt(ratio), 4 * stride * scale * math.sqrt(ratio))
        for ratio in RATIOS
        for scale in SCALES
    ]
    half = cells.new_tensor(sizes) / 2
    y, x = ((torch.arange(n, device=cells.device) + 0.5) * stride for n in (h, w))
    centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).view(-1, 1, 2)
    return torch.cat([centres - half, centres + half], dim=2).view(-1, 4)
