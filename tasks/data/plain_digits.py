"""Embedded digits as scikit-learn ships them."""

from __future__ import annotations

import torch
from torch import Tensor

from tasks.base import Batch, Splits, TaskError
from tasks.seeding import derive


def plain_digits(examples: tuple[int, int, int], size: int) -> Splits:
    """``image`` uint8 (n, 1, size, size) and ``label`` int64 (n,), every drawing in one split.

    Args:
        examples: training, validation and test images; at most 1,797 in all (TaskError otherwise).
        size: height and width in pixels, a multiple of 8 (TaskError otherwise): each pixel is repeated.

    Source: ``sklearn.datasets.load_digits``.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    if sum(examples) > len(digits.target):
        raise TaskError(f"got examples={examples}, need at most {len(digits.target)} in all")
    if size < 8 or size % 8:
        raise TaskError(f"got size={size}, need a multiple of 8")
    images: Tensor = torch.from_numpy(digits.images * 15.9375).round().to(torch.uint8).unsqueeze(1)
    images = images.repeat_interleave(size // 8, 2).repeat_interleave(size // 8, 3)
    labels = torch.from_numpy(digits.target).long()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(derive("plain digits")))
    parts: list[Batch] = [
        {"image": images[rows], "label": labels[rows]}
        for rows in torch.split(order[: sum(examples)], list(examples))
    ]
    return Splits(*parts)
