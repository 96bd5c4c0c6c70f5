"""Word-level language modelling with a transformer: reported only, never in training data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits
from tasks.data import docstrings, running
from tasks.muon import muon_adamw
from tasks.optimizers import lr_ranges
from tasks.recipe import Recipe
from tasks.text._next_token import RunningTransformer

WIKITEXT = "wikitext-2 (wiki.train.tokens and so on) or any other text files"


@dataclass(frozen=True, kw_only=True)
class WordTransformer(RunningTransformer):
    """Predict the next word of an encyclopedia or of any text; the end of a line is a word too."""

    role = "evaluation"
    metric_name = "perplexity"

    def load(self, source: Source) -> Splits:
        """Windows of running text; ``text`` is int32 (rows, span + 1 or length + 1)."""
        if source.kind != "embedded":
            return self._cut(running.words(source, WIKITEXT))
        name = f"words-of-scipy{docstrings.version('scipy')}"
        return self._embedded(name, 1, lambda: docstrings.running("scipy"))

    def optimizer(self, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        """Muon for the blocks' matrices, AdamW for embeddings, norms, biases and the head."""
        return muon_adamw(model, lr)

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Perplexity, of at most e^20."""
        assert isinstance(predictions, Tensor)
        return math.exp(min(20.0, predictions.double().mean().item()))

    scales: ClassVar = {
        "mini": {
            "vocabulary": 300,
            "length": 16,
            "span": 96,
            "rows": 384,
            "width": 32,
            "layers": 1,
            "heads": 2,
            "dropout": 0.0,
            "batch_size": 24,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 1e2), momentum=(1e-4, 1e1)),
        },
        "medium": {
            "vocabulary": 4096,
            "length": 32,
            "span": 384,
            "rows": 512,
            "width": 96,
            "layers": 2,
            "heads": 4,
            "dropout": 0.1,
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 1e2), momentum=(1e-4, 1e1)),
            "recipe": Recipe(epoch_steps=100, weight_decay=0.1, clip=1.0),
        },
    }
