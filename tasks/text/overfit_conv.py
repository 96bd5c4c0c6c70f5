"""Language modelling of a little source text with causal convolutions, which overfits on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions
from tasks.data.source_text import CHARACTERS
from tasks.nets.causal_conv import CausalConv
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.text._next_token import SourceText


@dataclass(frozen=True, kw_only=True)
class OverfitConv(SourceText):
    """Predict the next character; at the LR that trains fastest the validation loss rises after some epochs.

    Attributes:
        width: channels.
        layers: convolutions.
        kernel: characters that each sees.
    """

    role = "zoo"
    together = True

    width: int
    layers: int
    kernel: int

    def build(self) -> nn.Module:
        """The convolutional language model."""
        return CausalConv(vocabulary=CHARACTERS, width=self.width, layers=self.layers, kernel=self.kernel)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next character; the predictions are each example's mean, in nats."""
        text = batch["text"].long()
        losses = F.cross_entropy(model(text[:, :-1]), text[:, 1:], reduction="none").mean(1)
        return losses.mean(), losses

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
            "lr_range": USUAL_LRS,
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
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
