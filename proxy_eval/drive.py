"""One training run under a controller, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from arc.controller import Controller
from tasks.loop import TaskRun


def drive(
    run: TaskRun, controller: Controller, epochs: int, tick: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """Train ``run`` for some epochs while the controller sets its LR; ``tick`` is called after each.

    Returns:
        One dictionary per epoch: ``epoch``, ``lr`` (in force during it), ``train_loss`` (mean),
        ``val_loss``, ``metric``, ``action`` (None between decisions). Ends early where the model's
        weights are lost to a non-finite loss: no LR brings them back.
    """
    trace = []
    for epoch in range(1, epochs + 1):
        lr = run.lr
        losses = run.train(run.steps_per_epoch)
        for loss in losses:
            controller.record(loss)
        evaluation = run.evaluate("val")
        decision = controller.step(val_loss=evaluation.loss)
        trace.append(
            {
                "epoch": epoch,
                "lr": lr,
                "train_loss": sum(losses) / len(losses),
                "val_loss": evaluation.loss,
                "metric": evaluation.metric,
                "action": decision.action.label if decision else None,
            }
        )
        tick()
        if not math.isfinite(evaluation.loss):
            break
    return trace
