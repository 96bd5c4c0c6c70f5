"""Noisy digits with a deep tanh MLP: for design decisions, neither trained on nor reported.

With momentum SGD an LR of 1 saturates the net within its first steps, and no lower LR brings it back:
the dead start that only a return to the initial weights repairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch
from tasks.nets.mlp import mlp
from tasks.vision._noisy_characters import MINI, PAPER, NoisyCharacters


@dataclass(frozen=True, kw_only=True)
class DevTanhMLP(NoisyCharacters):
    """Name a digit from its pixels, without convolutions.

    Attributes:
        hidden: width of each hidden layer.
        layers: hidden layers.
    """

    script = "digits"
    grain = 0.1

    hidden: int
    layers: int

    def build(self) -> nn.Module:
        """The MLP."""
        inputs = self.channels * self.size**2
        return mlp([inputs, *[self.hidden] * self.layers, self.classes], activation="tanh")

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["image"].flatten(1).float() / 127.5 - 1)
        return scores

    scales: ClassVar = {
        "mini": MINI
        | {"examples": (800, 400, 600), "size": 10, "classes": 10, "hidden": 48, "layers": 4, "noise": 30.0},
        "paper": PAPER | {"hidden": 1024, "layers": 5},
    }
