"""How the weights move: what a call of ``step()`` changed, and the numbers that tell how far the LR is off.

theta_k are all trained parameters as one vector after call k, theta_0 those at the start, and
d_k = theta_k - theta_{k-1} is what call k changed. With an LR that is far too low the calls keep their
direction; with one that is too high they turn back on each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

QUANTILES: Final = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Of the parameter tensors of a net: which of them a :class:`Movement` holds."""
WINDOW: Final = 3
"""Most calls that :func:`numbers` looks at."""

TENSORS: Final = 128
"""Parameter tensors that :meth:`Sums.packed` has room for."""

Array = npt.NDArray[np.float64]
Quantiles = tuple[float, float, float, float, float]
NO_QUANTILES: Final[Quantiles] = (math.nan,) * 5


@dataclass(frozen=True, kw_only=True)
class Movement:
    """What one call of ``step()`` did to the trained parameters; all norms are Euclidean, in their unit.

    Attributes:
        step: |d_k|.
        norm: |theta_k|.
        start: |theta_0|.
        distance: |theta_k - theta_0|.
        cosine: of d_k and d_{k-1}; NaN where one of them is missing or 0.
        cosine2: of d_k and d_{k-2}; NaN likewise.
        tensor_cosine: quantiles (:data:`QUANTILES`) over the parameter tensors of their own ``cosine``;
            tensors that did not move are left out, NaN where none is left.
        tensor_step: the same of log10(|d_k| / |theta_0|), tensors that are 0 at the start left out.
    """

    step: float
    norm: float
    start: float
    distance: float
    cosine: float = math.nan
    cosine2: float = math.nan
    tensor_cosine: Quantiles = NO_QUANTILES
    tensor_step: Quantiles = NO_QUANTILES

    @property
    def finite(self) -> bool:
        """Whether the weights are."""
        return math.isfinite(self.norm)

    @property
    def shift(self) -> float:
        """|d_k| / |theta_0|, the median over the parameter tensors; NaN where none moved."""
        return 10 ** self.tensor_step[2]

    def packed(self) -> list[float]:
        """The :data:`FLOATS` numbers in a row, for a collective; :meth:`unpacked` reads them."""
        scalars = [self.step, self.norm, self.start, self.distance, self.cosine, self.cosine2]
        return [*scalars, *self.tensor_cosine, *self.tensor_step]

    @classmethod
    def unpacked(cls, row: Sequence[float]) -> Movement:
        """What :meth:`packed` made a row of."""
        step, norm, start, distance, cosine, cosine2, *quantiles = map(float, row)
        a, b, c, d, e, f, g, h, i, j = quantiles
        return cls(
            step=step,
            norm=norm,
            start=start,
            distance=distance,
            cosine=cosine,
            cosine2=cosine2,
            tensor_cosine=(a, b, c, d, e),
            tensor_step=(f, g, h, i, j),
        )


FLOATS: Final = 16
"""Numbers of a :meth:`Movement.packed`."""


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
    finite = values[np.isfinite(values)]
    if not len(finite):
        return NO_QUANTILES
    a, b, c, d, e = np.quantile(finite, QUANTILES).tolist()
    return a, b, c, d, e


PACKED: Final = len(Sums._fields) * TENSORS
"""Numbers of :meth:`Sums.packed`: 8 kB."""


class Numbers(NamedTuple):
    """The five numbers of a window of calls at one LR; NaN where a number cannot be told.

    Attributes:
        cos: cosine of the last two calls' changes. Near 1: the LR is far too low. Around 0.25 to 0.5 near
            the best LR early in a training; below 0.1 too high, or late.
        eff: |sum of the window's changes| / sum of their norms, in [0, 1].
        rel: log10(|d_k| / |theta_0|).
        dist: log10(|theta_k - theta_0| / |theta_0|).
        grow: log10(|d_k| / |d_{k-1}|).
    """

    cos: float
    eff: float
    rel: float
    dist: float
    grow: float


def numbers(window: Sequence[Movement]) -> Numbers:
    """The five numbers of up to :data:`WINDOW` calls, oldest first; more are cut to the last ones.

    Raises:
        ValueError: an empty window.

    Example:
        >>> a = Movement(step=1.0, norm=10.0, start=10.0, distance=1.0)
        >>> b = Movement(step=1.0, norm=10.0, start=10.0, distance=2.0, cosine=1.0)
        >>> numbers([a, b])
        Numbers(cos=1.0, eff=1.0, rel=-1.0, dist=-0.6989700043360187, grow=0.0)
    """
    if not window:
        raise ValueError("got an empty window, need the movement of at least one call")
    calls = list(window)[-WINDOW:]
    last = calls[-1]
    before = calls[-2] if len(calls) > 1 else None
    return Numbers(
        cos=last.cosine if before else math.nan,
        eff=_efficiency(calls),
        rel=_log_ratio(last.step, last.start),
        dist=_log_ratio(last.distance, last.start),
        grow=_log_ratio(last.step, before.step) if before else math.nan,
    )


def _efficiency(calls: list[Movement]) -> float:
    """From the norms and the cosines between the changes of up to three calls."""
    path = sum(call.step for call in calls)
    if len(calls) < 2 or not 0 < path < math.inf:
        return math.nan
    squared = sum(call.step**2 for call in calls)
    for lag, name in ((1, "cosine"), (2, "cosine2")):
        for earlier, later in zip(calls, calls[lag:], strict=False):
            product = earlier.step * later.step
            squared += 2 * product * getattr(later, name) if product else 0.0
    return math.sqrt(max(squared, 0.0)) / path


def _log_ratio(numerator: float, denominator: float) -> float:
    """log10 of a ratio of norms; NaN where it has none."""
    positive = 0 < numerator < math.inf and 0 < denominator < math.inf
    return math.log10(numerator / denominator) if positive else math.nan
