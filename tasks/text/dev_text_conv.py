"""Text classification with a convolutional network: for design decisions, neither trained on nor reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from tasks.base import Batch, Source, Splits
from tasks.data import docstrings, reviews
from tasks.data.cache import cached
from tasks.data.reviews import LabelledTexts
from tasks.data.text import disjoint, encode, padded, vocabulary
from tasks.nets.text_conv import TextConv
from tasks.optimizers import lr_ranges
from tasks.text._classification import TextClassification

PACKAGES = ("matplotlib", "networkx")


@dataclass(frozen=True, kw_only=True)
class DevTextConv(TextClassification):
    """Tell whose docstring a few words are from, or good from bad reviews.

    Attributes:
        vocabulary: ids of words, the two reserved ones included.
        rows: most rows of the training data (None: all of it).
        embedding: width of the word embedding.
        kernels: words that each kind of convolution sees.
        filters: channels of each.
        classes: size of the head.
    """

    role = "development"

    vocabulary: int
    rows: int | None
    embedding: int
    kernels: tuple[int, ...]
    filters: int
    classes: int

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, span or length), ``label`` int64 (rows,)."""
        if source.kind != "embedded":
            return self._cut(reviews.load(source))
        versions = "-".join(p + docstrings.version(p) for p in PACKAGES)
        sizes = self.span, self.length, self.rows
        name = f"docstrings-{versions}-{self.vocabulary}-{'-'.join(map(str, sizes))}"
        return cached(name, 1, lambda: self._cut(docstrings.labelled(PACKAGES, *sizes)))

    def _cut(self, texts: Sequence[LabelledTexts]) -> Splits:
        ids = vocabulary((w for words in texts[0][0] for w in words), self.vocabulary)

        def split(part: LabelledTexts, length: int) -> Batch:
            rows = padded([encode(words, ids) for words in part[0]], length)
            return {"text": rows, "label": torch.tensor(part[1])}

        train, val, test = texts
        return disjoint(split(train, self.span), split(val, self.length), split(test, self.length))

    def build(self) -> nn.Module:
        """The convolutional classifier."""
        return TextConv(
            vocabulary=self.vocabulary,
            embedding=self.embedding,
            kernels=self.kernels,
            filters=self.filters,
            outputs=self.classes,
            dropout=0.5,
        )

    scales: ClassVar = {
        "mini": {
            "vocabulary": 400,
            "length": 10,
            "span": 80,
            "rows": 512,
            "embedding": 16,
            "kernels": (3,),
            "filters": 24,
            "classes": 2,
            "batch_size": 32,
            "lr_range": lr_ranges((1e-4, 1e1), sgd=(1e-2, 1e2), momentum=(1e-3, 1e1)),
        },
        "paper": {
            "vocabulary": 20000,
            "length": 200,
            "span": 200,
            "rows": None,
            "embedding": 300,
            "kernels": (3, 4, 5),
            "filters": 100,
            "classes": 2,
            "batch_size": 50,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
