"""The three branches of a trial: one checkpoint, continued at three LRs.

Two ways. In both every branch has its own optimizer, order of the data and augmentation, seeded alike, and
one that diverges stops with NaN as its last validation loss. Their rows differ all the same: sums are ordered
differently, and dropout draws from other streams.

- ``sequential``: one after the other, each as if it were alone.
- ``together``: all three a step at a time (:mod:`tasks.together`), for tasks that say so (``Task.together``);
  it takes less of a CPU (docs/speed.md). Of the training losses only the mean is known, so a branch has
  diverged where its validation loss is not finite.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from arc.actions import Action
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


Start = Callable[[TaskRun, Action], None]
"""Puts a run at the beginning of a branch."""


def sequential(run: TaskRun, start: Start, epochs: int) -> dict[Action, list[float]]:
    """Each branch's validation loss per epoch; ``run`` takes one after the other."""
    losses = {}
    for action in Action:
        start(run, action)
        losses[action] = train(run, epochs, metric=False)[1]
    return losses


def together(group: Together, start: Start, epochs: int) -> dict[Action, list[float]]:
    """Each branch's validation loss per epoch; the runs of ``group`` are the branches, in Action's order."""
    runs = dict(zip(Action, group.runs, strict=True))
    for action, run in runs.items():
        start(run, action)
    losses: dict[Action, list[float]] = {action: [] for action in Action}
    alive = set(Action)
    for _ in range(epochs):
        group.train(group.runs[0].steps_per_epoch)
        for action in sorted(alive):
            loss = runs[action].evaluate("val", metric=False).loss
            losses[action].append(loss if math.isfinite(loss) else math.nan)
        alive = {action for action in alive if math.isfinite(losses[action][-1])}
        if not alive:
            break
    return losses


def train(run: TaskRun, epochs: int, *, metric: bool) -> tuple[list[float], list[float], list[float]]:
    """Train for some epochs: training loss per step, validation loss and metric per epoch.

    Stops at the first epoch that is not finite, with NaN as its validation loss.
    """
    train_loss: list[float] = []
    val_loss: list[float] = []
    val_metric: list[float] = []
    for _ in range(epochs):
        losses = run.train(run.steps_per_epoch)
        train_loss += losses
        evaluation = run.evaluate("val", metric=metric) if all(map(math.isfinite, losses)) else None
        if evaluation is None or not math.isfinite(evaluation.loss):
            return train_loss, [*val_loss, math.nan], [*val_metric, math.nan] if metric else []
        val_loss.append(evaluation.loss)
        if evaluation.metric is not None:
            val_metric.append(evaluation.metric)
    return train_loss, val_loss, val_metric
