"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


def mlp(widths: Sequence[int], *, activation: str = "relu", dropout: float = 0.0) -> nn.Sequential:
    """Linear layers from ``widths[0]`` inputs to ``widths[-1]`` outputs.

    Args:
        widths: of the input, of each hidden layer, of the output.
        activation: ``relu`` or ``tanh``, behind every hidden layer.
        dropout: behind every hidden layer's activation.
    """
    layers: list[nn.Module] = []
    for narrow, wide in pairwise(widths[:-1]):
        layers += [nn.Linear(narrow, wide), _ACTIVATIONS[activation]()]
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))
