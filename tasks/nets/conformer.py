"""Convolution beside attention: the conformer of Gulati et al., 2020, over token ids."""

from __future__ import annotations

from torch import Tensor, nn


class _Block(nn.Module):
    """Half a perceptron, attention, a gated depthwise convolution, half a perceptron; each is added."""

    def __init__(self, width: int, heads: int, kernel: int) -> None:
        super().__init__()
        self.first, self.last = (
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
            )
            for _ in range(2)
        )
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.gate = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GLU())
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.write = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width))
        self.out = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0.5 * self.first(x)
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.write(self.depthwise(self.gate(x).transpose(1, 2)).transpose(1, 2))
        found: Tensor = self.out(x + 0.5 * self.last(x))
        return found


class Conformer(nn.Module):
    """Ids (n, length) to logits (n, length, outputs); convolutions tell the positions.

    Args:
        vocabulary: token ids.
        width: of the residual stream.
        layers: blocks.
        heads: of each attention.
        kernel: of the depthwise convolutions; odd.
        outputs: logits per token.
    """

    def __init__(
        self, *, vocabulary: int, width: int, layers: int, heads: int, kernel: int, outputs: int
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.blocks = nn.Sequential(*(_Block(width, heads, kernel) for _ in range(layers)))
        self.head = nn.Linear(width, outputs)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of every token."""
        logits: Tensor = self.head(self.blocks(self.tokens(ids)))
        return logits
