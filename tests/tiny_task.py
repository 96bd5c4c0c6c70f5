"""A task that costs milliseconds, as a user adds one: a file whose path stands for its name."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits, Task


@dataclass(frozen=True, kw_only=True)
class TinyTask(Task):
    """Which of three numbers is the largest, with dropout."""

    together = True
    scales: ClassVar = {
        "mini": {
            "batch_size": 16,
            "lr_range": {"adam": (1e-3, 1e-1), "sgd": (1e-2, 1.0)},
            "examples": 64,
        }
    }
    examples: int

    def load(self, source: Source) -> Splits:
        """Random numbers."""
        generator = torch.Generator().manual_seed(0)

        def split() -> Batch:
            x = torch.randn(self.examples, 4, generator=generator)
            return {"x": x, "y": x[:, :3].argmax(1)}

        return Splits(split(), split(), split())

    def build(self) -> nn.Module:
        """One hidden layer."""
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy and logits."""
        logits = model(batch["x"])
        return nn.functional.cross_entropy(logits, batch["y"]), logits

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return (predictions.argmax(1) == split["y"]).float().mean().item()
