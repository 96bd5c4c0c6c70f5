"""Word-level language modelling with a transformer: reported only, never in training data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import docstrings, running
from tasks.data.cache import cached
from tasks.data.text import crop, running_text
from tasks.muon import muon_adamw
from tasks.nets.recurrent import next_token_losses
from tasks.nets.transformer import Transformer
from tasks.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class WordTransformer(Task):
    """Predict the next word of an encyclopedia or of any text; the end of a line is a word too.

    Attributes:
        vocabulary: ids of words, the two reserved ones included.
        length: words that an example predicts.
        span: the same of a training row, of which an epoch sees ``length`` at a random place.
        rows: most rows of the training data (None: all of it).
        width: of the transformer.
        layers: its blocks.
        heads: of each.
        dropout: of what each block adds.
    """

    role = "evaluation"
    metric_name = "perplexity"
    higher_is_better = False

    vocabulary: int
    length: int
    span: int
    rows: int | None
    width: int
    layers: int
    heads: int
    dropout: float

    def load(self, source: Source) -> Splits:
        """Windows of running text; ``text`` is int32 (rows, span + 1 or length + 1)."""
        if source.kind != "embedded":
            texts = running.load(source, "wikitext-2 (wiki.train.tokens and so on) or any other text files")
            return self._cut([text.replace("\n", " <eos> ").split() for text in texts])
        package = "scipy"
        key = (self.vocabulary, self.length, self.span, self.rows)
        name = f"words-of-{package}{docstrings.version(package)}-{'-'.join(map(str, key))}"
        return cached(name, 1, lambda: self._cut(docstrings.running(package)))

    def _cut(self, texts: Sequence[Sequence[str]]) -> Splits:
        return running_text(texts, size=self.vocabulary, length=self.length, span=self.span, rows=self.rows)

    def build(self) -> nn.Module:
        """The causal transformer."""
        return Transformer(
            vocabulary=self.vocabulary,
            positions=self.length,
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            outputs=self.vocabulary,
            causal=True,
            dropout=self.dropout,
        )

    def optimizer(self, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        """Muon for the blocks' matrices, AdamW for embeddings, norms, biases and the head."""
        return muon_adamw(model, lr)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next word; the predictions are each example's mean, in nats."""
        losses = next_token_losses(model, batch["text"].long())
        return losses.mean(), losses

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Perplexity, of at most e^20."""
        assert isinstance(predictions, Tensor)
        return math.exp(min(20.0, predictions.double().mean().item()))

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A window of each row at a random place."""
        return crop(batch, self.length + 1, generator)

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
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 1e2), "momentum": (1e-4, 1e1)},
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
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 1e2), "momentum": (1e-4, 1e1)},
            "recipe": Recipe(epoch_steps=100, weight_decay=0.1, clip=1.0),
        },
    }
