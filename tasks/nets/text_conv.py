"""A convolutional network over words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class TextConv(nn.Module):
    """Embedding, convolutions of several kernel sizes side by side, the maximum over places, a linear head.

    Maps ids (batch, length) to logits (batch, outputs); the length is at least the largest kernel.

    Source: Kim, 2014, "Convolutional neural networks for sentence classification".
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        embedding: int,
        kernels: Sequence[int],
        filters: int,
        outputs: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.convolutions = nn.ModuleList(nn.Conv1d(embedding, filters, kernel) for kernel in kernels)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(filters * len(kernels), outputs)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of the classes."""
        words = self.embedding(ids).transpose(1, 2)
        found = torch.cat([conv(words).relu().amax(dim=2) for conv in self.convolutions], dim=1)
        logits: Tensor = self.head(self.dropout(found))
        return logits
