"""A small training as people write them, with the places where a healthy one may look ill."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Batch = tuple[Tensor, Tensor]
ROWS, VAL_ROWS = 4096, 512
"""Training and validation examples of a problem: enough that a small net learns and does not overfit."""


@dataclass
class Problem:
    """Training and validation data, a loss for training, and what the model is worth in the end.

    Attributes:
        train, val: inputs and targets.
        loss: of outputs and targets, a scalar.
    """

    train: Batch
    val: Batch
    loss: Callable[[Tensor, Tensor], Tensor]


def regression(seed: int, *, noise: float = 0.1, rows: int = ROWS, val_rows: int = VAL_ROWS) -> Problem:
    """A smooth function of eight numbers, with Gaussian noise on the targets."""
    generator = torch.Generator().manual_seed(seed)
    teacher = torch.randn(8, 3, generator=generator) / 8**0.5

    def draw(count: int) -> Batch:
        x = torch.randn(count, 8, generator=generator)
        y = torch.sin(x @ teacher).sum(1, keepdim=True)
        return x, y + noise * torch.randn(count, 1, generator=generator)

    return Problem(draw(rows), draw(val_rows), F.mse_loss)


def classification(seed: int, *, wrong: float = 0.0, rows: int = ROWS, val_rows: int = VAL_ROWS) -> Problem:
    """Four classes of eight numbers; ``wrong`` is the share of training labels drawn at random."""
    generator = torch.Generator().manual_seed(seed)
    teacher = torch.randn(8, 4, generator=generator)

    def draw(count: int, share: float) -> Batch:
        x = torch.randn(count, 8, generator=generator)
        y = (x @ teacher + 2 * torch.sin(2 * x[:, :4])).argmax(1)
        random = torch.randint(0, 4, (count,), generator=generator)
        return x, torch.where(torch.rand(count, generator=generator) < share, random, y)

    return Problem(draw(rows, wrong), draw(val_rows, 0.0), F.cross_entropy)


def mlp(outputs: int = 1, *, width: int = 32, dropout: float = 0.0) -> nn.Sequential:
    """Two hidden layers on eight numbers."""
    drop = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(
        *(nn.Linear(8, width), nn.ReLU(), *drop, nn.Linear(width, width), nn.ReLU(), *drop),
        nn.Linear(width, outputs),
    )


@dataclass
class Training:
    """Everything that decides one run, but for the controller; every hook has a default.

    Attributes:
        problem: data and loss.
        model: what is trained.
        optimizer: its LR is a healthy one.
        epochs: calls of ``controller.step``.
        batch: examples of a micro-batch.
        accumulate: micro-batches of an optimizer step.
        weight: factor on the loss in an epoch, as a curriculum or a multi-task weight has.
        recorded: what is told to ``controller.record`` after a step: of the step's number in the run and the
            mean loss of its micro-batches; None tells nothing.
        shown: what is told to ``controller.step``: of the epoch and the validation loss.
        before_epoch, after_step: called with the epoch, and without anything.
        steps: micro-batches of an epoch, drawn at random; None: one pass over the data.
        step: replaces backward pass and optimizer step: of the loss; whether weights moved.
        loss: replaces the problem's loss, of model and batch and epoch.
        value: what the model is worth at the end, lower is better; the plain validation loss by default.
        settings: more settings of the controller.
    """

    problem: Problem
    model: nn.Module
    optimizer: torch.optim.Optimizer
    epochs: int = 30
    batch: int = 32
    accumulate: int = 1
    weight: Callable[[int], float] = lambda epoch: 1.0
    recorded: Callable[[int, float], float | None] = lambda step, loss: loss
    shown: Callable[[int, float], float | None] = lambda epoch, loss: loss
    before_epoch: Callable[[int], None] = lambda epoch: None
    after_step: Callable[[], None] = lambda: None
    steps: int | None = 8
    step: Callable[[Tensor], None] | None = None
    loss: Callable[[nn.Module, Batch, int], Tensor] | None = None
    value: Callable[[nn.Module], float] | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def batches(self, generator: torch.Generator) -> Iterable[Batch]:
        """The micro-batches of an epoch, in a random order."""
        x, y = self.problem.train
        if self.steps is None:
            order = torch.randperm(len(x), generator=generator).split(self.batch)
            return [(x[rows], y[rows]) for rows in order]
        picks = (torch.randint(len(x), (self.batch,), generator=generator) for _ in range(self.steps))
        return ((x[rows], y[rows]) for rows in picks)

    def validate(self) -> float:
        """The plain validation loss."""
        self.model.eval()
        with torch.no_grad():
            x, y = self.problem.val
            loss = float(self.problem.loss(self.model(x).float(), y))
        self.model.train()
        return loss

    def run(self, seed: int, controller: Any) -> float:
        """Train to the end under a controller (None: under none); what the model is worth then."""
        generator = torch.Generator().manual_seed(seed)
        count = 0
        for epoch in range(self.epochs):
            self.before_epoch(epoch)
            losses: list[float] = []
            for batch in self.batches(generator):
                loss = self._loss(batch, epoch)
                losses.append(float(loss.detach()))
                if self.step is not None:
                    self.step(loss)
                else:
                    (loss / self.accumulate).backward()
                    if len(losses) < self.accumulate:
                        continue
                    self.optimizer.step()
                    self.optimizer.zero_grad()
                self.after_step()
                told = self.recorded(count, sum(losses) / len(losses))
                if controller is not None and told is not None:
                    controller.record(told)
                losses = []
                count += 1
            val_loss = self.shown(epoch, self.validate())
            if controller is not None:
                controller.step(val_loss=val_loss)
        found = self.validate() if self.value is None else self.value(self.model)
        return found if math.isfinite(found) else math.inf

    def _loss(self, batch: Batch, epoch: int) -> Tensor:
        if self.loss is not None:
            return self.loss(self.model, batch, epoch)
        return self.weight(epoch) * self.problem.loss(self.model(batch[0]).float(), batch[1])
