"""Detection: losses that explode, a few objects among many empty places, scores that come late."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.harm.training import Batch, Training, kind
from tasks import registry
from tasks.base import Source, Splits
from tasks.loop import TaskRun

CALLS, STEPS = 16, 8
HELD_OUT = 48
"""Scenes that validate a call: all three are few, so that a run takes seconds."""
NOTHING: Batch = (torch.empty(0), torch.empty(0))


def _detector(task: str, optimizer: str, lr: float) -> Training:
    """A detection task of the project at an LR that is healthy for it; the run draws its own batches."""
    made = registry.get(task)
    train, val, test = made.load(Source())
    data = Splits(train, {name: column[:HELD_OUT] for name, column in val.items()}, test)
    run = TaskRun(made, data, optimizer=optimizer, lr=lr, seed=int(torch.randint(2**31, ())))

    def step(batch: Batch, call: int) -> Tensor:
        return torch.tensor(run.train(1)[0])

    return Training(
        model=run.model,
        optimizer=run.optimizer,
        batches=lambda call: [NOTHING] * STEPS,
        loss=step,
        update=step,
        calls=CALLS,
        final=lambda: run.evaluate(metric=False).loss,
    )


@kind
def detector_of_anchors() -> Training:
    """A RetinaNet at the best LR of its cosine: focal and box loss, SGD with momentum."""
    return _detector("dev_boxes", "momentum", 1e-2)


@kind
def detector_of_centres() -> Training:
    """A CenterNet at a good LR: heat maps and sides of boxes, Adam."""
    return _detector("digits_centernet", "adam", 3e-3)
