"""Language modelling of a little source text with a GRU, which overfits: for design decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.data.source_text import CHARACTERS
from tasks.nets.recurrent import LanguageModel
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.text._next_token import SourceText


@dataclass(frozen=True, kw_only=True)
class DevOverfitGRU(SourceText):
    """Predict the next character; at the LR that trains fastest the validation loss rises after some epochs.

    Attributes:
        embedding: width of the character embedding.
        hidden: width of the GRU.
    """

    role = "development"
    together = True

    embedding: int
    hidden: int

    def build(self) -> nn.Module:
        """The GRU language model."""
        return LanguageModel("gru", vocabulary=CHARACTERS, embedding=self.embedding, hidden=self.hidden)

    scales: ClassVar = {
        "mini": {
            "package": "http",
            "rows": 160,
            "held_out": 128,
            "length": 24,
            "embedding": 16,
            "hidden": 96,
            "batch_size": 8,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "package": "http",
            "rows": 1024,
            "held_out": 128,
            "length": 100,
            "embedding": 256,
            "hidden": 1024,
            "batch_size": 16,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
