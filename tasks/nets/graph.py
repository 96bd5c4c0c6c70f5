"""A graph isomorphism network (Xu et al., 2019) that gives each graph a code."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class GraphEncoder(nn.Module):
    """Edges (n, nodes, nodes) and nodes' values (n, nodes, values) to codes (n, code) of length one.

    The order of the nodes is no matter.

    Args:
        values: of a node.
        width: of a node's state, which begins as its degree and its values.
        layers: rounds of messages.
        code: of a graph.
    """

    def __init__(self, *, values: int, width: int, layers: int, code: int) -> None:
        super().__init__()
        self.embed = nn.Linear(1 + values, width)
        self.rounds = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)) for _ in range(layers)
        )
        self.head = nn.Linear(2 * width, code)

    def forward(self, edges: Tensor, values: Tensor) -> Tensor:
        """The code of each graph."""
        degrees = edges.sum(2, keepdim=True) / edges.shape[1]
        x = self.embed(torch.cat([degrees, values], 2))
        for step in self.rounds:
            x = x + F.relu(step(x + edges @ x / edges.shape[1]))
        pooled = self.head(nn.functional.layer_norm(_pooled(x), (2 * x.shape[2],)))
        return F.normalize(pooled, dim=1)


def _pooled(x: Tensor) -> Tensor:
    mean = x.mean(1, keepdim=True)
    return F.pad(mean[:, 0], (0, x.shape[2])) + F.pad((x - mean).square().mean(1), (x.shape[2], 0))
