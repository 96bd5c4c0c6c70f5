"""Boxes (left, top, right, bottom): overlap, anchors' targets, losses and detections."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (..., n, 4) and (..., m, 4) as (..., n, m)."""
    low = torch.maximum(a[..., :, None, :2], b[..., None, :, :2])
    high = torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    shared = _product(high - low)
    return shared / (_area(a)[..., :, None] + _area(b)[..., None, :] - shared).clamp(min=1e-9)


def _area(boxes: Tensor) -> Tensor:
    return _product(boxes[..., 2:] - boxes[..., :2])


def _product(sides: Tensor) -> Tensor:
    width, height = sides.clamp(min=0).unbind(-1)
    return width * height


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Offsets of boxes from their anchors: of the centres in sizes, and of the sizes' logarithms."""
    size, of_anchor = (b[..., 2:] - b[..., :2] for b in (boxes, anchors))
    centre, anchored = (b[..., 2:] + b[..., :2] for b in (boxes, anchors))
    return torch.cat([(centre - anchored) / 2 / of_anchor, (size.clamp(min=1e-3) / of_anchor).log()], dim=-1)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of :func:`encode`; sizes at most 60 times the anchor's."""
    size = anchors[..., 2:] - anchors[..., :2]
    centre = (anchors[..., 2:] + anchors[..., :2]) / 2 + offsets[..., :2] * size
    half = size * offsets[..., 2:].clamp(max=4.1).exp() / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def match(anchors: Tensor, boxes: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which object each anchor is to find.

    Args:
        anchors: (anchors, 4).
        boxes: (n, objects, 4).
        labels: (n, objects), -1 where there is no object.

    Returns:
        Indices (n, anchors) of the best object, and states (n, anchors): 1 object (overlap from 0.5 on, or an
        object's best anchor), 0 background (below 0.4), -1 neither.
    """
    overlaps = iou(anchors, boxes).masked_fill(labels[:, None, :] < 0, -1.0)
    best, index = overlaps.max(dim=2)
    state = torch.full_like(index, -1)
    state[best < 0.4] = 0
    state[best >= 0.5] = 1
    top = overlaps.max(dim=1, keepdim=True).values
    favourite = (overlaps == top) & (top > 0)
    found = favourite.any(dim=2)
    index = torch.where(found, favourite.float().argmax(dim=2), index)
    return index, torch.where(found, 1, state)


def focal_and_box_loss(
    logits: Tensor, offsets: Tensor, anchors: Tensor, boxes: Tensor, labels: Tensor
) -> Tensor:
    """Focal loss (alpha 0.25, gamma 2) plus smooth L1 loss of matched anchors.

    Each image's sums are divided by its number of matched anchors; the mean over images is returned.

    Source: Lin et al., 2017, sections 3 and 4.
    """
    index, state = match(anchors, boxes, labels)
    positive = state == 1
    matched = labels.gather(1, index).clamp(min=0)
    target = F.one_hot(matched, logits.shape[-1]) * positive[..., None]
    target = target.to(logits.dtype)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    missed = torch.where(target == 1, 1 - probability, probability)
    alpha = torch.where(target == 1, 0.25, 0.75)
    focal = (alpha * missed**2 * cross_entropy).sum(-1) * (state >= 0)
    wanted = encode(boxes.gather(1, index[..., None].expand(-1, -1, 4)), anchors)
    # Where nothing is matched the target may be that of an empty box.
    distance = F.smooth_l1_loss(offsets, wanted, reduction="none", beta=1 / 9).sum(-1)
    count = positive.sum(1).clamp(min=1)
    return ((focal.sum(1) + torch.where(positive, distance, 0.0).sum(1)) / count).mean()


def candidates(
    logits: Tensor, offsets: Tensor, anchors: Tensor, *, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The ``count`` highest class scores of each image: boxes (n, count, 4), scores and labels (n, count)."""
    classes = logits.shape[-1]
    scores, flat = logits.flatten(1).topk(min(count, logits[0].numel()), dim=1)
    anchor = flat // classes
    chosen = decode(offsets.gather(1, anchor[..., None].expand(-1, -1, 4)), anchors[anchor])
    return chosen, scores.sigmoid(), flat % classes


def suppress(boxes: Tensor, scores: Tensor, labels: Tensor, *, threshold: float = 0.5) -> Tensor:
    """Greedy non-maximum suppression per class: the scores, 0 where a better box of the class overlaps.

    Args:
        boxes: (n, count, 4) of each image, the best score first.
        scores: (n, count).
        labels: (n, count).
        threshold: lowest overlap that suppresses.
    """
    kept = torch.ones_like(scores, dtype=torch.bool)
    for i in range(scores.shape[1]):
        overlapping = iou(boxes[:, i : i + 1], boxes)[:, 0] >= threshold
        worse = overlapping & (labels == labels[:, i : i + 1]) & kept[:, i : i + 1]
        worse[:, : i + 1] = False
        kept &= ~worse
    return scores * kept
