"""The task of the CIFAR-10 trainings: the zoo's, as a card likes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from tasks.base import Source, Splits
from tasks.data.cache import cached
from tasks.recipe import Recipe
from tasks.vision.cifar10_resnet9 import Cifar10ResNet9


@dataclass(frozen=True, kw_only=True)
class OnACard(Cifar10ResNet9):
    """CIFAR-10 with ResNet-9, channels last, under bfloat16 autocast.

    ``paper`` is the paper's scale; ``toy`` is for tests.
    """

    def load(self, source: Source) -> Splits:
        """Images are decoded once for all trainings."""
        if source.path is None:
            return super().load(source)
        files = sorted(p for p in Path(source.path).rglob("*") if p.is_file())
        seen = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
        key = hashlib.sha256(repr((seen, self.size, self.limited, self.examples)).encode()).hexdigest()[:16]
        return cached(f"gpu-cifar-{key}", 1, lambda: super(OnACard, self).load(source))

    def build(self) -> nn.Module:
        """The ResNet-9, its convolutions' weights with the channels last."""
        network: nn.Module = super().build()
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    scales: ClassVar = {
        "paper": Cifar10ResNet9.scales["paper"] | {"recipe": Recipe(precision="autocast")},
        "toy": Cifar10ResNet9.scales["mini"]
        | {"examples": (128, 64, 64), "recipe": replace(Recipe(), precision="autocast", epoch_steps=2)},
    }
