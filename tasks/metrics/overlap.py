"""Overlap of predicted and true masks."""

from __future__ import annotations

import torch
from torch import Tensor

# Not torchmetrics' dice_score: it needs every image's map at once. Its multiclass_stat_scores, which counts
# a batch at a time as below, would add 1.9 % to the generator's time (montgomery_unet) and be no shorter;
# with the 3.3 s of CPU of its import that is above 2 % of every process of less than an hour.


def overlap(logits: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """What the Dice coefficient needs of each image, so that no maps are kept.

    Args:
        logits: (n, classes, h, w).
        mask: (n, h, w) class per pixel.

    Returns:
        Two (n, classes) tensors of pixel counts: predicted and true at once; predicted plus true.
    """
    classes = torch.arange(logits.shape[1], device=logits.device).view(1, -1, 1, 1)
    predicted = logits.argmax(dim=1, keepdim=True) == classes
    true = mask.unsqueeze(1) == classes
    return (predicted & true).sum((2, 3)), predicted.sum((2, 3)) + true.sum((2, 3))


def dice(shared: Tensor, total: Tensor) -> float:
    """Dice coefficient over a split, the mean over the classes that occur, background (class 0) aside."""
    shared, total = shared[:, 1:].sum(0), total[:, 1:].sum(0)
    occurs = total > 0
    return (2 * shared[occurs] / total[occurs]).mean().item() if occurs.any() else 0.0
