"""Character-level language modelling with a transformer: reported only, never in training data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from tasks.base import Batch, Predictions, Source, Splits
from tasks.data import docstrings, running
from tasks.optimizers import lr_ranges
from tasks.recipe import Recipe
from tasks.text._next_token import RunningTransformer


@dataclass(frozen=True, kw_only=True)
class DocstringTransformer(RunningTransformer):
    """Predict the next character of a package's documentation, or of any text.

    The paper-scale network is as large as nanoGPT's for characters: 6 blocks, width 384, 256 characters.
    """

    role = "evaluation"
    metric_name = "bits_per_character"

    def load(self, source: Source) -> Splits:
        """Windows of running text; ``text`` is int32 (rows, span + 1 or length + 1)."""
        if source.kind != "embedded":
            return self._cut(running.load(source, "wikitext-2-raw or any other text files"))
        name = f"characters-of-networkx{docstrings.version('networkx')}"
        return self._embedded(name, 1, lambda: [" ".join(t) for t in docstrings.running("networkx")])

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Bits per character."""
        assert isinstance(predictions, Tensor)
        return predictions.double().mean().item() / math.log(2)

    scales: ClassVar = {
        "mini": {
            "vocabulary": 29,
            "length": 16,
            "span": 160,
            "rows": 384,
            "width": 32,
            "layers": 1,
            "heads": 2,
            "dropout": 0.0,
            "batch_size": 24,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 1e2), momentum=(1e-4, 1e1)),
        },
        "medium": {
            "vocabulary": 128,
            "length": 64,
            "span": 1536,
            "rows": 512,
            "width": 96,
            "layers": 4,
            "heads": 4,
            "dropout": 0.1,
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 1e2), momentum=(1e-4, 1e1)),
            "recipe": Recipe(epoch_steps=100, weight_decay=0.1, clip=1.0),
        },
        "paper": {
            "vocabulary": 128,
            "length": 256,
            "span": 256,
            "rows": None,
            "width": 384,
            "layers": 6,
            "heads": 6,
            "dropout": 0.2,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e-2)),
        },
    }
