"""Species and masks of birds at once, with a ResNet-50 and a UNet decoder (the paper's task 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits
from tasks.data import masks, objects
from tasks.data.images import standardised
from tasks.metrics.accuracy import accuracy
from tasks.metrics.overlap import dice, overlap
from tasks.nets.multitask import ResUNet
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.vision._masks import Masks


@dataclass(frozen=True, kw_only=True)
class CubMultitask(Masks):
    """Name the bird and mark its pixels; the two losses are weighted by learnt uncertainties.

    Attributes:
        labels: classes of images.
        blocks: of each stage of the ResNet; (3, 4, 6, 3) is ResNet-50.
        width: channels of its stem.
        stem: kernel of its first convolution.
    """

    role = "zoo"
    metric_name = "mean of accuracy and dice"

    labels: int
    blocks: tuple[int, ...]
    width: int
    stem: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size), ``mask`` uint8 (n, size, size), ``label`` int64 (n,)."""
        if source.kind == "embedded":
            scenes = objects.load(self.scenes)
            return Splits(
                *(
                    {"image": s["image"], "mask": (s["mask"] > 0).byte(), "label": s["labels"][:, 0]}
                    for s in scenes
                )
            )
        return masks.load(source, size=self.size, classes=self.classes, labels=self.labels)

    def build(self) -> nn.Module:
        """The ResNet with both heads, and the log variances."""
        return ResUNet(
            labels=self.labels, classes=self.classes, blocks=self.blocks, width=self.width, stem=self.stem
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Both cross-entropies, weighted; the predictions are the scores and the masks' overlap."""
        assert isinstance(model, ResUNet)
        scores, logits = model(standardised(batch["image"]))
        named = F.cross_entropy(scores, batch["label"])
        marked = F.cross_entropy(logits, batch["mask"].long())
        loss = model.weighted(torch.stack([named, marked]))
        return loss, (scores, *overlap(logits.detach(), batch["mask"]))

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """The mean of the species' accuracy and the masks' Dice coefficient."""
        scores, shared, total = predictions
        return (accuracy(scores, split["label"]) + dice(shared, total)) / 2

    scales: ClassVar = {
        "mini": {
            "scenes": objects.Scenes(train=256, held_out=192, size=16, classes=3, tint=0.5),
            "size": 16,
            "labels": 3,
            "classes": 2,
            "blocks": (1, 1),
            "width": 8,
            "stem": 3,
            "batch_size": 24,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "scenes": objects.Scenes(train=256, held_out=192, size=64, classes=3),
            "size": 256,
            "labels": 200,
            "classes": 2,
            "blocks": (3, 4, 6, 3),
            "width": 64,
            "stem": 7,
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e-4)),
        },
    }
