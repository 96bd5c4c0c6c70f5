"""A small table with wrong labels and an MLP, which overfits: for design decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.classification import Classification
from tasks.data.label_noise import noisy
from tasks.data.tumours import tumours
from tasks.nets.mlp import mlp
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class DevOverfitTable(Classification):
    """Tell two kinds of tumour apart; at the LR that trains fastest the validation loss soon rises.

    Attributes:
        examples: training, validation and test rows; at most 569 in all.
        noise: share of the labels that are drawn anew, in every split.
        hidden: widths of the hidden layers.
    """

    role = "development"
    together = True

    examples: tuple[int, int, int]
    noise: float
    hidden: tuple[int, ...]

    def load(self, source: Source) -> Splits:
        """``x`` float32 (n, 30) and ``label`` int64 (n,)."""
        source.require_embedded()
        return noisy(tumours(self.examples), share=self.noise, classes=2)

    def build(self) -> nn.Module:
        """The MLP."""
        return mlp([30, *self.hidden, 2])

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["x"])
        return scores

    scales: ClassVar = {
        "mini": {
            "examples": (240, 160, 169),
            "noise": 0.4,
            "hidden": (64, 64),
            "batch_size": 8,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "paper": {
            "examples": (240, 160, 169),
            "noise": 0.4,
            "hidden": (1024, 1024, 1024),
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
