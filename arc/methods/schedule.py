"""Methods that follow a plan or the stream of losses: constant, torch's own schedulers, plateau."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from arc.methods.method import Method, State, require
from arc.methods.run import Run

SchedulerFactory = Callable[[torch.optim.Optimizer, int, int], Any]
"""``(optimizer, total steps, steps per epoch)`` to a scheduler of torch, or one that is used like it."""


@dataclass(kw_only=True)
class Constant(Method):
    """The LR that the optimizer came with."""

    state: State = field(default_factory=State, init=False, repr=False)

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train."""
        return run.train(steps)


@dataclass(kw_only=True)
class Schedule(Method):
    """One of torch's schedulers, one ``scheduler.step()`` per optimizer step or per epoch.

    The scheduler is not stepped after the last step of the run, where many set the LR to 0.

    Attributes:
        scheduler: called once, when the run begins or is resumed.
        per_epoch: step the scheduler at each epoch's end.
        watches: give the validation loss to ``scheduler.step`` (``ReduceLROnPlateau``); per epoch only.

    Example:
        >>> from torch.optim.lr_scheduler import CosineAnnealingLR
        >>> cosine = Schedule(scheduler=lambda optimizer, steps, _: CosineAnnealingLR(optimizer, steps))
    """

    scheduler: SchedulerFactory
    per_epoch: bool = False
    watches: bool = False
    state: State = field(default_factory=State, init=False, repr=False)

    def __post_init__(self) -> None:
        require(self.per_epoch or not self.watches, "watches", self.watches, "per_epoch=True with it")
        self._live: Any = None
        self._saved: dict[str, Any] | None = None

    def start(self, run: Run) -> None:
        """Build the scheduler at the optimizer's LR."""
        self._live = self.scheduler(run.optimizer, self.state.total_steps, run.steps_per_epoch)

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train, the scheduler stepping along."""
        scheduler = self._scheduler(run)
        if self.per_epoch:
            return run.train(steps)
        losses = run.train(1)
        if self.progress(run) < 1:
            scheduler.step()
        return losses

    def epoch_end(self, run: Run) -> None:
        """Step a scheduler that counts epochs; plateau rules see the validation loss."""
        if not self.per_epoch or self.progress(run) >= 1:
            return
        scheduler = self._scheduler(run)
        if self.watches:
            loss = run.validate()
            scheduler.step(loss if math.isfinite(loss) else math.inf)
        else:
            scheduler.step()

    def _scheduler(self, run: Run) -> Any:
        if self._live is None:  # resumed: building a scheduler changes the LR, so put it back
            groups = [{k: v for k, v in g.items() if k != "params"} for g in run.optimizer.param_groups]
            self.start(run)
            live: Any = self._live
            live.load_state_dict(copy.deepcopy(self._saved or {}))
            for group, values in zip(run.optimizer.param_groups, groups, strict=True):
                group.update(values)
        return self._live

    def state_dict(self) -> dict[str, Any]:
        """The scheduler's state and the run's length."""
        live = self._saved if self._live is None else _plain(self._live.state_dict())
        return {**super().state_dict(), "scheduler": copy.deepcopy(live)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`; the scheduler is built at the next step."""
        values = dict(state_dict)
        self._saved, self._live = values.pop("scheduler"), None
        super().load_state_dict(values)


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    """A scheduler's state without functions and nested schedulers' optimizers."""
    return {k: v for k, v in state.items() if not callable(v)}
