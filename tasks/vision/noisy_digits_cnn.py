"""A few digits, many of them labelled wrongly, and a CNN: it overfits on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data.label_noise import noisy
from tasks.data.plain_digits import plain_digits
from tasks.metrics.accuracy import accuracy
from tasks.nets.convnet import ConvNet


@dataclass(frozen=True, kw_only=True)
class NoisyDigitsCNN(Task):
    """Name a digit; at the LR that trains fastest the validation loss rises after some epochs.

    Attributes:
        examples: training, validation and test images; at most 1,797 in all.
        noise: share of the labels that are drawn anew, in every split.
        widths: channels of each stage.
        size: height and width of the images in pixels, a multiple of 8.
    """

    role = "zoo"
    together = True

    examples: tuple[int, int, int]
    noise: float
    widths: tuple[int, ...]
    size: int

    def load(self, source: Source) -> Splits:
        """``image`` uint8 (n, 1, size, size) and ``label`` int64 (n,)."""
        source.require_embedded()
        return noisy(plain_digits(self.examples, self.size), share=self.noise, classes=10)

    def build(self) -> nn.Module:
        """The CNN."""
        return ConvNet(channels=1, widths=self.widths, size=self.size, outputs=10)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores: Tensor = model(batch["image"].float() / 127.5 - 1)
        return F.cross_entropy(scores, batch["label"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["label"])

    scales: ClassVar = {
        "mini": {
            "examples": (480, 400, 600),
            "noise": 0.3,
            "widths": (16, 32),
            "size": 8,
            "batch_size": 32,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "examples": (1000, 300, 497),
            "noise": 0.3,
            "widths": (64, 128, 256),
            "size": 32,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-1)),
        },
    }
