"""The exact movement of a run's weights, for the trials; a live controller has sketches of them instead."""

from __future__ import annotations

import copy
import math
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from arc.history.movement import NO_QUANTILES, QUANTILES, Movement, Quantiles
from tasks.loop import TaskRun

Sums = npt.NDArray[np.float64]
"""One value for each parameter tensor."""


class Tracker:
    """Remembers where a run's trained parameters were: at the start and after the last calls.

    Args:
        run: before its first step.

    Attributes:
        start: norm of the parameters then.
    """

    def __init__(self, run: TaskRun) -> None:
        self._lengths = torch.tensor([p.numel() for p in run.model.parameters() if p.requires_grad])
        self._start = self._last = _flat(run)
        self._changes: list[Tensor] = []  # d_{k-1}, d_{k-2}
        self._start_squares = self._sums(self._start, self._start)
        self.start = math.sqrt(self._start_squares.sum())

    def fork(self) -> Self:
        """One more tracker with the same past, for a run that goes on from the same state."""
        return copy.copy(self)  # its tensors and lists are replaced, never changed

    def after(self, run: TaskRun) -> Movement:
        """What the call that ends now did to the weights, as exact sums in float64."""
        now = _flat(run)
        change, away = now - self._last, now - self._start
        squares = self._sums(change, change)
        cosines = [self._cosines(change, squares, before) for before in self._changes]
        self._last, self._changes = now, [change, *self._changes[:1]]
        steps = np.sqrt(squares)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.log10(steps / np.sqrt(self._start_squares))
        return Movement(
            step=math.sqrt(squares.sum()),
            norm=float(now.norm()),
            start=self.start,
            distance=float(away.norm()),
            cosine=cosines[0][0] if cosines else math.nan,
            cosine2=cosines[1][0] if len(cosines) > 1 else math.nan,
            tensor_cosine=_quantiles(cosines[0][1]) if cosines else NO_QUANTILES,
            tensor_step=_quantiles(relative),
        )

    def _cosines(self, change: Tensor, squares: Sums, before: Tensor) -> tuple[float, Sums]:
        """Of two changes: of the whole vectors, and tensor by tensor."""
        products, others = self._sums(change, before), self._sums(before, before)
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = products.sum() / math.sqrt(squares.sum() * others.sum() or math.nan)
            return float(whole), products / np.sqrt(squares * others)

    def _sums(self, a: Tensor, b: Tensor) -> Sums:
        found: Sums = torch.segment_reduce(a * b, "sum", lengths=self._lengths).numpy()
        return found


def _flat(run: TaskRun) -> Tensor:
    parameters = [p.detach().flatten() for p in run.model.parameters() if p.requires_grad]
    return torch.cat(parameters).to("cpu", torch.float64)


def _quantiles(values: Sums) -> Quantiles:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return NO_QUANTILES
    a, b, c, d, e = np.quantile(finite, QUANTILES).tolist()
    return a, b, c, d, e
