"""Language modelling of a little source text with a GRU, which overfits: for design decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import source_text
from tasks.nets.recurrent import LanguageModel, next_token_losses


@dataclass(frozen=True, kw_only=True)
class DevOverfitGRU(Task):
    """Predict the next character; at the LR that trains fastest the validation loss rises after some epochs.

    Attributes:
        package: directory of the standard library.
        rows: training rows.
        held_out: validation rows, and test rows.
        length: characters that an example predicts.
        embedding: width of the character embedding.
        hidden: width of the GRU.
    """

    role = "development"
    together = True
    metric_name = "nats_per_character"
    higher_is_better = False

    package: str
    rows: int
    held_out: int
    length: int
    embedding: int
    hidden: int

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, length + 1)."""
        source.require_embedded()
        return source_text.running(self.package, rows=self.rows, held_out=self.held_out, length=self.length)

    def build(self) -> nn.Module:
        """The GRU language model."""
        return LanguageModel(
            "gru", vocabulary=source_text.CHARACTERS, embedding=self.embedding, hidden=self.hidden
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the next character; the predictions are each example's mean, in nats."""
        losses = next_token_losses(model, batch["text"].long())
        return losses.mean(), losses

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Mean nats per character."""
        assert isinstance(predictions, Tensor)
        return predictions.double().mean().item()

    scales: ClassVar = {
        "mini": {
            "package": "http",
            "rows": 160,
            "held_out": 128,
            "length": 24,
            "embedding": 16,
            "hidden": 96,
            "batch_size": 8,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "package": "http",
            "rows": 1024,
            "held_out": 128,
            "length": 100,
            "embedding": 256,
            "hidden": 1024,
            "batch_size": 16,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-5, 1e-1)),
        },
    }
