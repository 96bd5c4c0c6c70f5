"""The classifier: convolutions, two LSTM layers, two dense layers."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from arc.actions import softmax
from arc.history.features import Window

UNITS = 64
"""Hidden units of each LSTM layer."""


class Fitted(nn.Module):
    """What both networks have: how they came about, and what tells their weights from others."""

    about: tuple[dict[str, Any], str] | None = None
    """How the network came about, and its card, where it was read from a controller directory."""

    def digest(self) -> str:
        """Sixteen hexadecimal digits of the weights."""
        arrays = (value.detach().cpu().float().numpy() for value in self.state_dict().values())
        return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


def convolutions(channels: int, units: int) -> nn.Sequential:
    """Two convolutions over time, each pooled by two: (batch, channels, n) to (batch, units, n / 4 - 3)."""
    return nn.Sequential(
        nn.Conv1d(channels, 32, 5),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(32, units, 5),
        nn.ReLU(),
        nn.MaxPool1d(2),
    )


class Network(Fitted):
    """Three logits (raise, keep, lower) from a window of history; 79,555 parameters.

    ``forward`` takes a float tensor of shape (batch, 300, 3), as :func:`arc.featurise` makes it, and
    returns (batch, 3). Lengths: 300 -> 296 -> 148 -> 144 -> 72.

    Source: ARC (Dong et al., 2021), figure 2, and its public code. PyTorch's LSTM has two biases per
    layer where Keras has one (79,043 parameters there).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = convolutions(3, UNITS)
        self.lstm = nn.LSTM(UNITS, UNITS, num_layers=2, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(UNITS, 32), nn.ReLU(), nn.Linear(32, 3))
        self._layers: Any = tuple(self.conv[i] for i in (0, 3)), tuple(self.dense[i] for i in (0, 2))

    def probabilities(self, window: Window) -> tuple[float, float, float]:
        """Of raise, keep, lower for one window, as :func:`arc.featurise` makes it."""
        with torch.inference_mode():
            return softmax(self(torch.from_numpy(window)[None])[0].tolist())

    def forward(self, windows: Tensor) -> Tensor:
        """Logits of shape (batch, 3) for windows of shape (batch, 300, 3)."""
        # The layers' functions, not their calls: for the one window of a live decision these cost a quarter.
        convolutions, (hidden, output) = self._layers
        features = windows.transpose(1, 2)
        for conv in convolutions:
            features = torch.max_pool1d(torch.conv1d(features, conv.weight, conv.bias).relu(), 2)
        start = features.new_zeros(2, len(windows), UNITS)
        lstm_weights: list[Tensor] = [weight for layer in self.lstm.all_weights for weight in layer]
        _, last, _ = torch.lstm(
            features.transpose(1, 2),
            (start, start),
            lstm_weights,
            has_biases=True,
            num_layers=2,
            dropout=0.0,
            train=self.training,
            bidirectional=False,
            batch_first=True,
        )
        units = linear(last[-1], hidden.weight, hidden.bias).relu()
        return linear(units, output.weight, output.bias)
