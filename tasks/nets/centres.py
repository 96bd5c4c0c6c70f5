"""Objects as the points of their centres, without anchors: CenterNet, its loss, and boxes of the peaks.

Source: Zhou et al., 2019 (Objects as Points), section 3, with a UNet for the hourglass; a heat map's
Gaussians are as wide as the box, as in Liu et al., 2020 (TTFNet).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.nets.unet import UNet

STRIDE = 2
"""Pixels of a cell of the maps."""


class CentreNet(nn.Module):
    """Images to the heat of every class and the sides of a box, in every cell.

    Args:
        channels: of the image.
        classes: kinds of objects.
        width: channels of the finest map; each of the ``depth`` coarser ones doubles them.
        depth: how often the hourglass halves the resolution.
    """

    def __init__(self, *, channels: int, classes: int, width: int, depth: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, width, 4, stride=STRIDE, padding=1)
        self.hourglass = UNet(channels=width, classes=width, width=width, depth=depth)
        self.heat = nn.Sequential(nn.ReLU(), nn.Conv2d(width, classes, 3, padding=1))
        self.sides = nn.Sequential(nn.ReLU(), nn.Conv2d(width, 4, 3, padding=1))
        # Every cell begins with probability 0.1, so that the many empty ones do not swamp the loss.
        nn.init.constant_(self.heat[-1].bias, -math.log(9))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, channels, h, w) float to logits (n, classes, h/2, w/2) and sides (n, 4, h/2, w/2) in cells."""
        found = self.hourglass(self.stem(x))
        return self.heat(found), self.sides(found)


def focal_and_size_loss(heat: Tensor, sides: Tensor, boxes: Tensor, labels: Tensor, stride: int) -> Tensor:
    """The heat map's focal loss plus a tenth of the sides' L1 loss (in pixels).

    Each image's sums are divided by its number of objects; the mean over images is returned.

    Args:
        heat: (n, classes, h, w) logits.
        sides: (n, 4, h, w): how far left, up, right and down of a cell's middle the box ends, in strides.
        boxes: (n, objects, 4) left, top, right and bottom in pixels.
        labels: (n, objects), -1 where there is no object.
        stride: pixels of a cell.
    """
    there = labels >= 0
    rows, columns = _cells(boxes, stride, heat.shape[-2:])
    target = _heat(boxes / stride, labels, rows, columns, heat.shape)
    probability = heat.sigmoid()
    peak = target == 1
    gain = torch.where(peak, (1 - probability) ** 2, (1 - target) ** 4 * probability**2)
    focal = -gain * torch.where(peak, F.logsigmoid(heat), F.logsigmoid(-heat))
    image = torch.arange(len(heat), device=heat.device)[:, None]
    found = sides[image, :, rows, columns]
    distance = (found - _sides(boxes / stride, rows, columns)).abs().sum(-1) * stride
    count = there.sum(1).clamp(min=1)
    per_image = focal.flatten(1).sum(1) + 0.1 * torch.where(there, distance, 0.0).sum(1)
    return (per_image / count).mean()


def _cells(boxes: Tensor, stride: int, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """The rows and columns (n, objects) of the cells that the boxes' centres lie in."""
    column, row = ((boxes[..., :2] + boxes[..., 2:]) / 2 / stride).floor().long().unbind(-1)
    return row.clamp(0, shape[0] - 1), column.clamp(0, shape[1] - 1)


def _heat(boxes: Tensor, labels: Tensor, rows: Tensor, columns: Tensor, shape: torch.Size) -> Tensor:
    """(n, classes, h, w): 1 in every centre's cell, and around it a Gaussian whose deviation is box / 6."""
    _, classes, height, width = shape
    deviation = ((boxes[..., 2:] - boxes[..., :2]) / 6).clamp(min=1 / 3)
    x, y = (torch.arange(n, device=boxes.device) for n in (width, height))
    across = -((x - columns[..., None]) ** 2) / (2 * deviation[..., :1] ** 2)
    along = -((y - rows[..., None]) ** 2) / (2 * deviation[..., 1:] ** 2)
    each = (along[..., :, None] + across[..., None, :]).exp()  # (n, objects, h, w)
    of_class = labels[..., None] == torch.arange(classes, device=boxes.device)  # (n, objects, classes)
    return (each[:, :, None] * of_class[..., None, None]).amax(1)


def _sides(boxes: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(n, objects, 4): the distances from the cells' middles to the boxes' four sides, in strides."""
    middle = torch.stack([columns, rows], dim=-1) + 0.5
    return torch.cat([middle - boxes[..., :2], boxes[..., 2:] - middle], dim=-1)


def peaks(heat: Tensor, sides: Tensor, stride: int, *, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The ``count`` highest cells that no neighbour of the class exceeds, which needs no suppression.

    Returns:
        Boxes (n, count, 4) in pixels, scores and labels (n, count), best first.
    """
    scores = heat.sigmoid()
    scores = scores * (F.max_pool2d(scores, 3, 1, 1) == scores)
    width, cells = heat.shape[-1], heat[0, 0].numel()
    best, flat = scores.flatten(1).topk(min(count, scores[0].numel()), dim=1)
    cell = flat % cells
    middle = torch.stack([cell % width, cell // width], dim=-1) + 0.5
    around = sides.flatten(2).gather(2, cell[:, None].expand(-1, 4, -1)).movedim(1, 2)
    boxes = torch.cat([middle - around[..., :2], middle + around[..., 2:]], dim=-1) * stride
    return boxes, best, flat // cells
