"""Object detection on COCO with a RetinaNet (spec section 9). For evaluation only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Role, Source, Splits, Task
from tasks.data import coco, objects
from tasks.data.images import standardised
from tasks.metrics.detection import mean_average_precision
from tasks.nets.boxes import candidates, focal_and_box_loss, suppress
from tasks.nets.retinanet import RetinaNet
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class CocoRetinaNet(Task):
    """Where are which objects.

    Attributes:
        scenes: the embedded data.
        size: the longest side of the images in pixels; the rest is padded.
        max_objects: of an image; the smallest beyond are dropped.
        classes: kinds of objects.
        detections: highest-scoring anchors of an image that the metric sees.
        blocks: of each stage of the ResNet; (3, 4, 6, 3) is ResNet-50.
        width: channels of its stem; a fourth of the pyramid's.
        stem: kernel of its first convolution.
        levels: the finest map of the ResNet in the pyramid, and how many levels are put on top of it.
        tower: convolutions of each head before its output.
    """

    role: ClassVar[Role] = "evaluation"
    metric_name = "mAP"

    scenes: objects.Scenes
    size: int
    max_objects: int
    classes: int
    detections: int
    blocks: tuple[int, ...]
    width: int
    stem: int
    levels: tuple[int, int]
    tower: int

    def load(self, source: Source) -> Splits:
        """``image``, ``boxes`` and ``labels`` as :func:`tasks.data.coco.load` describes them."""
        if source.kind == "embedded":
            columns, scenes = ("image", "boxes", "labels"), objects.load(self.scenes)
            # Validation comes every epoch and makes do with a fourth of the scenes that the test takes.
            return Splits(*({c: s[c][::k] for c in columns} for s, k in zip(scenes, (1, 4, 1), strict=True)))
        return coco.load(source, size=self.size, objects=self.max_objects, classes=self.classes)

    def build(self) -> nn.Module:
        """The RetinaNet."""
        return RetinaNet(
            classes=self.classes,
            blocks=self.blocks,
            width=self.width,
            stem=self.stem,
            levels=self.levels,
            tower=self.tower,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Focal and box loss; the predictions are the best boxes, their scores and labels."""
        logits, offsets, anchors = model(standardised(batch["image"]))
        loss = focal_and_box_loss(logits, offsets, anchors, batch["boxes"], batch["labels"])
        return loss, candidates(logits.detach(), offsets.detach(), anchors, count=self.detections)

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """COCO's AP, over overlaps of 0.5 to 0.95, after non-maximum suppression."""
        boxes, scores, labels = predictions
        scores = suppress(boxes, scores, labels)
        return mean_average_precision(boxes, scores, labels, split["boxes"], split["labels"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Mirror half of the images with their boxes."""
        return coco.mirrored(batch, generator)

    scales: ClassVar = {
        "mini": {
            "scenes": objects.Scenes(
                train=128, held_out=256, size=20, classes=3, objects=3, tint=0.9, noise=0.02
            ),
            "size": 20,
            "max_objects": 3,
            "classes": 3,
            "detections": 16,
            "blocks": (1,),
            "width": 4,
            "stem": 3,
            "levels": (1, 0),
            "tower": 1,
            "batch_size": 8,
            "lr_range": lr_ranges((1e-5, 1e-1), sgd=(1e-4, 1e0), momentum=(1e-5, 1e-1)),
        },
        "paper": {  # whose LR0 were 1e-2, 5e-3 and 1e-3
            "scenes": objects.Scenes(train=192, held_out=128, size=64, classes=3, objects=3),
            "size": 256,
            "max_objects": 64,
            "classes": 80,
            "detections": 500,
            "blocks": (3, 4, 6, 3),
            "width": 64,
            "stem": 7,
            "levels": (2, 2),
            "tower": 4,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-3, 1e-2)),
        },
    }
