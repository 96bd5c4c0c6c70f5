"""One-shot learning on Omniglot with a siamese network (the paper's task 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import glyphs, omniglot, pairs
from tasks.nets.siamese import Siamese
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class OmniglotSiamese(Task):
    """Do two drawings show the same character, of a script never seen in training?

    Half of the pairs do. All pairs are drawn beforehand; those of training are warped anew each time.

    Attributes:
        pairs: pairs of training, and of validation and of test.
        size: height and width of the images in pixels.
        widths: output channels of the convolutions.
        kernels: sizes of the convolutions.
        code: units of the layer whose outputs are compared.
    """

    role = "zoo"
    together = True

    pairs: tuple[int, int]
    size: int
    widths: tuple[int, ...]
    kernels: tuple[int, ...]
    code: int

    def load(self, source: Source) -> Splits:
        """``left`` and ``right`` uint8 (n, 1, size, size), ``same`` float32 (n,)."""
        train, held_out = self.pairs
        if source.kind == "embedded":
            return glyphs.load(train=train, held_out=held_out, size=self.size)
        return omniglot.load(source, train=train, held_out=held_out, size=self.size)

    def build(self) -> nn.Module:
        """The siamese network."""
        return Siamese(size=self.size, widths=self.widths, kernels=self.kernels, code=self.code)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Binary cross-entropy of the pairs; the predictions are their logits."""
        logits = model(batch["left"].float() / 255, batch["right"].float() / 255)
        return F.binary_cross_entropy_with_logits(logits, batch["same"]), logits

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Verification accuracy: the share of pairs that are told rightly."""
        assert isinstance(predictions, Tensor)
        return ((predictions > 0) == (split["same"] > 0.5)).float().mean().item()

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Warp both drawings of every pair, each in its own way."""
        both = pairs.warped(torch.cat([batch["left"], batch["right"]]), generator)
        left, right = both.chunk(2)
        return {**batch, "left": left, "right": right}

    scales: ClassVar = {
        "mini": {
            "pairs": (768, 512),
            "size": 20,
            "widths": (8, 16),
            "kernels": (5, 4),
            "code": 32,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e-1), sgd=(1e-3, 1e1), momentum=(1e-4, 1e0)),
        },
        # The smallest of the three training sets of Koch et al., and their validation set.
        "paper": {
            "pairs": (30000, 10000),
            "size": 105,
            "widths": (64, 128, 128, 256),
            "kernels": (10, 7, 4, 4),
            "code": 4096,
            "batch_size": 128,
            "lr_range": lr_ranges((1e-5, 1e-3)),
        },
    }
