"""Going back: to the last good state, to the one before a raise, or to the start."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import nn

from arc.history.report import Report
from arc.recovery.copies import Copies
from arc.recovery.guards import AS_FAR, START_PERIODS
from arc.recovery.pulse import Pulse
from arc.settings import Settings


class FirstStart(NamedTuple):
    """What a second start is measured by."""

    low: float  # lowest training loss of the first start
    multiplier: float  # factor on the LR for the second


class Losses(NamedTuple):
    """Mean training loss and validation loss (None without one) of a call."""

    mean: float
    val_loss: float | None


class Recovery:
    """Keeps the states to go back to; does nothing unless ``rollback`` was asked for.

    Raises:
        ValueError: ``rollback`` without a model.
    """

    def __init__(self, model: nn.Module | None, optimizer: torch.optim.Optimizer, settings: Settings) -> None:
        self._snapshots: Copies | None = None
        self._start_calls = START_PERIODS * settings.period
        self._good_calls = 0
        self._before: Losses | None = None  # the call that ended in the last raise, while it is on trial
        self._first_start: FirstStart | None = None  # while the second one runs
        self._pulse = Pulse()
        if settings.rollback is False:
            return
        if not isinstance(model, nn.Module):
            raise ValueError(f"got model={model!r:.80} with rollback={settings.rollback!r}, need model=net")
        directory = None if settings.rollback is True else settings.rollback
        self._snapshots = Copies(optimizer, model, folder=directory, most=3)
        self._snapshots.take("initial")

    @property
    def in_start(self) -> bool:
        """Whether a loss that left the rails leads back to the initial state: in the first three periods."""
        return self._snapshots is not None and self._good_calls < self._start_calls

    @property
    def first_call(self) -> bool:
        """Whether no call since the initial state was good yet."""
        return self._snapshots is not None and self._good_calls == 0

    @property
    def in_second_start(self) -> bool:
        """Whether the call that ends now was a second start."""
        return self._first_start is not None

    def start_again(self, report: Report, multiplier: float) -> None:
        """Put the initial state back for one call; the present state stays to go back to.

        Args:
            report: of the first start.
            multiplier: factor on the LR for the second.
        """
        assert self._snapshots is not None
        self.keep(report.epoch)
        self._first_start = FirstStart(report.low, multiplier)
        self._snapshots.restore("initial")

    def end_second_start(self, report: Report, first_loss: float) -> float:
        """The factor on the LR with which the first start goes on, its state restored; 1 keeps the second.

        The second start is kept where its training loss fell from ``first_loss`` by at least
        :data:`arc.recovery.guards.AS_FAR` of what the first one fell.
        """
        first, self._first_start = self._first_start, None
        assert first is not None
        assert self._snapshots is not None
        if first_loss - report.low >= AS_FAR * (first_loss - first.low) and math.isfinite(report.mean):
            self._good_calls = 0
            self._pulse.restart()
            return 1.0
        self._snapshots.restore("good")
        return 1 / first.multiplier

    def moved(self) -> float:
        """How far the parameters are from the start, relative to their norm; NaN once it is over."""
        if self._snapshots is None or not self.in_start or "initial" not in self._snapshots.names:
            return math.nan
        moved = total = 0.0
        for _, now, then in self._snapshots.pairs("initial"):
            moved += float((now.detach().cpu().double() - then.double()).square().sum())
            total += float(then.double().square().sum())
        return float((moved / total) ** 0.5) if total else float("inf")

    def pulse(self, lr: float) -> float:
        """How alive the net is after a call at ``lr`` (:mod:`arc.recovery.pulse`); NaN if unknown."""
        if self._snapshots is None or self.in_second_start:
            return math.nan
        name = "initial" if self.first_call else "good"
        if name not in self._snapshots.names:
            return math.nan
        moved = {
            key: float(torch.linalg.vector_norm(now.detach().cpu().float() - then.float()))
            for key, now, then in self._snapshots.pairs(name)
            if now.requires_grad
        }
        return self._pulse.beat(moved, lr)

    def keep(self, call: int) -> None:
        """Remember the present state, at the end of a call, as good."""
        if self._snapshots is None:
            return
        self._snapshots.take("good", call=call)
        self._good_calls += 1

    def raised(self, report: Report) -> None:
        """The LR was raised after this call: its state, the last good one, stays to go back to."""
        if self._snapshots is not None:
            self._snapshots.keep_as("good", "before")
            self._before = Losses(report.mean, report.val_loss)

    def settle(self, report: Report, *, trouble: bool = False) -> bool:
        """End the trial of the last raise: whether it was wrong. Then the state before it is back.

        It was wrong where the mean training loss is higher than in the last call before it, and the
        validation loss too where both calls have one; and where ``trouble`` came of it.
        """
        before, self._before = self._before, None
        if before is None or self._snapshots is None:
            return False
        worse = report.mean > before.mean
        if report.val_loss is not None and before.val_loss is not None:
            worse = worse and report.val_loss > before.val_loss
        worse = worse or trouble
        if worse:
            self._snapshots.restore("before")
            self._snapshots.keep_as("before", "good")
        self._snapshots.drop("before")
        return worse

    def go_back(self, *, dead: bool = False) -> str:
        """Restore the initial state during the start or of a dead net, else the last good one.

        The LRs stay: what follows lowers them. Returns the state's name, "" where there is no copy.
        """
        self._before = None
        if self._snapshots is None:
            return ""
        self._snapshots.drop("before")
        name = "initial" if self.in_start or dead else "good"
        if name not in self._snapshots.names:  # resumed from a state without it
            return ""
        if name == "initial":
            self._good_calls = 0
            self._pulse.restart()
        self._snapshots.restore(name)
        return name

    def stop(self) -> None:
        """Give the copies up."""
        self._snapshots = None

    def state_dict(self) -> dict[str, Any]:
        """Plain types and tensors."""
        copies: dict[str, Any] = {} if self._snapshots is None else self._snapshots.state_dict()
        before = None if self._before is None else list(self._before)
        first_start = None if self._first_start is None else list(self._first_start)
        return {
            "good_calls": self._good_calls,
            "before": before,
            "first_start": first_start,
            "pulse": self._pulse.state_dict(),
            "copies": copies,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self._good_calls = int(state["good_calls"])
        self._before = None if state["before"] is None else Losses(*state["before"])
        first_start = state["first_start"]
        self._first_start = None if first_start is None else FirstStart(*first_start)
        self._pulse.load_state_dict(state["pulse"])
        if self._snapshots is not None:
            self._snapshots.load_state_dict(state["copies"])
