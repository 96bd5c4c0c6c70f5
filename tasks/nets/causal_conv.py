"""Causal convolutions over tokens."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class CausalConv(nn.Module):
    """Embedding, residual dilated convolutions that see no later token, one score per vocabulary entry.

    Maps ids (batch, length) to logits (batch, vocabulary, length). Layer ``i`` has dilation 2**i. There is no
    normalisation. The convolutions have a dimension of height 1, since networks step together on maps.

    Args:
        vocabulary: token ids.
        width: channels.
        layers: residual convolutions.
        kernel: tokens that each sees.

    Source: WaveNet (van den Oord et al., 2016), without gates.
    """

    def __init__(self, *, vocabulary: int, width: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.embedding = nn.Embedding(vocabulary, width)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, (1, kernel), dilation=(1, 2**i)) for i in range(layers)
        )
        self.head = nn.Conv2d(width, vocabulary, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of the token after each one, (batch, vocabulary, length)."""
        states = self.embedding(ids).transpose(1, 2).unsqueeze(2)
        for i, convolution in enumerate(self.convolutions):
            seen = convolution(F.pad(states, ((self.kernel - 1) * 2**i, 0))).relu()
            states = seen if i == 0 else states + seen
        logits: Tensor = self.head(states).squeeze(2)
        return logits
