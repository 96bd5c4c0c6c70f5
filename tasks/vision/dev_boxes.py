"""Detection in small scenes with a RetinaNet: for design decisions, neither trained on nor reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tasks.base import Source, Splits
from tasks.data import objects
from tasks.nets.retinanet import NARROW, TINY
from tasks.optimizers import lr_ranges
from tasks.vision.coco_retinanet import CocoRetinaNet


@dataclass(frozen=True, kw_only=True)
class DevBoxes(CocoRetinaNet):
    """Where are which of two kinds of objects.

    Detection has losses that explode, and scores that fall to 0 while the loss goes on falling. Rules for
    such trainings need a task to be tried on that is not the suite's: other scenes, net and batch size.
    """

    role = "development"

    def load(self, source: Source) -> Splits:
        """As the suite's, with validation scenes as many as test scenes."""
        if source.kind == "embedded":
            columns = ("image", "boxes", "labels")
            return Splits(*({c: s[c] for c in columns} for s in objects.load(self.scenes)))
        return super().load(source)

    scales: ClassVar = {
        "mini": TINY
        | {
            "scenes": objects.Scenes(
                train=192, held_out=128, size=16, classes=2, objects=2, tint=0.9, noise=0.02
            ),
            "size": 16,
            "max_objects": 2,
            "classes": 2,
            "detections": 12,
            "width": 8,
            "tower": 2,
            "batch_size": 12,
            "lr_range": lr_ranges((1e-5, 1e-1), sgd=(1e-4, 1e0), momentum=(1e-5, 1e0)),
        },
        "paper": NARROW
        | {
            "scenes": objects.Scenes(train=192, held_out=128, size=32, classes=3, objects=3),
            "size": 128,
            "max_objects": 32,
            "classes": 20,
            "detections": 200,
            "batch_size": 16,
            "lr_range": lr_ranges((1e-4, 1e-1)),
        },
    }
