"""Where a run's weights have been: the start and the last calls, and what each new call changed."""

from __future__ import annotations

from typing import Any, Final, Self

import torch
from torch import Tensor

from arc.history.movement import Sums

COLUMNS: Final = len(Sums._fields)


class Trail:
    """Remembers a vector at the start and its last changes; gives the sums that tell how it moves.

    The vector holds the trained parameters, or sketches of them (:mod:`arc.history.sketch`), tensor after
    tensor. Nothing is read from a device before :func:`on_host`.

    Args:
        start: the vector before the first step.
        lengths: entries of each tensor, int64, on the same device.
    """

    def __init__(self, start: Tensor, lengths: Tensor) -> None:
        self._lengths = lengths
        self._start = self._last = start
        self._changes: list[Tensor] = []  # d_{k-1}, d_{k-2}

    def fork(self) -> Self:
        """One more trail with the same past; its tensors are replaced, never changed."""
        other = type(self)(self._start, self._lengths)
        other._last, other._changes = self._last, self._changes
        return other

    def after(self, now: Tensor) -> Tensor:
        """Add what a call brought; the sums of :class:`~arc.history.movement.Sums`, (columns, tensors)."""
        change, away = now - self._last, now - self._start
        pairs: list[tuple[Tensor, Tensor] | None] = [(change, change)]
        pairs += [(c, c) for c in self._changes] + [None] * (2 - len(self._changes))
        pairs += [(change, c) for c in self._changes] + [None] * (2 - len(self._changes))
        pairs += [(away, away), (now, now), (self._start, self._start)]
        self._last, self._changes = now, [change, *self._changes[:1]]
        nothing = change.new_full((len(self._lengths),), torch.nan)
        return torch.stack([nothing if pair is None else self._sums(*pair) for pair in pairs])

    def jumped(self, now: Tensor) -> None:
        """The vector was set to ``now`` from outside (a state was restored): no call changed it."""
        self._last, self._changes = now, []

    def _sums(self, a: Tensor, b: Tensor) -> Tensor:
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
        """Go on from :meth:`state_dict`, on this trail's device.

        Raises:
            ValueError: of a vector of another length.
        """
        if state["last"].shape != self._last.shape:
            raise ValueError(f"got a trail of {len(state['last'])} entries, need {len(self._last)}")
        where = {"device": self._start.device, "dtype": self._start.dtype}
        self._start, self._last = state["start"].to(**where), state["last"].to(**where)
        self._changes = [change.to(**where) for change in state["changes"]]


def on_host(sums: Tensor) -> Sums:
    """The sums as NumPy arrays: the one transfer of a call."""
    return Sums(*sums.double().cpu().numpy())
