"""The rolling window of three periods that a decision looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from arc.features import MAX_PERIODS, Period
from arc.loss_buffer import LossBuffer


@dataclass(kw_only=True)
class _Stored:
    """A finished period: every ``stride``-th training loss, one LR for each call."""

    train_loss: list[float]
    stride: int
    val_loss: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)


class History:
    """Losses and LRs of the period in progress and of up to three finished ones."""

    def __init__(self) -> None:
        self.losses = LossBuffer()
        self._val_loss: list[float] = []
        self._lr: list[float] = []
        self._finished: deque[_Stored] = deque(maxlen=MAX_PERIODS)

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
        self._finished.append(
            _Stored(train_loss=list(train_loss), stride=stride, val_loss=self._val_loss, lr=self._lr)
        )
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
        return [
            Period(train_loss=p.train_loss[:: stride // p.stride], val_loss=p.val_loss or None, lr=p.lr)
            for p in self._finished
        ]

    @property
    def calls(self) -> int:
        """Calls of ``step()`` in the period in progress."""
        return len(self._lr)

    @property
    def window_calls(self) -> int:
        """Calls of ``step()`` that the window covers."""
        return sum(len(p.lr) for p in self._finished)

    def last_val_losses(self) -> list[float | None]:
        """The last validation loss of each finished period, oldest first; None where there was none."""
        return [p.val_loss[-1] if p.val_loss else None for p in self._finished]

    def state_dict(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "losses": self.losses.state_dict(),
            "val_loss": list(self._val_loss),
            "lr": list(self._lr),
            "finished": [asdict(p) for p in self._finished],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.losses.load_state_dict(state["losses"])
        self._val_loss, self._lr = list(state["val_loss"]), list(state["lr"])
        self._finished = deque((_Stored(**p) for p in state["finished"]), maxlen=MAX_PERIODS)
