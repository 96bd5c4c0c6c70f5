"""Digits on grey paper, detected by anchors with a RetinaNet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tasks.base import Source, Splits
from tasks.data.digit_scenes import DigitScenes
from tasks.nets.retinanet import NARROW, TINY
from tasks.vision._digit_scenes import MINI, PAPER, DigitDetection
from tasks.vision.coco_retinanet import CocoRetinaNet


@dataclass(frozen=True, kw_only=True)
class DigitsRetinaNet(DigitDetection, CocoRetinaNet):
    """Where are which digits, by anchors: few of them hold a digit, and their focal loss begins near 0."""

    scenes: DigitScenes  # type: ignore[assignment]

    def load(self, source: Source) -> Splits:
        """As :func:`tasks.data.digit_scenes.load` describes it, the grey as three equal channels."""
        splits = super().load(source)
        return Splits(*({**split, "image": split["image"].repeat(1, 3, 1, 1)} for split in splits))

    scales: ClassVar = {
        "mini": MINI
        | TINY
        | {
            "scenes": DigitScenes(
                train=256, held_out=96, size=20, classes=4, objects=2, clutter=0, noise=0.03
            ),
            "size": 20,
            "max_objects": 2,
            "classes": 4,
            "detections": 16,
            "width": 6,
            "tower": 1,
        },
        "paper": PAPER | NARROW | {"size": 128, "max_objects": 8, "classes": 10, "detections": 200},
    }
