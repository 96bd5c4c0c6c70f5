"""Convolutions over time, dilated ever wider and added up (Bai et al., 2018), and a recurrent labeller."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Temporal(nn.Module):
    """Series (n, channels, length) to features (n, width).

    Args:
        channels: of the series.
        width: of the network.
        layers: residual convolutions, of dilation 1, 2, 4, ...
        stride: of the first convolution.
    """

    def __init__(self, *, channels: int, width: int, layers: int, stride: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv1d(channels, width, 5, stride, padding=2)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.GroupNorm(2, width), nn.ReLU(), nn.Conv1d(width, width, 3, padding=2**i, dilation=2**i)
            )
            for i in range(layers)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The highest value of each channel."""
        x = self.stem(x)
        for layer in self.layers:
            x = x + layer(x)
        return F.relu(x).amax(2)


class Labeller(nn.Module):
    """A bidirectional GRU: series (n, length, channels) to logits per step (n, length, outputs)."""

    def __init__(self, *, channels: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(channels, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, outputs)

    def forward(self, series: Tensor) -> Tensor:
        """Logits of every step."""
        logits: Tensor = self.head(self.recurrent(series)[0])
        return logits


class TokenTemporal(nn.Module):
    """Ids (n, length) to features (n, width): an embedding before :class:`Temporal`."""

    def __init__(self, *, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.temporal = Temporal(channels=width, width=width, layers=layers)

    def forward(self, ids: Tensor) -> Tensor:
        """The features of each text."""
        features: Tensor = self.temporal(self.tokens(ids).transpose(1, 2))
        return features


class WithHead(nn.Module):
    """A body, which another training may have filled, and a linear head on its features."""

    def __init__(self, body: nn.Module, width: int, outputs: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each example."""
        logits: Tensor = self.head(self.body(x))
        return logits
