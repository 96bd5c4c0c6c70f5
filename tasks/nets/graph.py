"""A graph isomorphism network (Xu et al., 2019) that gives each graph a code."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class GraphEncoder(nn.Module):
    """Adjacency (n, nodes, nodes) to codes (n, code) of length one; the order of the nodes is no matter.

    Args:
        width: of a node's state, which begins as its degree.
        layers: rounds of messages.
        code: of a graph.
    """

    def __init__(self, *, width: int, layers: int, code: int) -> None:
        super().__init__()
        self.embed = nn.Linear(1, width)
        self.rounds = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width))
            for _ in range(layers)
        )
        self.head = nn.Linear(2 * width, code)

    def forward(self, edges: Tensor) -> Tensor:
        """The code of each graph."""
        x = self.embed(edges.sum(2, keepdim=True) / edges.shape[1])
        for step in self.rounds:
            x = x + F.relu(step(x + edges @ x))
        pooled = self.head(nn.functional.layer_norm(_pooled(x), (2 * x.shape[2],)))
        return F.normalize(pooled, dim=1)


def _pooled(x: Tensor) -> Tensor:
    mean = x.mean(1, keepdim=True)
    return F.pad(mean[:, 0], (0, x.shape[2])) + F.pad((x - mean).square().mean(1), (x.shape[2], 0))
