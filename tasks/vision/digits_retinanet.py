"""Digits on grey paper, detected by anchors with a RetinaNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from tasks.base import Batch, Source, Splits
from tasks.data import digit_scenes
from tasks.optimizers import lr_ranges
from tasks.vision.coco_retinanet import CocoRetinaNet


@dataclass(frozen=True, kw_only=True)
class DigitsRetinaNet(CocoRetinaNet):
    """Where are which digits, by anchors: few of them hold a digit, and their focal loss begins near 0.

    Attributes:
        scenes: the data.
    """

    role = "zoo"

    scenes: digit_scenes.DigitScenes  # type: ignore[assignment]

    def load(self, source: Source) -> Splits:
        """As :func:`tasks.data.digit_scenes.load` describes it, the grey as three equal channels."""
        source.require_embedded()
        splits = digit_scenes.load(self.scenes)
        return Splits(*({**split, "image": split["image"].repeat(1, 3, 1, 1)} for split in splits))

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Scenes moved by some pixels."""
        return digit_scenes.moved(batch, generator)

    scales: ClassVar = {
        "mini": {
            "scenes": digit_scenes.DigitScenes(
                train=256, held_out=96, size=20, classes=4, objects=2, clutter=0, noise=0.03
            ),
            "size": 20,
            "max_objects": 2,
            "classes": 4,
            "detections": 16,
            "blocks": (1,),
            "width": 6,
            "stem": 3,
            "levels": (1, 0),
            "tower": 1,
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-4, 1e1), momentum=(1e-5, 1e0)),
        },
        "paper": {
            "scenes": digit_scenes.DigitScenes(
                train=8000, held_out=1000, size=128, classes=10, objects=8, clutter=4, noise=0.05
            ),
            "size": 128,
            "max_objects": 8,
            "classes": 10,
            "detections": 200,
            "blocks": (2, 2, 2, 2),
            "width": 32,
            "stem": 7,
            "levels": (2, 1),
            "tower": 2,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e-2)),
        },
    }
