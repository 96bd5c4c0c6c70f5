"""Language modelling of a little source text with causal convolutions, which overfits on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import source_text
from tasks.nets.causal_conv import CausalConv


@dataclass(frozen=True, kw_only=True)
class OverfitConv(Task):
    """Predict the next character; at the LR that trains fastest the validation loss rises after some epochs.

    Attributes:
        package: directory of the standard library.
        rows: training rows.
        held_out: validation rows, and test rows.
        length: characters that an example predicts.
        width: channels.
        layers: convolutions.
        kernel: characters that each sees.
    """

    role = "zoo"
    together = True
    metric_name = "nats_per_character"
    higher_is_better = False

    package: str
    rows: int
    held_out: int
    length: int
    width: int
    layers: int
    kernel: int

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, length + 1)."""
        source.require_embedded()
        return source_text.running(self.package, rows=self.rows, held_out=self.held_out, length=self.length)

    def build(self) -> nn.Module:
        """The convolutional language model."""
        return CausalConv(
            vocabulary=source_text.CHARACTERS, width=self.width, layers=self.layers, kernel=self.kernel
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next character; the predictions are each example's mean, in nats."""
        text = batch["text"].long()
        losses = F.cross_entropy(model(text[:, :-1]), text[:, 1:], reduction="none").mean(1)
        return losses.mean(), losses

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Mean nats per character."""
        assert isinstance(predictions, Tensor)
        return predictions.double().mean().item()

    scales: ClassVar = {
        "mini": {
            "package": "logging",
            "rows": 256,
            "held_out": 128,
            "length": 32,
            "width": 48,
            "layers": 3,
            "kernel": 3,
            "batch_size": 8,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "package": "logging",
            "rows": 1024,
            "held_out": 128,
            "length": 128,
            "width": 384,
            "layers": 6,
            "kernel": 3,
            "batch_size": 16,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-1)),
        },
    }
