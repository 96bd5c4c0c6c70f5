"""Regression with outliers: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data.synthetic import Columns, drawn
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
        return drawn(source, name, 1, self.examples, lambda rng, n: torques(rng, n, **kind))

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


def torques(rng: np.random.Generator, count: int, *, outliers: float, size: float) -> Columns:
    """``x`` float32 (count, 6): angles, speeds, accelerations; ``y`` float32 (count, 2): torques.

    Args:
        rng: draws the rows.
        count: rows.
        outliers: share of rows with errors of standard deviation ``size``.
        size: in units of the torques' own deviation, about 1.

    Source: the equations of motion of a planar arm with equal links (Craig, Introduction to Robotics, 6.7).
    """
    angles = rng.uniform(-np.pi, np.pi, (2, count))
    speeds, accelerations = rng.normal(size=(2, 2, count))
    (a, b), (u, v), (p, q) = angles, speeds, accelerations
    cosine, sine = np.cos(b), np.sin(b)
    second = (1 + cosine) * p + q + sine * u**2 + 3 * np.cos(a + b)
    first = (2 + 2 * cosine) * p + (1 + cosine) * q - sine * (v**2 + 2 * u * v)
    first = first + 6 * np.cos(a) + 3 * np.cos(a + b)
    y = np.stack([first / 6.0, second / 3.2], 1)
    wrong = rng.random(count) < outliers
    y[wrong] += size * rng.normal(size=(int(wrong.sum()), 2))
    x = np.stack([a / np.pi, b / np.pi, u, v, p, q], 1)
    return {"x": x.astype(np.float32), "y": y.astype(np.float32)}
