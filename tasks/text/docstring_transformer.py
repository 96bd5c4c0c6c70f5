"""Character-level language modelling with a transformer: reported only, never in training data."""

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
from tasks.nets.recurrent import next_token_losses
from tasks.nets.transformer import Transformer
from tasks.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class DocstringTransformer(Task):
    """Predict the next character of a package's documentation, or of any text.

    The paper-scale network is as large as nanoGPT's for characters: 6 blocks, width 384, 256 characters.

    Attributes:
        vocabulary: ids of characters, the two reserved ones included.
        length: characters that an example predicts.
        span: the same of a training row, of which an epoch sees ``length`` at a random place.
        rows: most rows of the training data (None: all of it).
        width: of the transformer.
        layers: its blocks.
        heads: of each.
        dropout: of what each block adds.
    """

    role = "evaluation"
    metric_name = "bits_per_character"
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
            return self._cut(running.load(source, "wikitext-2-raw or any other text files"))
        package = "networkx"
        key = (self.vocabulary, self.length, self.span, self.rows)
        name = f"characters-of-{package}{docstrings.version(package)}-{'-'.join(map(str, key))}"
        return cached(name, 1, lambda: self._cut([" ".join(t) for t in docstrings.running(package)]))

    def _cut(self, texts: Sequence[str]) -> Splits:
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

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next character; the predictions are each example's mean, in nats."""
        losses = next_token_losses(model, batch["text"].long())
        return losses.mean(), losses

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Bits per character."""
        assert isinstance(predictions, Tensor)
        return predictions.double().mean().item() / math.log(2)

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A window of each row at a random place."""
        return crop(batch, self.length + 1, generator)

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
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 1e2), "momentum": (1e-4, 1e1)},
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
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 1e2), "momentum": (1e-4, 1e1)},
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
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-2)),
        },
    }
