"""Language modelling of source code with a small transformer: for design decisions only."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tasks.base import Batch, Source, Splits
from tasks.data import identifiers, tagged
from tasks.data.cache import cached
from tasks.data.text import disjoint, encode, padded, vocabulary
from tasks.optimizers import lr_ranges
from tasks.text._next_token import RunningTransformer


@dataclass(frozen=True, kw_only=True)
class DevAttentionCode(RunningTransformer):
    """Predict the next token of the standard library's source, or the next word of tagged sentences.

    Attributes:
        rows: embedded training rows; validation and test have half as many each.
    """

    role = "development"
    metric_name = "nats_per_token"

    rows: int

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, span or length + 1)."""
        if source.kind != "embedded":
            return self._encoded(tagged.load(source), self.length + 1)
        sizes = (self.span, self.length + 1, self.rows)
        key = ("code", platform.python_version(), *sizes, self.vocabulary)
        return cached("-".join(map(str, key)), 1, lambda: self._encoded(identifiers.load(*sizes), self.span))

    def _encoded(self, sentences: Sequence[Sequence[tagged.Sentence]], span: int) -> Splits:
        ids = vocabulary((word for words, _ in sentences[0] for word in words), self.vocabulary)

        def split(part: Sequence[tagged.Sentence], length: int) -> Batch:
            return {"text": padded([encode(words, ids) for words, _ in part], length)}

        train, val, test = sentences
        return disjoint(split(train, span), split(val, self.length + 1), split(test, self.length + 1))

    scales: ClassVar = {
        "mini": {
            "vocabulary": 150,
            "length": 12,
            "span": 96,
            "rows": 320,
            "width": 24,
            "layers": 1,
            "heads": 2,
            "dropout": 0.0,
            "batch_size": 20,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 1e2), momentum=(1e-4, 1e1)),
        },
        "paper": {
            "vocabulary": 8192,
            "length": 256,
            "span": 257,
            "rows": 16384,
            "width": 384,
            "layers": 6,
            "heads": 6,
            "dropout": 0.0,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e-2)),
        },
    }
