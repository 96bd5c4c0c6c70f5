"""Masked characters with a conformer: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import character_names
from tasks.nets.conformer import Conformer


@dataclass(frozen=True, kw_only=True)
class NamesConformer(Task):
    """Fill the gaps in the names that Unicode gives its characters.

    Attributes:
        examples: training, validation and test rows.
        length: characters of a name; it is cut there, and shorter ones are left out: gaps in a padding of
            spaces are filled after one epoch.
        hidden: share of the characters that are masked.
        width: of the network.
        layers: its blocks.
        heads: of each attention.
        kernel: of each convolution.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    length: int
    hidden: float
    width: int
    layers: int
    heads: int
    kernel: int

    def load(self, source: Source) -> Splits:
        """``text`` int64 (n, length) and ``gaps`` bool (n, length); in training new ones every epoch."""
        found = character_names.names(source, examples=self.examples, length=self.length)
        generator = torch.Generator().manual_seed(0)
        return Splits(*({**s, "gaps": self._gaps(s["text"], generator)} for s in found))

    def _gaps(self, text: Tensor, generator: torch.Generator) -> Tensor:
        """The same number in each row, so that a mean over rows is one over gaps."""
        count = round(self.hidden * self.length)
        chosen = torch.rand(text.shape, generator=generator).argsort(1)[:, :count].to(text.device)
        return torch.zeros_like(text, dtype=torch.bool).scatter(1, chosen, True)

    def build(self) -> nn.Module:
        """The conformer."""
        return Conformer(
            vocabulary=character_names.VOCABULARY,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            kernel=self.kernel,
            outputs=character_names.MASK,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the gaps; the predictions are the share of them that is filled rightly."""
        text, gaps = batch["text"], batch["gaps"]
        logits: Tensor = model(text.masked_fill(gaps, character_names.MASK))
        losses = F.cross_entropy(logits.transpose(1, 2), text, reduction="none")
        right = (logits.argmax(2) == text) & gaps
        return (losses * gaps).sum(1).div(gaps.sum(1)).mean(), right.sum(1) / gaps.sum(1)

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """The share of gaps that are filled rightly."""
        assert isinstance(predictions, Tensor)
        return predictions.double().mean().item()

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Other gaps."""
        return {**batch, "gaps": self._gaps(batch["text"], generator)}

    scales: ClassVar = {
        "mini": {
            "examples": (1024, 256, 512),
            "length": 24,
            "hidden": 0.2,
            "width": 32,
            "layers": 1,
            "heads": 2,
            "kernel": 5,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "examples": (20000, 2000, 4000),
            "length": 28,
            "hidden": 0.15,
            "width": 144,
            "layers": 8,
            "heads": 4,
            "kernel": 15,
            "batch_size": 128,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-6, 1e-1)),
        },
    }
