"""A run under a method, epoch by epoch, with what it was charged."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch

from arc import torch_private
from arc.methods.method import Method
from tasks.base import Task
from tasks.loop import Evaluation, TaskRun
from tasks.stream import Split

DEAD_EPOCHS = 2
"""A run whose parameters are not finite at the ends of so many epochs in a row is over. Not one: AutoLR
goes back at the end of a window, which may lie half an epoch beyond."""


class WatchedRun(TaskRun):
    """A TaskRun that knows what its validation costs, and does not measure the same state twice.

    It is trained by its task's recipe.

    Args:
        task: what is trained.
        epoch_steps: steps from one validation to the next, which methods take for an epoch; None: the
            recipe's. All others: as for :class:`~tasks.loop.TaskRun`.
    """

    def __init__(self, task: Task, *args: Any, epoch_steps: int | None = None, **settings: Any) -> None:
        recipe = replace(task.recipe, epoch_steps=epoch_steps or task.recipe.epoch_steps)
        super().__init__(task, *args, recipe=recipe, **settings)
        self._measured: tuple[object, Evaluation] | None = None
        self.trained_lr = self.lr
        """The LR of the last training step, a search's included."""
        self.validated = False
        """Whether the method has paid for the validation of the state as it stands."""

    def train(self, *args: Any, **settings: Any) -> list[float]:
        """As for a TaskRun."""
        self.validated = False
        losses = super().train(*args, **settings)
        self.trained_lr = self.lr
        return losses

    def restore(self, snapshot: dict[str, Any]) -> None:
        """As for a TaskRun."""
        self.validated = False
        super().restore(snapshot)

    def validate(self) -> float:
        """As for a TaskRun."""
        loss = super().validate()
        self.validated = True
        return loss

    def evaluate(self, split: Split = "val", *, metric: bool = True) -> Evaluation:
        """As for a TaskRun; at an epoch's end the metric comes along, for whoever asks next."""
        if split != "val":
            return super().evaluate(split, metric=metric)
        tensors = [*self.model.parameters(), *self.model.buffers()]
        state = (self.step_count, *map(torch_private.changes, tensors))
        if self._measured is None or self._measured[0] != state or (metric and self._measured[1][1] is None):
            at_end = self.step_count % self.steps_per_epoch == 0
            self._measured = state, super().evaluate(split, metric=metric or at_end)
        return self._measured[1]

    @property
    def finite(self) -> bool:
        """Whether all parameters are."""
        return all(bool(torch.isfinite(p).all()) for p in self.model.parameters())


class Epoch(NamedTuple):
    """What an epoch left behind.

    Attributes:
        number: from 1. A method that goes back ends an epoch more than once: the last one counts.
        lr: of its last step.
        train_loss: mean over its steps, undone ones included.
        val_loss, val_metric: NaN where the parameters are not finite.
        charged: forward passes so far (a backward pass counts as two): the method's, and one validation
            per epoch, which every run here has, whether its method looks at it or not.
    """

    number: int
    lr: float
    train_loss: float
    val_loss: float
    val_metric: float
    charged: int


@dataclass
class Followed:
    """What :func:`follow` remembers from one epoch to the next.

    Attributes:
        unpaid: forward passes of validations that the method did not ask for.
        last: the highest epoch so far.
        dead: epochs in a row after which the parameters were not finite.
    """

    unpaid: int = 0
    last: int = 0
    dead: int = 0


def follow(run: WatchedRun, method: Method, epochs: int, so_far: Followed | None = None) -> Iterator[Epoch]:
    """Let a method drive a run for some epochs; ends early where the weights are lost.

    ``so_far`` is kept up to date, and lets a resumed run go on from it.
    """
    memory = so_far or Followed()
    if memory.dead == DEAD_EPOCHS:
        return
    for losses in method.drive(run, epochs * run.steps_per_epoch):
        number = run.step_count // run.steps_per_epoch
        if number > memory.last:
            memory.unpaid += 0 if run.validated else run.validation_passes
            memory.last = number
        if number == 0:
            continue  # gone back to the beginning
        alive = run.finite
        memory.dead = 0 if alive else memory.dead + 1
        evaluation = run.evaluate("val") if alive else Evaluation(math.nan, math.nan)
        yield Epoch(
            number,
            run.trained_lr,
            sum(losses) / max(1, len(losses)),
            evaluation.loss,
            math.nan if evaluation.metric is None else evaluation.metric,
            run.cost.passes + memory.unpaid,
        )
        if memory.dead == DEAD_EPOCHS:
            return


def budget(run: WatchedRun, epochs: int) -> int:
    """What the constant LR is charged for so many epochs: every equal-cost view stops here."""
    return epochs * (3 * run.steps_per_epoch + run.validation_passes)
