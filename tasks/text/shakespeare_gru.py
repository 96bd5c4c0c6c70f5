"""Character-level text generation with a GRU (the paper's task 10)."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import running
from tasks.data.cache import cached
from tasks.data.text import crop, running_text
from tasks.data.topics import texts
from tasks.nets.recurrent import LanguageModel, next_token_losses
from tasks.recipe import Recipe

SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"


@dataclass(frozen=True, kw_only=True)
class ShakespeareGRU(Task):
    """Predict the next character.

    The paper-scale network is that of TensorFlow's text generation tutorial, which the paper's
    framework copies: embedding 256, GRU 1024, sequences of 100 characters, batches of 64.

    Attributes:
        vocabulary: ids of characters, the two reserved ones included.
        length: characters of one example.
        span: characters of one training row, of which an epoch sees ``length`` at a random place.
        rows: most rows of the training data (None: all of it).
        embedding: width of the character embedding.
        hidden: width of the GRU.
    """

    role = "zoo"
    together = True
    metric_name = "bits_per_character"
    higher_is_better = False

    vocabulary: int
    length: int
    span: int
    rows: int | None
    embedding: int
    hidden: int

    def load(self, source: Source) -> Splits:
        """Windows of running text; ``text`` is int32 (rows, span or length + 1)."""
        if source.kind != "embedded":
            return self._cut(running.load(source, SHAKESPEARE))
        name = f"topics-py{platform.python_version()}-{self.vocabulary}-{self.length}-{self.span}-{self.rows}"
        return cached(name, 2, lambda: self._cut(texts()))

    def _cut(self, texts: Sequence[Sequence[str]]) -> Splits:
        return running_text(texts, size=self.vocabulary, length=self.length, span=self.span, rows=self.rows)

    def build(self) -> nn.Module:
        """The GRU language model."""
        return LanguageModel("gru", vocabulary=self.vocabulary, embedding=self.embedding, hidden=self.hidden)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next character; the predictions are each example's mean, in nats."""
        losses = next_token_losses(model, batch["text"].long())
        return losses.mean(), losses

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Mean bits per character."""
        assert isinstance(predictions, Tensor)
        return predictions.mean().item() / 0.6931471805599453

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A window of each row at a random place."""
        return crop(batch, self.length + 1, generator)

    scales: ClassVar = {
        "mini": {
            "vocabulary": 48,
            "length": 20,
            "span": 200,
            "rows": 384,
            "embedding": 12,
            "hidden": 64,
            "batch_size": 32,
            "lr_range": {
                "adam": (1e-5, 1e0),
                "adamw": (1e-5, 1e0),
                "rmsprop": (1e-5, 1e0),
                "sgd": (1e-3, 3e1),
                "momentum": (1e-4, 3e0),
            },
        },
        "medium": {
            "vocabulary": 96,
            "length": 64,
            "span": 640,
            "rows": 1200,
            "embedding": 64,
            "hidden": 256,
            "batch_size": 32,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
            "recipe": Recipe(epoch_steps=100, weight_decay=0.0, clip=1.0),
        },
        "paper": {
            "vocabulary": 67,
            "length": 100,
            "span": 100,
            "rows": None,
            "embedding": 256,
            "hidden": 1024,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-3)),
        },
    }
