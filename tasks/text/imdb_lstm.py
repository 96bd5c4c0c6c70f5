"""Text classification with an LSTM (the paper's task 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.base import Batch, Predictions
from tasks.data.reviews import LabelledTexts
from tasks.data.text import encode, padded
from tasks.nets.recurrent import Classifier
from tasks.optimizers import lr_ranges
from tasks.recipe import Recipe
from tasks.text._reviews import Reviews


@dataclass(frozen=True, kw_only=True)
class IMDBLSTM(Reviews):
    """Tell good from bad reviews, or two packages' docstrings.

    The paper-scale network is Keras's ``imdb_lstm`` example: the last 80 words of a review out of a
    vocabulary of 20,000, embedding 128, dropout, LSTM 128.

    Attributes:
        hidden: width of the LSTM.
        dropout: of the embeddings.
    """

    role = "zoo"
    together = True
    packages = ("numpy", "sklearn")

    hidden: int
    dropout: float

    def _split(self, part: LabelledTexts, ids: Mapping[str, int], length: int) -> Batch:
        """The last words of each text, padded in front, and the labels float32."""
        rows = padded([encode(reversed(words), ids) for words in part[0]], length).flip(1)
        return {"text": rows, "label": torch.tensor(part[1], dtype=torch.float32)}

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
