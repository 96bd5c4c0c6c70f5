"""What a call changed, parameter tensor by parameter tensor: what a :class:`Movement` is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from arc.history.movement import NO_QUANTILES, QUANTILES, Movement, Quantiles

TENSORS: Final = 128
"""Parameter tensors that :meth:`Sums.packed` has room for."""

Array = npt.NDArray[np.float64]


class Sums(NamedTuple):
    """What a call tells tensor by tensor: arrays of float64, one value for each parameter tensor.

    Attributes:
        change: |d_k|^2.
        before, before2: |d_{k-1}|^2 and |d_{k-2}|^2; NaN where there is none.
        product, product2: <d_k, d_{k-1}> and <d_k, d_{k-2}>; NaN likewise.
        away: |theta_k - theta_0|^2.
        now, start: |theta_k|^2 and |theta_0|^2.
    """

    change: Array
    before: Array
    before2: Array
    product: Array
    product2: Array
    away: Array
    now: Array
    start: Array

    def movement(self) -> Movement:
        """Of the tensors that moved; one that stood still (frozen, without a gradient) says nothing.

        A sum that is not finite, as of weights that are not, makes the norms NaN.
        """
        moved = ~(self.change == 0)
        one = Sums(*(values[moved] for values in self))
        step = np.sqrt(one.change)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            cosine = one.product / np.sqrt(one.change * one.before)
            relative = np.log10(step / np.sqrt(one.start))
        return Movement(
            step=_norm(one.change),
            norm=_norm(self.now),
            start=_norm(self.start),
            distance=_norm(self.away),
            cosine=_cosine(one.product, one.change, one.before),
            cosine2=_cosine(one.product2, one.change, one.before2),
            tensor_cosine=_quantiles(cosine),
            tensor_step=_quantiles(relative),
        )

    def packed(self) -> list[float]:
        """A row of :data:`PACKED` numbers, whatever the number of tensors, for a collective over ranks.

        Of more than :data:`TENSORS` tensors neighbours are added up.
        """
        parts = np.array_split(np.arange(len(self.change)), TENSORS)  # of fewer tensors the last are empty
        return [float(values[part].sum()) for values in self for part in parts]

    @classmethod
    def mean(cls, rows: Sequence[Sequence[float]]) -> Sums:
        """The sums of all ranks, from the row that each has packed: their mean.

        A NaN of one rank is one of all: where one cannot tell, nobody can.
        """
        return cls(*np.mean(np.asarray(rows, dtype=np.float64), axis=0).reshape(-1, TENSORS))


def _norm(squares: Array) -> float:
    return math.sqrt(max(float(squares.sum()), 0.0)) if np.isfinite(squares).all() else math.nan


def _cosine(products: Array, squares: Array, others: Array) -> float:
    """Over the tensors that moved in both calls."""
    both = np.isfinite(products) & (others > 0)
    length = math.sqrt(float(squares[both].sum()) * float(others[both].sum())) if both.any() else 0.0
    return float(np.clip(products[both].sum() / length, -1.0, 1.0)) if 0 < length < math.inf else math.nan


def _quantiles(values: Array) -> Quantiles:
    finite = np.sort(values[np.isfinite(values)])
    if not len(finite):
        return NO_QUANTILES
    places = np.array(QUANTILES) * (len(finite) - 1)  # np.quantile takes sixteen times as long
    a, b, c, d, e = np.interp(places, np.arange(len(finite)), finite).tolist()
    return a, b, c, d, e


PACKED: Final = len(Sums._fields) * TENSORS
"""Numbers of :meth:`Sums.packed`: 8 kB."""
