"""The network that sees movement: convolutions and LSTM on the window, layers on the numbers, then both."""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from arc.actions import Estimate, softmax
from arc.history.observation import CHANNELS, NAMES, Observation
from arc.network.network import Fitted, convolutions

UNITS: Final = 48
HIDDEN: Final = 96
JOINED: Final = UNITS + HIDDEN
"""Numbers in which window and numbers come together."""
FARTHEST: Final = 5.0
"""Deviations beyond which a standardised number is cut off."""

LEAST: Final = 0.02
"""Decades: no smaller error is expected."""


class Answer(NamedTuple):
    """What the network says of a batch of trainings.

    Attributes:
        logits: (batch, 3), of raise, keep, lower.
        distance: (batch,), log10(LR / best LR): below 0 the LR is too low.
        spread: (batch,), the mean absolute error that it expects of ``distance`` (decades, positive).
    """

    logits: Tensor
    distance: Tensor
    spread: Tensor


class Estimator(Fitted):
    """From windows and numbers of :func:`arc.history.observation.observe` to an :class:`Answer`.

    69,461 parameters. Source: the shape is that of ARC (Dong et al., 2021), figure 2, on a third of its
    length; the numbers beside it, and the distance, are ours (spec/movement.md).

    Attributes:
        centre, scale: what the numbers are standardised by, (numbers,); set when it is fitted.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(len(NAMES)))
        self.register_buffer("scale", torch.ones(len(NAMES)))
        self.conv = convolutions(len(CHANNELS), UNITS)
        self.lstm = nn.LSTM(UNITS, UNITS, num_layers=2, batch_first=True)
        self.numbers = nn.Sequential(
            nn.Linear(len(NAMES), HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()
        )
        self.dense = nn.Sequential(nn.Linear(JOINED, 64), nn.ReLU(), nn.Linear(64, 5))

    def estimate(self, seen: Observation) -> Estimate:
        """What it says of one training."""
        with torch.inference_mode():
            answer = self(*(torch.from_numpy(part)[None] for part in seen))
        return Estimate(softmax(answer.logits[0].tolist()), float(answer.distance), float(answer.spread))

    def forward(self, windows: Tensor, numbers: Tensor, kept: Tensor | None = None) -> Answer:
        """Windows (batch, 100, 4) and numbers (batch, n) to an answer.

        ``kept`` (batch, :data:`JOINED`) is dropout's mask while the network is fitted, of 0 and
        1 / (1 - chance): drawn there, so that equal seeds fit equal networks.
        """
        _, (last, _) = self.lstm(self.conv(windows.transpose(1, 2)).transpose(1, 2))
        standard = ((numbers - self.centre) / self.scale).clamp(-FARTHEST, FARTHEST)
        both = torch.cat([last[-1], self.numbers(standard)], 1)
        out = self.dense(both if kept is None else both * kept)
        return Answer(out[:, :3], out[:, 3], nn.functional.softplus(out[:, 4]) + LEAST)
