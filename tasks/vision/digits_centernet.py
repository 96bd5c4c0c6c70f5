"""Digits on grey paper, detected by their centres with a CenterNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch, Predictions
from tasks.data.digit_scenes import DigitScenes
from tasks.metrics.detection import mean_average_precision
from tasks.nets.centres import STRIDE, CentreNet, focal_and_size_loss, peaks
from tasks.vision._digit_scenes import MINI, PAPER, DigitDetection


@dataclass(frozen=True, kw_only=True)
class DigitsCenterNet(DigitDetection):
    """Where are which digits; detection's losses explode, and scores fall to 0 while the loss falls.

    Attributes:
        detections: highest peaks of an image that the metric sees.
        width: channels of the net's finest map.
        depth: how often it halves the resolution.
    """

    metric_name = "mAP"

    detections: int
    width: int
    depth: int

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

    scales: ClassVar = {
        "mini": MINI
        | {
            "scenes": DigitScenes(
                train=256, held_out=128, size=20, classes=3, objects=2, clutter=1, noise=0.03
            ),
            "detections": 8,
            "width": 8,
            "depth": 1,
        },
        "paper": PAPER | {"detections": 100, "width": 64, "depth": 4},
    }
