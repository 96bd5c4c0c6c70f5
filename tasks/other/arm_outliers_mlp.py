"""Regression with outliers: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import arm
from tasks.data.synthetic import drawn
from tasks.nets.mlp import mlp


@dataclass(frozen=True, kw_only=True)
class ArmOutliersMLP(Task):
    """Predict the torques of a robot arm's motion by squared error, though some were measured badly.

    Attributes:
        examples: training, validation and test rows.
        outliers: share of rows with a large error.
        deviation: of these errors, in units of the torques' own.
        hidden: width of each hidden layer.
        layers: hidden layers.
    """

    role = "evaluation"
    metric_name = "median_absolute_error"
    higher_is_better = False

    examples: tuple[int, int, int]
    outliers: float
    deviation: float
    hidden: int
    layers: int

    def load(self, source: Source) -> Splits:
        """``x`` float32 (n, 6) and ``y`` float32 (n, 2); outliers are in every split."""
        kind = {"outliers": self.outliers, "size": self.deviation}
        name = f"arm-{self.outliers}-{self.deviation}"
        return drawn(source, name, 1, self.examples, lambda rng, n: arm.torques(rng, n, **kind))

    def build(self) -> nn.Module:
        """The MLP."""
        return mlp([6, *[self.hidden] * self.layers, 2])

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Mean squared error and the predicted torques."""
        predicted: Tensor = model(batch["x"])
        return F.mse_loss(predicted, batch["y"]), predicted

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Median of the absolute error, which outliers hardly move."""
        assert isinstance(predictions, Tensor)
        return (predictions - split["y"]).abs().double().median().item()

    scales: ClassVar = {
        "mini": {
            "examples": (2048, 512, 1024),
            "outliers": 0.04,
            "deviation": 3.0,
            "hidden": 48,
            "layers": 3,
            "batch_size": 32,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "examples": (100000, 10000, 20000),
            "outliers": 0.04,
            "deviation": 3.0,
            "hidden": 512,
            "layers": 4,
            "batch_size": 256,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-6, 1e-1)),
        },
    }
