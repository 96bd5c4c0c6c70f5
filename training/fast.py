"""The network's forward pass, in the memory order that trains fastest on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from arc.network.network import Network

BATCH: Final = 128
"""Windows of one forward pass of :func:`answers`; on a CPU, more than fit into its cache are slower."""


def forward(device: str) -> Callable[[Network, Tensor], Tensor]:
    """The forward pass for a device."""
    return logits if device == "cpu" else Network.__call__


def answers(network: Network, windows: Tensor, device: str, *, seen: float = 1.0) -> Tensor:
    """Logits (N, 3) of all windows, batch by batch; ``seen`` multiplies their validation channel."""
    weight = torch.tensor([1.0, seen, 1.0], device=device)
    with torch.inference_mode():
        parts = (part.to(device) * weight for part in windows.split(BATCH))
        return torch.cat([forward(device)(network, part).cpu() for part in parts])


def logits(network: Network, windows: Tensor) -> Tensor:
    """What ``network(windows)`` gives, up to rounding: (batch, 3) for windows of (batch, 300, 3).

    A window's channels already come last in memory. Kept so, no layer copies its input, and pooling,
    which is half of the plain convolutions' time, works on whole vectors of channels; it comes before the
    ReLU, whose work it halves. docs/speed.md has the numbers.
    """
    features = windows.transpose(1, 2).unsqueeze(2)  # an image of height 1, channels last
    for layer in (network.conv[0], network.conv[3]):
        conv = cast(nn.Conv1d, layer)
        features = functional.conv2d(features, conv.weight.unsqueeze(2), conv.bias)
        features = functional.max_pool2d(features, (1, 2)).relu_()
    _, (last, _) = network.lstm(features.squeeze(2).transpose(1, 2))
    return cast(Tensor, network.dense(last[-1]))
