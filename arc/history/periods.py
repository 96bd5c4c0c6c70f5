"""The rolling window of three periods that a decision looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arc.history.features import MAX_PERIODS, Period
from arc.history.losses import LossBuffer


@dataclass(frozen=True, kw_only=True)
class _Finished:
    """A finished period; its training losses are those of every ``stride``-th step, its LRs one a call."""

    period: Period
    stride: int

    def at(self, stride: int) -> Period:
        """The period with the losses of every ``stride``-th step, a multiple of its own stride."""
        if stride == self.stride:
            return self.period
        thinned = np.asarray(self.period.train_loss)[:: stride // self.stride]
        return Period(train_loss=thinned, val_loss=self.period.val_loss, lr=self.period.lr)


class History:
    """Losses and LRs of the period in progress and of up to three finished ones."""

    def __init__(self) -> None:
        self.losses = LossBuffer()
        self._val_loss: list[float] = []
        self._lr: list[float] = []
        self._finished: deque[_Finished] = deque(maxlen=MAX_PERIODS)

    def end_call(self, val_loss: float | None, lr: float) -> None:
        """Add what one call of ``step()`` brings: a validation loss, if any, and the LR in force."""
        if val_loss is not None:
            self._val_loss.append(val_loss)
        self._lr.append(lr)

    def end_period(self, train_loss: Sequence[float], stride: int) -> list[Period]:
        """Finish the period in progress; the window that ends with it, oldest first.

        Args:
            train_loss: of every ``stride``-th step of the period (of all ranks, where there are several).
            stride: a power of 2.
        """
        period = Period(train_loss=train_loss, val_loss=self._val_loss, lr=self._lr)
        self._finished.append(_Finished(period=period, stride=stride))
        self.drop_period()
        return self.window()

    def clear(self) -> None:
        """Forget everything."""
        self._finished.clear()
        self.drop_period()

    def drop_period(self) -> None:
        """Forget the period in progress."""
        self.losses.clear()
        self._val_loss, self._lr = [], []

    def window(self) -> list[Period]:
        """The finished periods. Their losses are thinned to one stride, so that a step keeps its weight."""
        stride = max((p.stride for p in self._finished), default=1)
        return [p.at(stride) for p in self._finished]

    @property
    def calls(self) -> int:
        """Calls of ``step()`` in the period in progress."""
        return len(self._lr)

    @property
    def window_calls(self) -> int:
        """Calls of ``step()`` that the window covers."""
        return sum(np.size(p.period.lr) for p in self._finished)

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "losses": self.losses.state_dict(),
            "val_loss": list(self._val_loss),
            "lr": list(self._lr),
            "finished": [
                {
                    "stride": p.stride,
                    "train_loss": np.asarray(p.period.train_loss).tolist(),
                    "val_loss": None if p.period.val_loss is None else np.asarray(p.period.val_loss).tolist(),
                    "lr": np.asarray(p.period.lr).tolist(),
                }
                for p in self._finished
            ],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.losses.load_state_dict(state["losses"])
        self._val_loss, self._lr = list(state["val_loss"]), list(state["lr"])
        self._finished.clear()
        for saved in state["finished"]:
            period = Period(train_loss=saved["train_loss"], val_loss=saved["val_loss"], lr=saved["lr"])
            self._finished.append(_Finished(period=period, stride=int(saved["stride"])))
