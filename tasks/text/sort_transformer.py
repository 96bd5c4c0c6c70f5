"""Sorting with an encoder-decoder transformer: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data.synthetic import Columns, drawn
from tasks.nets.sequence_to_sequence import SequenceToSequence


@dataclass(frozen=True, kw_only=True)
class SortTransformer(Task):
    """Say the symbols of a sequence in their order, one after the other, told the right ones so far.

    Attributes:
        examples: training, validation and test rows.
        symbols: different ones.
        length: of a sequence.
        width: of the transformer.
        layers: of its encoder and of its decoder.
        heads: of each attention.
    """

    role = "evaluation"
    metric_name = "whole_sequences"

    examples: tuple[int, int, int]
    symbols: int
    length: int
    width: int
    layers: int
    heads: int

    def load(self, source: Source) -> Splits:
        """``asked`` and ``answer`` int64 (n, length)."""
        kind = {"symbols": self.symbols, "length": self.length}
        name = f"sorting-{self.symbols}-{self.length}"
        return drawn(source, name, 1, self.examples, lambda rng, n: unsorted(rng, n, **kind))

    def build(self) -> nn.Module:
        """The transformer; id 0 begins an answer."""
        return SequenceToSequence(
            vocabulary=self.symbols + 1,
            length=self.length,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next symbol; the predictions are the likeliest ones."""
        answer = batch["answer"]
        logits: Tensor = model(batch["asked"], F.pad(answer[:, :-1], (1, 0)))
        return F.cross_entropy(logits.transpose(1, 2), answer), logits.argmax(2)

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """The share of sequences without a mistake."""
        assert isinstance(predictions, Tensor)
        return (predictions == split["answer"]).all(1).double().mean().item()

    scales: ClassVar = {
        "mini": {
            "examples": (768, 256, 512),
            "symbols": 24,
            "length": 10,
            "width": 32,
            "layers": 1,
            "heads": 2,
            "batch_size": 32,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "examples": (100000, 5000, 10000),
            "symbols": 256,
            "length": 64,
            "width": 256,
            "layers": 4,
            "heads": 8,
            "batch_size": 128,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-6, 1e-1)),
        },
    }


def unsorted(rng: np.random.Generator, count: int, *, symbols: int, length: int) -> Columns:
    """``asked`` and ``answer`` int64 (count, length): symbols from 1 on, and the same sorted."""
    asked = rng.integers(1, symbols + 1, (count, length))
    return {"asked": asked, "answer": np.sort(asked, axis=1)}
