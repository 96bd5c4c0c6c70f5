"""Digits on grey paper, detected by their centres with a CenterNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import digit_scenes
from tasks.metrics.detection import mean_average_precision
from tasks.nets.centres import STRIDE, CentreNet, focal_and_size_loss, peaks
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class DigitsCenterNet(Task):
    """Where are which digits; detection's losses explode, and scores fall to 0 while the loss falls.

    Attributes:
        scenes: the data.
        detections: highest peaks of an image that the metric sees.
        width: channels of the net's finest map.
        depth: how often it halves the resolution.
    """

    role = "zoo"
    metric_name = "mAP"

    scenes: digit_scenes.DigitScenes
    detections: int
    width: int
    depth: int

    def load(self, source: Source) -> Splits:
        """``image``, ``boxes`` and ``labels`` as :func:`tasks.data.digit_scenes.load` describes them."""
        source.require_embedded()
        return digit_scenes.load(self.scenes)

    def build(self) -> nn.Module:
        """The CenterNet, on grey images."""
        return CentreNet(channels=1, classes=self.scenes.classes, width=self.width, depth=self.depth)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Loss of the heat and of the sides; the predictions are boxes, their scores and labels."""
        heat, sides = model(batch["image"].float() / 127.5 - 1)
        loss = focal_and_size_loss(heat, sides, batch["boxes"], batch["labels"], STRIDE)
        return loss, peaks(heat.detach(), sides.detach(), STRIDE, count=self.detections)

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """COCO's AP, over overlaps of 0.5 to 0.95."""
        boxes, scores, labels = predictions
        return mean_average_precision(boxes, scores, labels, split["boxes"], split["labels"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Scenes moved by some pixels."""
        return digit_scenes.moved(batch, generator)

    scales: ClassVar = {
        "mini": {
            "scenes": digit_scenes.DigitScenes(
                train=256, held_out=128, size=20, classes=3, objects=2, clutter=1, noise=0.03
            ),
            "detections": 8,
            "width": 8,
            "depth": 1,
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-4, 1e1), momentum=(1e-5, 1e0)),
        },
        "paper": {
            "scenes": digit_scenes.DigitScenes(
                train=8000, held_out=1000, size=128, classes=10, objects=8, clutter=4, noise=0.05
            ),
            "detections": 100,
            "width": 64,
            "depth": 4,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e-2)),
        },
    }
