"""Contrastive learning on graphs: reported only, never in training data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions, Source, Splits, Task
from tasks.data import graphs
from tasks.data.synthetic import drawn
from tasks.nets.graph import GraphEncoder


@dataclass(frozen=True, kw_only=True)
class GraphContrastive(Task):
    """Give two views of a graph nearer codes than views of other graphs: InfoNCE (van den Oord et al., 2018).

    Attributes:
        examples: training, validation and test rows.
        nodes: of a graph.
        others: graphs from which a graph's second view is told.
        lost: share of a view's missing edges.
        error: of a view's values of each node, whose own deviation is 1.
        offset: deviation of what a view adds to all its nodes. Without values and offset an untrained net
            finds half of the graphs, and training adds little.
        temperature: of the loss.
        width: of a node's state.
        layers: rounds of messages.
        code: of a graph.
    """

    role = "evaluation"
    metric_name = "found_first"

    examples: tuple[int, int, int]
    nodes: int
    others: int
    lost: float
    error: float
    offset: float
    temperature: float
    width: int
    layers: int
    code: int

    def load(self, source: Source) -> Splits:
        """``edges`` and ``values`` of a view, the second of the same graph, others': (n, 2 + others, ...)."""
        kind: dict[str, Any] = {
            key: getattr(self, key) for key in ("nodes", "others", "lost", "error", "offset")
        }
        name = f"graphs-{'-'.join(map(str, kind.values()))}"
        return drawn(source, name, 2, self.examples, lambda rng, n: graphs.seen_twice(rng, n, **kind))

    def build(self) -> nn.Module:
        """The encoder of a graph."""
        return GraphEncoder(values=2, width=self.width, layers=self.layers, code=self.code)

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Cross-entropy of the second view among the others; the predictions are similarities."""
        edges, values = batch["edges"].float(), batch["values"]
        codes: Tensor = model(edges.flatten(0, 1), values.flatten(0, 1)).unflatten(0, edges.shape[:2])
        similar = (codes[:, 1:] * codes[:, :1]).sum(2) / self.temperature
        first = torch.zeros(len(similar), dtype=torch.long, device=similar.device)
        return F.cross_entropy(similar, first), similar

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """How often the second view of the same graph is the nearest."""
        assert isinstance(predictions, Tensor)
        # Where all codes are the same, nothing is found.
        return (predictions[:, 0] > predictions[:, 1:].amax(1)).double().mean().item()

    scales: ClassVar = {
        "mini": {
            "examples": (512, 256, 512),
            "nodes": 12,
            "others": 7,
            "lost": 0.04,
            "error": 0.3,
            "offset": 1.5,
            "temperature": 0.2,
            "width": 32,
            "layers": 2,
            "code": 12,
            "batch_size": 32,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop"), (1e-5, 1e0))
            | {"sgd": (1e-3, 3e1), "momentum": (1e-4, 3e0)},
        },
        "paper": {
            "examples": (20000, 2000, 4000),
            "nodes": 32,
            "others": 31,
            "lost": 0.1,
            "error": 0.3,
            "offset": 1.5,
            "temperature": 0.2,
            "width": 128,
            "layers": 4,
            "code": 64,
            "batch_size": 64,
            "lr_range": dict.fromkeys(("adam", "adamw", "rmsprop", "sgd", "momentum"), (1e-6, 1e-1)),
        },
    }
