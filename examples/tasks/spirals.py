"""Tensors in memory: which arm of a spiral does a point lie on?"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits, Task


@dataclass(frozen=True, kw_only=True)
class Spirals(Task):
    """Points of noisy arms, told apart by a small network."""

    scales: ClassVar = {
        "mini": {
            "batch_size": 32,
            "lr_range": {"adam": (1e-5, 1.0), "sgd": (1e-4, 10.0)},
            "examples": 512,
            "arms": 5,
        }
    }
    examples: int
    arms: int

    def load(self, source: Source) -> Splits:
        generator = torch.Generator().manual_seed(0)
        return Splits(*(self._points(generator) for _ in range(3)))

    def build(self) -> nn.Module:
        return nn.Sequential(
            nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, self.arms)
        )

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        logits = model(batch["point"])
        return nn.functional.cross_entropy(logits, batch["arm"]), logits

    def metric(self, predictions: Predictions, split: Batch) -> float:
        assert isinstance(predictions, Tensor)
        return (predictions.argmax(1) == split["arm"]).float().mean().item()

    def _points(self, generator: torch.Generator) -> Batch:
        arm = torch.randint(self.arms, (self.examples,), generator=generator)
        radius = torch.rand(self.examples, generator=generator)
        noise = 0.25 * torch.randn(self.examples, generator=generator)
        angle = 2 * torch.pi * (arm / self.arms + radius) + noise
        return {"point": 2 * radius[:, None] * torch.stack((angle.cos(), angle.sin()), 1), "arm": arm}
