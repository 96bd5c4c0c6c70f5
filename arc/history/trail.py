"""Where a run's weights have been: the start and the last calls, and what each new call changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Self

import torch
from torch import Tensor

from arc.history.sums import Sums

COLUMNS: Final = len(Sums._fields)


class Trail:
    """Remembers the weights at the start and their last changes; gives the sums that tell how they move.

    Nothing is read from a device before :func:`on_host`.

    Args:
        start: the weights before the first step: a matrix with a row for each tensor (its sketch), or a
            vector with one tensor after the other.
        lengths: entries of each tensor of a vector, int64, on the same device.
    """

    def __init__(self, start: Tensor, lengths: Tensor | None = None) -> None:
        self._lengths = lengths
        self._start = self._last = start
        self._changes: list[Tensor] = []  # d_{k-1}, d_{k-2}

    @property
    def last(self) -> Tensor:
        """The weights after the last call."""
        return self._last

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self._last.device

    def fork(self) -> Self:
        """One more trail with the same past; its tensors are replaced, never changed."""
        other = type(self)(self._start, self._lengths)
        other._last, other._changes = self._last, self._changes
        return other

    def after(self, now: Tensor) -> Tensor:
        """Add what a call brought; the sums of :class:`~arc.history.sums.Sums`, (columns, tensors)."""
        change, away = now - self._last, now - self._start
        nothing = torch.full_like(change, torch.nan)
        one, two = [*self._changes, nothing, nothing][:2]
        pairs = [(change, change), (one, one), (two, two), (change, one), (change, two)]
        pairs += [(away, away), (now, now), (self._start, self._start)]
        self._last, self._changes = now, [change, *self._changes[:1]]
        return torch.stack([self._sums(a, b) for a, b in pairs])

    def jumped(self, now: Tensor) -> None:
        """The weights were set to ``now`` from outside (a state was restored): no call changed them."""
        self._last, self._changes = now, []

    def follow(self, rows: Sequence[int | None], now: Tensor) -> None:
        """From here on the matrix has other rows, and may be on another device.

        Args:
            rows: for each new row the old one that it goes on from; None where it begins.
            now: the new rows at present. What begins has its start there, and no changes: NaN.
        """
        if not any(row is not None for row in rows):
            self._start = self._last = now
            self._changes = []
            return
        order = torch.tensor([row or 0 for row in rows], device="cpu").to(now.device, non_blocking=True)
        known = torch.tensor([[row is not None] for row in rows], device="cpu")
        known = known.to(now.device, non_blocking=True)

        def arranged(old: Tensor, new: Tensor) -> Tensor:
            return torch.where(known, old.to(now.device)[order], new)

        nothing = torch.full_like(now, torch.nan)
        self._start, self._last = arranged(self._start, now), arranged(self._last, now)
        self._changes = [arranged(change, nothing) for change in self._changes]

    def _sums(self, a: Tensor, b: Tensor) -> Tensor:
        if self._lengths is None:
            return (a * b).sum(1)
        found: Tensor = torch.segment_reduce(a * b, "sum", lengths=self._lengths)
        return found

    def state_dict(self) -> dict[str, Any]:
        """Tensors, on the host."""
        return {
            "start": self._start.cpu(),
            "last": self._last.cpu(),
            "changes": [change.cpu() for change in self._changes],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`, on this trail's device and in its precision."""
        where = {"device": self._start.device, "dtype": self._start.dtype}
        self._start, self._last = state["start"].to(**where), state["last"].to(**where)
        self._changes = [change.to(**where) for change in state["changes"]]


def on_host(sums: Tensor) -> Sums:
    """The sums as NumPy arrays: the one transfer of a call."""
    return Sums(*sums.cpu().double().numpy())
