"""The tensors of a stack of networks as one vector, of which each network has its own elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor


class Flat:
    """Stacked tensors of shape (k, ...), block after block in one vector, and views of it.

    A whole network's numbers are read or written by one call, and an optimizer's step for all networks is as
    many calls as it has terms.

    Args:
        tensors: each (k, ...), float.
        count: k.
        device: of the tensors.

    Attributes:
        vector: float, all of them.
        owner: int64, of the same length: the network of each element.
    """

    def __init__(self, tensors: Sequence[Tensor], count: int, device: torch.device) -> None:
        self._shapes = [tensor.shape for tensor in tensors]
        lanes = torch.arange(count, device=device)
        owners = [lanes.repeat_interleave(tensor.numel() // count) for tensor in tensors]
        self.vector = torch.cat([torch.empty(0, device=device), *(t.detach().reshape(-1) for t in tensors)])
        self.owner = torch.cat([lanes[:0], *owners])
        self._order = self.owner.argsort(stable=True).view(count, len(self.owner) // count)

    def like(self) -> Self:
        """Zeros of the same layout."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.vector = torch.zeros_like(self.vector)
        return other

    def views(self) -> list[Tensor]:
        """The tensors again, as parts of the vector."""
        pieces = self.vector.split([shape.numel() for shape in self._shapes])
        return [piece.view(shape) for piece, shape in zip(pieces, self._shapes, strict=True)]

    def joined(self, tensors: Sequence[Tensor | None]) -> Tensor:
        """Tensors of the same shapes as a vector; zeros where there is none."""
        zero = self.vector.new_zeros(())
        parts = [
            (zero.expand(shape) if tensor is None else tensor).reshape(-1)
            for tensor, shape in zip(tensors, self._shapes, strict=True)
        ]
        return torch.cat(parts)

    def each(self, values: Tensor) -> Tensor:
        """(k,) -> one value for every element: that of its network."""
        return values.index_select(0, self.owner)

    def norms(self, vector: Tensor) -> Tensor:
        """(k,): of each network's part of a vector of this layout."""
        return vector.square().index_select(0, self._order.flatten()).view(self._order.shape).sum(1).sqrt()

    def of(self, lane: int) -> Tensor:
        """A copy of a network's elements."""
        return self.vector.index_select(0, self._order[lane])

    def put(self, lane: int, values: Tensor) -> None:
        """Write a network's elements."""
        self.vector.index_copy_(0, self._order[lane], values)

    def keep(self, moved: Tensor, new: Tensor) -> None:
        """Take new values where ``moved`` (bool, (k,)); the others stay, whatever their new values are."""
        self.vector.copy_(torch.where(self.each(moved), new, self.vector))
