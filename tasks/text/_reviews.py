"""What the tasks share that tell reviews apart, or in their place packages by their docstrings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from tasks.base import Batch, Source, Splits
from tasks.data import docstrings, reviews
from tasks.data.cache import cached
from tasks.data.reviews import LabelledTexts
from tasks.data.text import disjoint, encode, padded, vocabulary
from tasks.text._classification import TextClassification


@dataclass(frozen=True, kw_only=True)
class Reviews(TextClassification):
    """Tell two kinds of text apart: good from bad reviews, or two packages' docstrings.

    Class attributes:
        packages: those two.

    Attributes:
        vocabulary: ids of words, the two reserved ones included.
        rows: most rows of the training data (None: all of it).
        embedding: width of the word embedding.
    """

    packages: ClassVar[tuple[str, str]]

    vocabulary: int
    rows: int | None
    embedding: int

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, span or length), ``label`` 0 or 1 (rows,)."""
        if source.kind != "embedded":
            return self._cut(reviews.load(source))
        versions = "-".join(p + docstrings.version(p) for p in self.packages)
        name = f"docstrings-{versions}-{self.vocabulary}-{self.length}-{self.span}-{self.rows}"
        sizes = self.span, self.length, self.rows
        return cached(name, 2, lambda: self._cut(docstrings.labelled(self.packages, *sizes)))

    def _cut(self, texts: Sequence[LabelledTexts]) -> Splits:
        train, val, test = texts
        ids = vocabulary((w for words in train[0] for w in words), self.vocabulary)
        fitted = self._split(train, ids, self.span)
        return disjoint(fitted, self._split(val, ids, self.length), self._split(test, ids, self.length))

    def _split(self, part: LabelledTexts, ids: Mapping[str, int], length: int) -> Batch:
        """The first words of each text, padded behind, and the labels int64."""
        rows = padded([encode(words, ids) for words in part[0]], length)
        return {"text": rows, "label": torch.tensor(part[1])}
