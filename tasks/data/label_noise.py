"""Labels that are wrong on purpose, so that a network which learns them all by heart overfits."""

from __future__ import annotations

import torch

from tasks.base import Batch, Splits
from tasks.seeding import derive


def noisy(splits: Splits, *, share: float, classes: int) -> Splits:
    """A ``share`` of the labels of every split drawn anew from all ``classes``; the rest is as it was."""

    def changed(name: str, split: Batch) -> Batch:
        generator = torch.Generator().manual_seed(derive("label noise", name))
        count = len(split["label"])
        wrong = torch.rand(count, generator=generator) < share
        drawn = torch.randint(classes, (count,), generator=generator)
        return {**split, "label": torch.where(wrong, drawn, split["label"])}

    return Splits(*(changed(name, split) for name, split in zip(splits._fields, splits, strict=True)))
