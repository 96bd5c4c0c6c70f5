"""The set transformer of Lee et al., 2019: attention through induced points, pooling by a seed."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _Attend(nn.Module):
    """A set looks at another: attention and a perceptron, each added and normalised."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.perceptron = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = self.norms[0](x + self.attention(x, y, y, need_weights=False)[0])
        found: Tensor = self.norms[1](x + self.perceptron(x))
        return found


class SetTransformer(nn.Module):
    """Sets (n, points, columns) to logits (n, outputs), whatever the order of the points.

    Args:
        columns: numbers of a point.
        width: of a point inside.
        heads: of each attention.
        induced: points through which the points see each other.
        layers: blocks before pooling.
        outputs: logits.
    """

    def __init__(
        self, *, columns: int, width: int, heads: int, induced: int, layers: int, outputs: int
    ) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(columns, width), nn.ReLU(), nn.Linear(width, width))
        self.induced = nn.Parameter(torch.randn(layers, induced, width) * width**-0.5)
        self.seed = nn.Parameter(torch.randn(1, 1, width) * width**-0.5)
        self.gather = nn.ModuleList(_Attend(width, heads) for _ in range(layers))
        self.spread = nn.ModuleList(_Attend(width, heads) for _ in range(layers))
        self.pool = _Attend(width, heads)
        self.head = nn.Linear(width, outputs)

    def forward(self, points: Tensor) -> Tensor:
        """Logits of each set."""
        x = embedded = self.embed(points)
        for induced, gather, spread in zip(self.induced, self.gather, self.spread, strict=True):
            x = spread(x, gather(induced.expand(len(x), -1, -1), x))
        pooled = self.pool(self.seed.expand(len(x), -1, -1), x)[:, 0]
        logits: Tensor = self.head(pooled + embedded.mean(1))  # the short way keeps the start from stalling
        return logits
