"""The encoder-decoder transformer of Vaswani et al., 2017, with normalisation before each part."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class SequenceToSequence(nn.Module):
    """Maps ids asked (n, length) and ids said so far (n, length) to logits of the next (n, length, outputs).

    Args:
        vocabulary: token ids.
        length: longest sequence.
        width: of the residual streams; hidden layers are twice as wide.
        layers: of encoder and decoder each.
        heads: of each attention; they divide ``width``.
    """

    mask: Tensor

    def __init__(self, *, vocabulary: int, length: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length, width)
        kind: dict[str, Any] = {
            "dim_feedforward": 2 * width,
            "dropout": 0.0,
            "batch_first": True,
            "norm_first": True,
        }
        self.encoder = nn.ModuleList(nn.TransformerEncoderLayer(width, heads, **kind) for _ in range(layers))
        self.decoder = nn.ModuleList(nn.TransformerDecoderLayer(width, heads, **kind) for _ in range(layers))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary))
        self.register_buffer("mask", torch.ones(length, length).tril() == 0, persistent=False)

    def forward(self, asked: Tensor, said: Tensor) -> Tensor:
        """Logits at every position, which sees all that is asked and what was said before."""
        memory = self._embedded(asked)
        for layer in self.encoder:
            memory = layer(memory)
        states = self._embedded(said)
        for layer in self.decoder:
            states = layer(states, memory, tgt_mask=self.mask)
        logits: Tensor = self.head(states)
        return logits

    def _embedded(self, ids: Tensor) -> Tensor:
        found: Tensor = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        return found
