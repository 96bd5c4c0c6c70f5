"""Average precision of detected boxes, as COCO defines it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.nets.boxes import iou

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST = 100
"""Boxes that count per image and class (COCO's maxDets)."""

# Not pycocotools, which torchmetrics' needs too (and torchvision): twice as slow with the lists of
# dictionaries that it takes, which would add 3.5 % to the generator's time (dev_boxes).


def mean_average_precision(
    boxes: Tensor, scores: Tensor, labels: Tensor, true_boxes: Tensor, true_labels: Tensor
) -> float:
    """AP averaged over overlaps of 0.5 to 0.95 and over the classes that occur.

    Of each class an image's 100 boxes of the highest scores count, as in COCO's own evaluation.

    Args:
        boxes: (images, count, 4).
        scores: (images, count); detections of score 0 or below are none.
        labels: (images, count).
        true_boxes: (images, objects, 4).
        true_labels: (images, objects), -1 where there is no object.

    Returns:
        The mean of the precision at 101 recalls, between 0 and 1; 0 where no object is there.

    Source: Lin et al., 2014; https://cocodataset.org/#detection-eval (without crowds and sizes).
    """
    overlaps = iou(boxes, true_boxes)
    classes = true_labels[true_labels >= 0].unique().tolist()
    precisions = [_average_precision(overlaps, scores, labels == c, true_labels == c) for c in classes]
    return float(np.mean(precisions)) if precisions else 0.0


def _average_precision(overlaps: Tensor, scores: Tensor, is_class: Tensor, is_true: Tensor) -> float:
    """The mean over the thresholds for one class."""
    total = int(is_true.sum())
    found = is_class & (scores > 0)
    hits = [np.zeros((len(THRESHOLDS), 0), dtype=bool)]
    ranks = [np.zeros(0)]
    for image in torch.nonzero(found.any(1)).flatten().tolist():
        rows = torch.nonzero(found[image]).flatten()
        rows = rows[scores[image, rows].argsort(descending=True, stable=True)][:MOST]
        hits.append(_hits(overlaps[image, rows][:, is_true[image]].double().cpu().numpy()))
        ranks.append(scores[image, rows].cpu().numpy())
    order = np.argsort(-np.concatenate(ranks), kind="stable")
    hit = np.concatenate(hits, axis=1)[:, order]
    if not hit.shape[1]:
        return 0.0
    true_positives = hit.cumsum(axis=1)
    precision = true_positives / np.arange(1, hit.shape[1] + 1)
    # Precision at a recall is the best one at that recall or beyond.
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    areas = []
    for recall, height in zip(true_positives / total, envelope, strict=True):
        at = np.searchsorted(recall, RECALLS, side="left")
        areas.append(np.where(at < len(height), height[np.minimum(at, len(height) - 1)], 0.0).mean())
    return float(np.mean(areas))


def _hits(overlaps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(thresholds, detections): which detections, best first, take an object that none before them took."""
    hits = np.zeros((len(THRESHOLDS), len(overlaps)), dtype=bool)
    for t, threshold in enumerate(THRESHOLDS):
        free = np.ones(overlaps.shape[1], dtype=bool)
        for d, row in enumerate(overlaps):
            open_overlaps = np.where(free, row, -1.0)
            if len(row) and open_overlaps.max() >= threshold:
                free[open_overlaps.argmax()] = False
                hits[t, d] = True
    return hits
