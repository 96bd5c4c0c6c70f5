"""Regression by squared error with an MLP: where a double pendulum will be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import pendulum
from tasks.data.synthetic import drawn
from tasks.nets.mlp import mlp
from tasks.optimizers import LOW_SGD_LRS, lr_ranges


@dataclass(frozen=True, kw_only=True)
class PendulumMLP(Task):
    """Predict how far the masses of a double pendulum have moved a moment later.

    Attributes:
        examples: training, validation and test rows.
        seconds: of that moment; beyond one or two nobody can predict it.
        noise: standard deviation of a measured place, in lengths of a rod.
        hidden: width of each hidden layer.
        layers: hidden layers.
    """

    role = "zoo"
    metric_name = "unexplained_variance"
    higher_is_better = False

    examples: tuple[int, int, int]
    seconds: float
    noise: float
    hidden: int
    layers: int

    def load(self, source: Source) -> Splits:
        """``x`` float32 (n, 6) and ``y`` float32 (n, 4), of :func:`tasks.data.pendulum.swings`."""
        seconds, noise = self.seconds, self.noise
        return drawn(
            source,
            f"pendulums-{seconds}-{noise}",
            1,
            self.examples,
            lambda rng, n: pendulum.swings(rng, n, seconds=seconds, noise=noise),
        )

    def build(self) -> nn.Module:
        """The MLP."""
        return mlp([6, *[self.hidden] * self.layers, 4])

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Mean squared error and the predicted ways."""
        predicted: Tensor = model(batch["x"])
        return F.mse_loss(predicted, batch["y"]), predicted

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Share of the variance of all ways that is left."""
        assert isinstance(predictions, Tensor)
        left = (predictions - split["y"]).double().square().mean()
        return (left / split["y"].double().var(0, correction=0).mean()).item()

    scales: ClassVar = {
        "mini": {
            "examples": (1024, 256, 1024),
            "seconds": 0.6,
            "noise": 0.02,
            "hidden": 16,
            "layers": 4,
            "batch_size": 128,
            "lr_range": LOW_SGD_LRS,
        },
        "paper": {
            "examples": (20_000, 2_000, 4_000),
            "seconds": 1.0,
            "noise": 0.02,
            "hidden": 512,
            "layers": 4,
            "batch_size": 256,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
