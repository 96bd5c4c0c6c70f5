"""Tensors folded to rows of one length: their sketches, as a matrix on the device where the tensors are.

The number in row r and column c of block k (:data:`ROWS` rows each) has the sign P[r, c] b[k, c]: P is one
pattern for all tensors, b is drawn for each. One sign for a whole row would be cheaper still, but the changes
of trained layers have rows that are alike (a batch of few directions, inputs that are all positive, widths
that divide the rows' length), and those it cannot tell apart: |d| of a matrix of rank one is then off by 60 %
(standard deviation, 1024 x 1024, 200 drawings), with this by 3.6 %, that of noise by 2.2 %.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from arc.history.weights import Weight
from arc.tensors import rank

COLUMNS: Final = 1024
"""Of a sketch. A tensor's norm is off by 1 / sqrt(2 COLUMNS), its cosine by at most 1 / sqrt(COLUMNS)
(standard deviations: 2.2 %, .031); those of a net by less, as the errors of its tensors are independent."""
ROWS: Final = 256
"""Of a block, and of the pattern: a megabyte, which stays in a CPU's cache."""
BLOCKS: Final = 32
"""Blocks that are folded at once on other devices than CPUs: 32 MB, so that few kernels are started. Not
measured on a GPU."""


class Folding:
    """Makes the matrix of sketches, and keeps the signs, which are fixed by a tensor's place.

    No matrix product is used: it may run in TF32 or under autocast, and the changes of a call are small
    beside the weights. Sums are float32 (float64 for such parameters).
    """

    def __init__(self) -> None:
        self._signs: dict[Hashable, Tensor] = {}
        self._pattern: Tensor | None = None
        self._positions: tuple[Hashable, Tensor] | None = None

    def matrix(self, weights: Sequence[Weight]) -> Tensor:
        """The sketches, float32 (tensors, COLUMNS), on the first tensor's device; nothing waits for it.

        Beside it there is memory for a copy of all small tensors, of one that is not contiguous, and for
        the blocks that are folded at once.
        """
        flats = [weight.values() for weight in weights]
        device = flats[0].device if flats else torch.device("cpu")
        matrix = torch.zeros((len(flats), COLUMNS), dtype=torch.float32, device=device)
        small = [(i, flat) for i, flat in enumerate(flats) if flat.numel() <= COLUMNS]
        if small:  # all of them in two kernels
            values = torch.cat([flat.to(device, torch.float32, non_blocking=True) for _, flat in small])
            matrix.view(-1)[self._places(tuple((i, flat.numel()) for i, flat in small), device)] = values
        for i, (weight, flat) in enumerate(zip(weights, flats, strict=True)):
            if flat.numel() > COLUMNS:
                matrix[i] = folded(flat, self._pattern_on(flat.device), self._signs_of(weight, flat))
        return matrix

    def forget(self, weights: Sequence[Weight]) -> None:
        """Drop the signs of all tensors but these."""
        used = {_key(weight) for weight in weights}
        self._signs = {key: signs for key, signs in self._signs.items() if key in used}

    def _places(self, small: tuple[tuple[int, int], ...], device: torch.device) -> Tensor:
        if self._positions is None or self._positions[0] != (small, device):
            positions = np.concatenate([i * COLUMNS + np.arange(length) for i, length in small])
            self._positions = (small, device), on_device(torch.from_numpy(positions), device)
        return self._positions[1]

    def _signs_of(self, weight: Weight, flat: Tensor) -> Tensor:
        key, blocks = _key(weight), -(-flat.numel() // (ROWS * COLUMNS))
        signs = self._signs.get(key)
        if signs is None or len(signs) != blocks or signs.device != flat.device:
            seed = [*weight.place, 1 + rank() if weight.shards > 1 else 0]
            signs = self._signs[key] = on_device(_drawn(seed, blocks), flat.device)
        return signs

    def _pattern_on(self, device: torch.device) -> Tensor:
        if self._pattern is None or self._pattern.device != device:
            self._pattern = on_device(_drawn([], ROWS).to(torch.float32), device)
        return self._pattern


def folded(values: Tensor, pattern: Tensor, signs: Tensor) -> Tensor:
    """The sums of a vector's columns with signs, (columns,).

    Args:
        values: more of them than columns.
        pattern: (rows, columns), of -1 and 1, for each block.
        signs: (blocks, columns), likewise; the last block may be shorter.
    """
    rows, columns = pattern.shape
    size = rows * columns
    full = len(values) // size * size
    at_once = size if values.device.type == "cpu" else size * BLOCKS
    parts = values[:full].split(at_once) if full else ()
    sums = [(part.view(-1, rows, columns) * pattern).sum(1) for part in parts]
    rest = values[full:]
    if len(rest):
        whole, over = divmod(len(rest), columns)
        last = (rest[: whole * columns].view(whole, columns) * pattern[:whole]).sum(0)
        if over:
            last[:over] += rest[whole * columns :] * pattern[whole, :over]
        sums.append(last[None])
    return (torch.cat(sums) * signs).sum(0)


def _drawn(seed: Sequence[int], rows: int) -> Tensor:
    """-1 and 1 at random, (rows, COLUMNS), int8 on the host; no global random state is asked or moved."""
    drawn = np.random.default_rng([*b"arc", *seed]).integers(0, 2, (rows, COLUMNS), dtype=np.int8)
    return torch.from_numpy(2 * drawn - 1)


def on_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A host tensor on a device, without waiting for the device."""
    return tensor.to(device, non_blocking=True)


def _key(weight: Weight) -> Hashable:
    return weight.place, weight.shards > 1
