"""What the language models' tasks share: next-token loss, windows of long rows, running text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import source_text
from tasks.data.cache import cached
from tasks.data.text import crop, running_text
from tasks.nets.recurrent import next_token_losses
from tasks.nets.transformer import Transformer
from tasks.transformers import OfTransformer


@dataclass(frozen=True, kw_only=True)
class NextToken(Task):
    """Predict the next token: ``text`` int32 (rows, length + 1), in training rows more where they are long.

    Attributes:
        length: tokens that an example predicts.
    """

    higher_is_better = False

    length: int

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next token; the predictions are each example's mean, in nats."""
        losses = next_token_losses(model, batch["text"].long())
        return losses.mean(), losses

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Mean nats per token."""
        assert isinstance(predictions, Tensor)
        return predictions.double().mean().item()

    def augment(self, batch: Batch, generator: torch.Generator) -> Batch:
        """A window of each row at a random place; the rows themselves where they are no longer."""
        return crop(batch, self.length + 1, generator)


@dataclass(frozen=True, kw_only=True)
class SourceText(NextToken):
    """Predict the next character of a package of the standard library.

    Attributes:
        package: its directory.
        rows: training rows.
        held_out: validation rows, and test rows.
    """

    metric_name = "nats_per_character"

    package: str
    rows: int
    held_out: int

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, length + 1)."""
        source.require_embedded()
        return source_text.running(self.package, rows=self.rows, held_out=self.held_out, length=self.length)


@dataclass(frozen=True, kw_only=True)
class RunningText(NextToken):
    """Predict the next token of a long text that is cut into rows.

    Attributes:
        vocabulary: ids of tokens, the two reserved ones included.
        span: tokens that a training row predicts, of which an epoch sees ``length`` at a random place.
        rows: most rows of the training data (None: all of it).
    """

    vocabulary: int
    span: int
    rows: int | None

    def _cut(self, texts: Sequence[Sequence[str]]) -> Splits:
        return running_text(texts, size=self.vocabulary, length=self.length, span=self.span, rows=self.rows)

    def _embedded(self, name: str, version: int, texts: Callable[[], Sequence[Sequence[str]]]) -> Splits:
        """The rows of ``texts()``, which are made once per machine under this name and version."""
        name = f"{name}-{self.vocabulary}-{self.length}-{self.span}-{self.rows}"
        return cached(name, version, lambda: self._cut(texts()))


@dataclass(frozen=True, kw_only=True)
class RunningTransformer(RunningText, OfTransformer):
    """Predict the next token of a long text with a causal transformer.

    Attributes:
        dropout: of what each block adds.
    """

    dropout: float

    def build(self) -> nn.Module:
        """The causal transformer."""
        return Transformer(
            vocabulary=self.vocabulary,
            positions=self.length,
            outputs=self.vocabulary,
            causal=True,
            dropout=self.dropout,
            **self._sizes(),
        )
