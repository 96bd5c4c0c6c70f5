"""Text classification with an LSTM (the paper's task 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.base import Batch, Predictions, Source, Splits
from tasks.data import docstrings, reviews
from tasks.data.cache import cached
from tasks.data.reviews import LabelledTexts
from tasks.data.text import disjoint, encode, padded, vocabulary
from tasks.nets.recurrent import Classifier
from tasks.optimizers import lr_ranges
from tasks.recipe import Recipe
from tasks.text._classification import TextClassification


@dataclass(frozen=True, kw_only=True)
class IMDBLSTM(TextClassification):
    """Tell two kinds of text apart: good from bad reviews, or two packages' docstrings.

    The paper-scale network is Keras's ``imdb_lstm`` example: the last 80 words of a review out of a
    vocabulary of 20,000, embedding 128, dropout, LSTM 128.

    Attributes:
        vocabulary: ids of words, the two reserved ones included.
        rows: most rows of the training data (None: all of it).
        embedding: width of the word embedding.
        hidden: width of the LSTM.
        dropout: of the embeddings.
    """

    role = "zoo"
    together = True

    vocabulary: int
    rows: int | None
    embedding: int
    hidden: int
    dropout: float

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, span or length), ``label`` float32 0 or 1."""
        if source.kind != "embedded":
            return self._cut(reviews.load(source))
        packages = ("numpy", "sklearn")
        versions = "-".join(p + docstrings.version(p) for p in packages)
        name = f"docstrings-{versions}-{self.vocabulary}-{self.length}-{self.span}-{self.rows}"
        return cached(
            name, 2, lambda: self._cut(docstrings.labelled(packages, self.span, self.length, self.rows))
        )

    def _cut(self, texts: Sequence[LabelledTexts]) -> Splits:
        train, val, test = texts
        ids = vocabulary((w for words in train[0] for w in words), self.vocabulary)

        def split(part: LabelledTexts, length: int) -> Batch:
            # Reversed, cut and padded, and turned back: the last words, padded in front.
            rows = padded([encode(reversed(words), ids) for words in part[0]], length).flip(1)
            return {"text": rows, "label": torch.tensor(part[1], dtype=torch.float32)}

        return disjoint(split(train, self.span), split(val, self.length), split(test, self.length))

    def build(self) -> nn.Module:
        """The LSTM classifier."""
        return Classifier(
            vocabulary=self.vocabulary, embedding=self.embedding, hidden=self.hidden, dropout=self.dropout
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Binary cross-entropy and the logits."""
        logits = self._scores(model, batch)
        return functional.binary_cross_entropy_with_logits(logits, batch["label"]), logits

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Share of texts on the right side of 0."""
        assert isinstance(predictions, Tensor)
        return ((predictions > 0) == (split["label"] > 0.5)).double().mean().item()

    scales: ClassVar = {
        "mini": {
            "vocabulary": 300,
            "length": 20,
            "span": 96,
            "rows": 1024,
            "embedding": 16,
            "hidden": 16,
            "dropout": 0.3,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-2, 1e2), momentum=(1e-3, 1e1)),
        },
        "medium": {
            "vocabulary": 8192,
            "length": 120,
            "span": 120,
            "rows": None,
            "embedding": 64,
            "hidden": 128,
            "dropout": 0.3,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-2, 1e2), momentum=(1e-3, 1e1)),
            "recipe": Recipe(epoch_steps=100, weight_decay=0.01, clip=1.0),
        },
        "paper": {
            "vocabulary": 20000,
            "length": 80,
            "span": 80,
            "rows": None,
            "embedding": 128,
            "hidden": 128,
            "dropout": 0.2,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e-3)),
        },
    }
