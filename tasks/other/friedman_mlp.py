"""Regression with an MLP: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import tables
from tasks.nets.mlp import mlp
from tasks.optimizers import lr_ranges


@dataclass(frozen=True, kw_only=True)
class FriedmanMLP(Task):
    """Predict a number from a row: Friedman's function, or the price of a house in California.

    Attributes:
        examples: training, validation and test rows of the embedded data; shares of other data.
        columns: numbers of a row.
        noise: standard deviation of what no column tells in the embedded data; its targets have about 4.9.
        hidden: width of each hidden layer.
        layers: hidden layers.
    """

    role = "evaluation"
    metric_name = "rmse"
    higher_is_better = False

    examples: tuple[int, int, int]
    columns: int
    noise: float
    hidden: int
    layers: int

    def load(self, source: Source) -> Splits:
        """``x`` float32 (n, columns) and ``y`` float32 (n,), standardised."""
        if source.kind != "embedded":
            return tables.fetched(source, "fetch_california_housing", self.examples)
        return tables.friedman(examples=self.examples, noise=self.noise)

    def build(self) -> nn.Module:
        """The MLP."""
        return mlp([self.columns, *[self.hidden] * self.layers, 1])

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Mean squared error and the predicted numbers."""
        predicted: Tensor = model(batch["x"]).squeeze(1)
        return F.mse_loss(predicted, batch["y"]), predicted

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Root of the mean squared error, in standard deviations of the target."""
        assert isinstance(predictions, Tensor)
        return (predictions - split["y"]).double().square().mean().sqrt().item()

    scales: ClassVar = {
        "mini": {
            "examples": (1024, 512, 1024),
            "columns": 10,
            "noise": 0.1,
            "hidden": 48,
            "layers": 3,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-4, 1e1), momentum=(1e-5, 1e0)),
        },
        "paper": {
            "examples": (13209, 3303, 4128),
            "columns": 8,
            "noise": 1.0,
            "hidden": 512,
            "layers": 4,
            "batch_size": 256,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
