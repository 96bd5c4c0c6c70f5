"""The three branches of a trial: one checkpoint, continued at three LRs.

Two ways. In both every branch has its own optimizer, order of the data and augmentation, seeded alike, and
one that diverges stops with NaN as its last validation loss. Their rows differ all the same: sums are ordered
differently, and dropout draws from other streams.

- ``sequential``: one after the other, each as if it were alone.
- ``together``: all three a step at a time (:mod:`tasks.together`), for tasks that say so (``Task.together``);
  it takes less of a CPU (docs/speed.md). Of the training losses only the mean is known, so a branch has
  diverged where its validation loss is not finite, and its training losses are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from arc.actions import Action
from arc.history.movement import Movement
from data_gen.movement import Tracker
from tasks.base import Task
from tasks.loop import TaskRun
from tasks.together import Together

MODES = ("auto", "sequential", "together")
"""Values of ``branches`` in ``configs/data_gen.yaml``."""


def mode(asked: str, task: Task, scale: str) -> str:
    """How a trial's branches are trained: ``sequential`` or ``together``.

    One by one where the task cannot do otherwise; ``auto`` also where the networks are large, which have
    less overhead to share and need the memory of one.
    """
    small = asked == "together" or (asked == "auto" and scale == "mini")
    return "together" if small and task.together else "sequential"


@dataclass
class Trajectory:
    """What was seen of a stretch of training.

    Attributes:
        train_loss: per step.
        val_loss: per epoch; the last one is NaN where the stretch diverged.
        val_metric: per epoch, where it was asked for.
        train_mean: mean training loss per epoch.
        moved: per epoch that ended finite.
    """

    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_metric: list[float] = field(default_factory=list)
    train_mean: list[float] = field(default_factory=list)
    moved: list[Movement] = field(default_factory=list)


Start = Callable[[TaskRun, Action], None]
"""Puts a run at the beginning of a branch."""


def sequential(run: TaskRun, start: Start, epochs: int, past: Tracker) -> dict[Action, Trajectory]:
    """Each branch; ``run`` takes one after the other, and ``past`` is the weights' way so far."""
    branches = {}
    for action in Action:
        start(run, action)
        branches[action] = train(run, epochs, past.fork(), metric=False)
    return branches


def together(group: Together, start: Start, epochs: int, past: Tracker) -> dict[Action, Trajectory]:
    """Each branch; the runs of ``group`` are the branches, in Action's order."""
    runs = dict(zip(Action, group.runs, strict=True))
    for action, run in runs.items():
        start(run, action)
    branches = {action: Trajectory() for action in Action}
    trackers = {action: past.fork() for action in Action}
    alive = set(Action)
    for _ in range(epochs):
        group.train(group.runs[0].steps_per_epoch)
        for action in sorted(alive):
            loss = runs[action].evaluate("val", metric=False).loss
            branch = branches[action]
            branch.train_mean.append(math.nan)
            branch.val_loss.append(loss if math.isfinite(loss) else math.nan)
            if math.isfinite(loss):
                branch.moved.append(trackers[action].after(runs[action]))
        alive = {action for action in alive if math.isfinite(branches[action].val_loss[-1])}
        if not alive:
            break
    return branches


def train(run: TaskRun, epochs: int, tracker: Tracker, *, metric: bool) -> Trajectory:
    """Train for some epochs; stops at the first that is not finite, with NaN as its validation loss."""
    seen = Trajectory()
    for _ in range(epochs):
        losses = run.train(run.steps_per_epoch)
        seen.train_loss += losses
        seen.train_mean.append(sum(losses) / len(losses))
        evaluation = run.evaluate("val", metric=metric) if all(map(math.isfinite, losses)) else None
        if evaluation is None or not math.isfinite(evaluation.loss):
            seen.val_loss.append(math.nan)
            if metric:
                seen.val_metric.append(math.nan)
            break
        seen.val_loss.append(evaluation.loss)
        seen.moved.append(tracker.after(run))
        if evaluation.metric is not None:
            seen.val_metric.append(evaluation.metric)
    return seen


# -- roll-outs: how a run would end ----------------------------------------------------------------
# The branches tell what is best for the next period; with noise, lower always looks better soon. A roll-out
# tells which LR is best for all that is left.

FACTORS: Final = (0.1, 10**-0.5, 1.0, 10**0.5, 10.0)
"""Of the trunk's LR: five LRs over two decades."""
ANNEAL: Final = 0.3
"""Share of the epochs that are left over which the LR falls linearly towards 0."""


def finish(run: TaskRun, epochs: int) -> float:
    """Train ``epochs`` more at the LR that is set, annealed at the end; the last validation loss.

    Returns:
        NaN where the training diverged.
    """
    lr = run.lr
    falling = max(1, round(ANNEAL * epochs))
    for left in range(epochs, 0, -1):
        run.set_lr(lr * min(1.0, left / (falling + 1)))
        if not all(map(math.isfinite, run.train(run.steps_per_epoch))):
            return math.nan
    loss = run.evaluate("val", metric=False).loss
    return loss if math.isfinite(loss) else math.nan
