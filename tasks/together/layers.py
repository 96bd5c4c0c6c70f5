"""Twins of the layers that work on vectors: linear, embedding, layer normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.together.twin import Twin, products


class Linear(Twin):
    """(n k, ..., in) or, behind maps, (n, k in) -> (n k, ..., out)."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def forward(self, x: Tensor) -> Tensor:
        """Each network's product with its own weights."""
        k, _, width = self.weight.shape
        if x.shape[-1] == k * width:
            x = x.reshape(-1, width)
        shape = x.shape[1:-1]
        rows = x.unflatten(0, (-1, k)).transpose(0, 1).flatten(1, -2)
        y = products(rows, self.weight, self.bias)
        apart: Tensor = y.unflatten(1, (-1, *shape))
        return apart.transpose(0, 1).flatten(0, 1)


class Embedding(Twin):
    """Ids (n k, ...) -> (n k, ..., width); ids (1, ...), the same for every example, too."""

    weight: nn.Parameter

    def __init__(self, layers: Sequence[nn.Embedding]) -> None:
        first = layers[0]
        plain = first.max_norm is None and not first.scale_grad_by_freq and not first.sparse
        super().__init__(layers, supported=plain)
        self.rows = 0  # of the pass's batch; the stack notes it
        padding = first.padding_idx
        if padding is not None:
            row = torch.tensor([padding], device=self.weight.device)
            self.weight.register_hook(lambda gradient: gradient.index_fill(1, row, 0.0))

    def forward(self, ids: Tensor) -> Tensor:
        """Rows of one table that holds the networks' tables one below the other."""
        k, entries, _ = self.weight.shape
        starts = torch.arange(0, k * entries, entries, device=ids.device).view(-1, *[1] * (ids.dim() - 1))
        alike = len(ids) == 1
        shifted = ids + starts if alike else (ids.unflatten(0, (-1, k)) + starts).flatten(0, 1)
        found = F.embedding(shifted, self.weight.flatten(0, 1))
        return found.expand(self.rows // k, *found.shape).flatten(0, 1) if alike else found


class LayerNorm(Twin):
    """(n k, ..., width) -> the same."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, layers: Sequence[nn.LayerNorm]) -> None:
        first = layers[0]
        super().__init__(layers, supported=first.weight is not None and first.bias is not None)
        self.shape, self.eps = first.normalized_shape, first.eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalised, and scaled by each network's own weights."""
        assert self.weight is not None and self.bias is not None
        normal = F.layer_norm(x, self.shape, eps=self.eps).unflatten(0, (-1, self.count))
        between = (self.count, *[1] * (normal.dim() - 2 - len(self.shape)), *self.shape)
        return torch.addcmul(self.bias.view(between), normal, self.weight.view(between)).flatten(0, 1)
