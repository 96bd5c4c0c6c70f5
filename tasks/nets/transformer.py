"""A small pre-norm transformer over token ids, causal or not."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Transformer(nn.Module):
    """Token and position embeddings, transformer blocks, a last normalisation, a linear head.

    Maps ids (batch, length) to logits (batch, length, outputs).

    Args:
        vocabulary: token ids.
        positions: longest sequence.
        width: of the residual stream; the hidden layer of a block is four times as wide.
        layers: blocks.
        heads: of each block; they divide ``width``.
        outputs: logits per token.
        causal: a token sees itself and the tokens before it, instead of all.
        dropout: of what each block adds.

    Source: GPT-2 (Radford et al., 2019), whose initial weights it has (deviation 0.02, smaller with depth
    where a block writes into the residual stream), but with ReLU, which costs a fraction on a CPU.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        positions: int,
        width: int,
        layers: int,
        heads: int,
        outputs: int,
        causal: bool,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width)
        self.blocks = nn.Sequential(*(Block(width, heads, causal, dropout) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        for name, weight in self.named_parameters():
            if name.endswith("write.weight"):
                nn.init.normal_(weight, std=0.02 / (2 * layers) ** 0.5)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of every token."""
        states = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        logits: Tensor = self.head(self.blocks(states))
        return logits


class Block(nn.Module):
    """Attention, then a perceptron; each reads normalised states and adds to them."""

    def __init__(self, width: int, heads: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.attention = _Attention(width, heads, causal)
        self.perceptron = _Perceptron(width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """States (batch, length, width), with what both halves add."""
        states = states + self.dropout(self.attention(self.norms[0](states)))
        return torch.add(states, self.dropout(self.perceptron(self.norms[1](states))))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.read = nn.Linear(width, 3 * width)
        self.write = nn.Linear(width, width)

    def forward(self, states: Tensor) -> Tensor:
        batch, length, width = states.shape
        split = self.read(states).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        written: Tensor = self.write(mixed.transpose(1, 2).reshape(batch, length, width))
        return written


class _Perceptron(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.read = nn.Linear(width, 4 * width)
        self.write = nn.Linear(4 * width, width)

    def forward(self, states: Tensor) -> Tensor:
        written: Tensor = self.write(self.read(states).relu())
        return written
