"""Named-entity recognition with BERT (the paper's task 8)."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import identifiers, tagged
from tasks.data.cache import cached
from tasks.data.text import crop
from tasks.metrics.spans import IGNORED, span_f1
from tasks.nets.bert import TokenTagger
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class MovieNER(Task):
    """Tag the spans of a sentence: entities of film questions, or names in source code.

    Attributes:
        vocabulary: token ids.
        types: most types of span; a token has 2 x types + 1 classes.
        length: tokens of a sentence.
        span: tokens of an embedded training row, of which an epoch sees ``length`` at a random place.
        rows: embedded training sentences.
        hidden, layers: width and blocks of BERT.
        pretrained: hub name or directory of its weights and word pieces; None: random weights, whole words.
    """

    role = "zoo"
    together = True
    metric_name = "span_f1"

    vocabulary: int
    types: int
    length: int
    span: int
    rows: int
    hidden: int
    layers: int
    pretrained: str | None

    def load(self, source: Source) -> Splits:
        """``text`` and ``label`` are int32 (rows, length); labels are -100 where a token has none."""
        if source.kind != "embedded":
            return self._cut(tagged.load(source), self.length)
        sizes = (self.span, self.length, self.rows)
        key = ("identifiers", platform.python_version(), *sizes, self.vocabulary, self.pretrained is None)
        return cached("-".join(map(str, key)), 1, lambda: self._cut(identifiers.load(*sizes), self.span))

    def _cut(self, sentences: Sequence[Sequence[tagged.Sentence]], span: int) -> Splits:
        return tagged.splits(
            sentences,
            lengths=(span, self.length, self.length),
            types=self.types,
            vocabulary=self.vocabulary,
            pretrained=self.pretrained,
        )

    def build(self) -> nn.Module:
        """BERT with a linear head."""
        return TokenTagger(
            labels=2 * self.types + 1,
            vocabulary=self.vocabulary,
            hidden=self.hidden,
            layers=self.layers,
            positions=512,
            pretrained=self.pretrained,
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the labelled tokens, averaged per sentence and then over sentences; tag ids."""
        logits: Tensor = model(batch["text"].long())
        label = batch["label"].long()
        losses = functional.cross_entropy(logits.transpose(1, 2), label, reduction="none").sum(1)
        tokens = (label != IGNORED).sum(1).clamp(min=1)
        return (losses / tokens).mean(), logits.argmax(2)

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """F1 of whole spans."""
        assert isinstance(predictions, Tensor)
        return span_f1(predictions, split["label"])

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A window of each row at a random place."""
        return crop(batch, self.length, generator)

    scales: ClassVar = {
        "mini": {
            "vocabulary": 500,
            "types": 12,
            "length": 16,
            "span": 96,
            "rows": 288,
            "hidden": 16,
            "layers": 2,
            "pretrained": None,
            "batch_size": 24,
            "lr_range": lr_ranges((1e-5, 1e-1), sgd=(1e-3, 1e1), momentum=(1e-4, 1e0)),
        },
        "paper": {
            "vocabulary": 30522,
            "types": 12,
            "length": 64,
            "span": 64,
            "rows": 8192,
            "hidden": 768,
            "layers": 12,
            "pretrained": "google-bert/bert-base-uncased",
            "batch_size": 32,
            "lr_range": lr_ranges((1e-5, 1e-4)),
        },
    }
