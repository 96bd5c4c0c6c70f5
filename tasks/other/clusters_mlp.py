"""Classification of table rows with an MLP: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import tables
from tasks.metrics.accuracy import accuracy
from tasks.nets.mlp import mlp
from tasks.optimizers import lr_ranges
from tasks.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ClustersMLP(Task):
    """Name the class of a row: of Gaussian clusters, or the forest that covers a piece of land.

    The paper-scale network is the MLP that Gorishniy et al., 2021, tuned for such tables.

    Attributes:
        examples: training, validation and test rows of the embedded data; shares of other data.
        columns: numbers of a row.
        classes: size of the last layer.
        spread: distance of the embedded data's clusters, in units of their deviation.
        hidden: width of each hidden layer.
        layers: hidden layers.
        dropout: behind each of them.
    """

    role = "evaluation"

    examples: tuple[int, int, int]
    columns: int
    classes: int
    spread: float
    hidden: int
    layers: int
    dropout: float

    def load(self, source: Source) -> Splits:
        """``x`` float32 (n, columns) and ``y`` int64 (n,)."""
        if source.kind != "embedded":
            return tables.fetched(source, "fetch_covtype", self.examples)
        return tables.clusters(
            examples=self.examples, columns=self.columns, classes=self.classes, spread=self.spread
        )

    def build(self) -> nn.Module:
        """The MLP."""
        return mlp([self.columns, *[self.hidden] * self.layers, self.classes], dropout=self.dropout)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy; the predictions are the class scores."""
        scores: Tensor = model(batch["x"])
        return F.cross_entropy(scores, batch["y"]), scores

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Accuracy."""
        assert isinstance(predictions, Tensor)
        return accuracy(predictions, split["y"])

    scales: ClassVar = {
        "mini": {
            "examples": (2048, 512, 1024),
            "columns": 20,
            "classes": 8,
            "spread": 1.2,
            "hidden": 64,
            "layers": 2,
            "dropout": 0.3,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
        },
        "medium": {
            "examples": (40000, 5000, 5000),
            "columns": 40,
            "classes": 10,
            "spread": 1.0,
            "hidden": 512,
            "layers": 4,
            "dropout": 0.1,
            "batch_size": 256,
            "lr_range": lr_ranges((1e-5, 1e0), sgd=(1e-3, 3e1), momentum=(1e-4, 3e0)),
            "recipe": Recipe(epoch_steps=200, weight_decay=1e-2),
        },
        "paper": {
            "examples": (371847, 92962, 116203),
            "columns": 54,
            "classes": 7,
            "spread": 1.0,
            "hidden": 512,
            "layers": 4,
            "dropout": 0.1,
            "batch_size": 1024,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
