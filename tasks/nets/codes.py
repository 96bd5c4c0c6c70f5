"""Error-correcting output codes on top of any network."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def hadamard(size: int) -> Tensor:
    """The Sylvester-Hadamard matrix, float (size, size) of +1 and -1; ``size`` is a power of two."""
    if size < 1 or size & (size - 1):
        raise ValueError(f"got size={size}, need a power of two")
    matrix = torch.ones(1, 1)
    while len(matrix) < size:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix


class CodedOutput(nn.Module):
    """A network that answers with code bits instead of class scores.

    Args:
        network: gives one value per bit.
        classes: each gets one row of the Hadamard matrix as its code word; two differ in half the bits.
        bits: length of the code words, a power of two, at least ``classes``.

    Shapes: the network's input -> (n, bits) in (-1, 1). The buffer ``codes`` is (classes, bits).

    Source: Verma & Swami, 2019, section 3.
    """

    codes: Tensor

    def __init__(self, network: nn.Module, *, classes: int, bits: int) -> None:
        super().__init__()
        if bits < classes:
            raise ValueError(f"got bits={bits}, need at least classes={classes}")
        self.network = network
        self.register_buffer("codes", hadamard(bits)[:classes].clone())

    def forward(self, images: Tensor) -> Tensor:
        """The code bits."""
        return torch.tanh(self.network(images))
