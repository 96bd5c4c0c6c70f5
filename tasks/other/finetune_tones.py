"""Fine-tuning of a temporal convolutional network on other tones: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Source, Splits
from tasks.classification import Classification
from tasks.data import signals
from tasks.data.synthetic import drawn
from tasks.nets.pretrained import load_pretrained, trained
from tasks.nets.temporal import Temporal, WithHead
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class FinetuneTones(Classification):
    """Say how a tone moves, beginning with the convolutions of a net that knows mixtures of steady ones.

    Attributes:
        examples: training, validation and test rows.
        family: of tones.
        length: samples.
        noise: standard deviation of what is added.
        width: channels.
        layers: residual convolutions.
        pretraining: epochs of the first training, made when it is first needed; 0 begins at random.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    family: str
    length: int
    noise: float
    width: int
    layers: int
    pretraining: int

    def load(self, source: Source) -> Splits:
        """``signal`` float32 (n, length) and ``label`` int64 (n,)."""
        family, length, noise = self.family, self.length, self.noise
        name = f"tones-{family}-{length}-{noise}"
        return drawn(
            source,
            name,
            1,
            self.examples,
            lambda rng, n: signals.tones(rng, n, family=family, length=length, noise=noise),
        )

    def build(self) -> nn.Module:
        """The network with a fresh head."""
        body = Temporal(channels=1, width=self.width, layers=self.layers, stride=2)
        if self.pretraining:
            size = f"{self.width}-{self.layers}-{self.length}-{self.noise}"
            key = f"{size}-{self.pretraining}-{torch.__version__}"
            load_pretrained(body, f"pretrained-tones-{key}", 1, self._pretrained)
        return WithHead(body, self.width, signals.CLASSES)

    def _pretrained(self) -> nn.Module:
        counts = (1536, 8, 8)
        first = replace(self, family="steady", examples=counts, batch_size=32, pretraining=0)
        return trained(first, self.pretraining, "adam").get_submodule("body")

    def _scores(self, model: nn.Module, batch: Batch) -> Tensor:
        scores: Tensor = model(batch["signal"][:, None])
        return scores

    scales: ClassVar = {
        "mini": {
            "examples": (384, 256, 768),
            "family": "moving",
            "length": 96,
            "noise": 0.8,
            "width": 16,
            "layers": 4,
            "pretraining": 12,
            "batch_size": 24,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "paper": {
            "examples": (4000, 1000, 4000),
            "family": "moving",
            "length": 1024,
            "noise": 0.4,
            "width": 128,
            "layers": 8,
            "pretraining": 12,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-6, 1e-1)),
        },
    }
