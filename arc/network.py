"""The classifier: convolutions, two LSTM layers, two dense layers."""

from __future__ import annotations

from torch import Tensor, nn


class Network(nn.Module):
    """Three logits (raise, keep, lower) from a window of history; 79,555 parameters.

    ``forward`` takes a float tensor of shape (batch, 300, 3), as :func:`arc.featurise` makes it, and
    returns (batch, 3). Lengths: 300 -> 296 -> 148 -> 144 -> 72.

    Source: ARC (Dong et al., 2021), figure 2, and its public code. PyTorch's LSTM has two biases per
    layer where Keras has one (79,043 parameters there).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(3, 32, 5),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(32, 64, 5),
            nn.ReLU(),
            nn.MaxPool1d(2),
        )
        self.lstm = nn.LSTM(64, 64, num_layers=2, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3))

    def forward(self, windows: Tensor) -> Tensor:
        """Logits of shape (batch, 3) for windows of shape (batch, 300, 3)."""
        features = self.conv(windows.transpose(1, 2)).transpose(1, 2)
        sequence, _ = self.lstm(features)
        logits: Tensor = self.dense(sequence[:, -1])
        return logits
