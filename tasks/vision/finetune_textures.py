"""Fine-tuning of a CNN that names outlines to patterns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import augment
from tasks.data.dishes import CLASSES, dishes
from tasks.data.silhouettes import silhouettes
from tasks.loop import TaskRun
from tasks.metrics.accuracy import accuracy
from tasks.nets.convnet import ConvNet
from tasks.nets.pretrained import load_pretrained


@dataclass(frozen=True, kw_only=True)
class FinetuneTextures(Task):
    """Name the pattern on a plate, beginning with the convolutions of a net that names silhouettes.

    That net is trained when it is first needed; the head begins at random.

    Attributes:
        examples: training, validation and test images.
        size: height and width of the images in pixels.
        widths: channels of each stage.
        padding: pixels by which a training image is shifted at most, its edge reflected.
        outlines: whether the images are silhouettes, those of the first training.
        pretraining: its epochs; 0 begins at random.
    """

    role = "zoo"
    together = True

    examples: tuple[int, int, int]
    size: int
    widths: tuple[int, ...]
    padding: int
    outlines: bool
    pretraining: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 3, size, size) and ``label`` int64 (n,)."""
        source.require_embedded()
        train, val, test = self.examples
        make = silhouettes if self.outlines else dishes
        return make(train=train, val=val, test=test, size=self.size)

    def build(self) -> nn.Module:
        """The CNN with a fresh head."""
        net = ConvNet(channels=3, widths=self.widths, size=self.size, outputs=len(CLASSES))
        if self.pretraining:
            numbers = (self.examples[0], *self.widths, self.pretraining, torch.__version__)
            key = f"{self.size}px-{'-'.join(map(str, numbers))}"
            load_pretrained(net.body, f"pretrained-silhouettes-{key}", 1, self._pretrained)
        return net

    def _pretrained(self) -> nn.Module:
        first = replace(self, outlines=True, examples=(3 * self.examples[0], 20, 20), pretraining=0)
        run = TaskRun(first, first.load(Source()), optimizer="adamw", lr=3e-3, seed=0)
        run.train(self.pretraining * run.steps_per_epoch)
        body = run.model.body
        assert isinstance(body, nn.Module)
        return body

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores: Tensor = model(batch["image"].float() / 127.5 - 1)
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Shifted images."""
        shifted = augment.random_crop(batch["image"], self.size, generator, padding=self.padding)
        return {**batch, "image": shifted}

    scales: ClassVar = {
        "mini": {
            "examples": (480, 240, 600),
            "size": 16,
            "widths": (8, 16),
            "padding": 1,
            "outlines": False,
            "pretraining": 15,
            "batch_size": 32,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "examples": (5000, 1000, 5000),
            "size": 32,
            "widths": (64, 128, 256, 512),
            "padding": 4,
            "outlines": False,
            "pretraining": 20,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-1)),
        },
    }
