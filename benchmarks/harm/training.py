"""A small training as the benchmark runs it, and the registry of its kinds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Batch, int], Tensor]


@dataclass(kw_only=True)
class Training:
    """One healthy training: everything but the controller.

    Attributes:
        model: what is trained.
        optimizer: of its parameters, at a healthy LR.
        batches: of a call of ``step()``, counted from 1.
        loss: of a batch in a call: what ``backward`` is called on.
        final: the validation loss of the model as it is; draws no random numbers.
        calls: calls of ``step()``.
        begin: runs before a call.
        update: one optimizer step; the loss to record, None where nothing was applied.
        recorded: what the controller is told of a loss, in a call; None where nothing is recorded.
        told: the validation loss that the controller is told after a call.
        schedulers: stepped once per call, and known to the controller.
        positive: whether zero is the loss's natural least value, so that a share of it means something.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batches: Callable[[int], Iterable[Batch]]
    loss: Loss
    final: Callable[[], float]
    calls: int = 24
    begin: Callable[[int], None] = lambda call: None
    update: Callable[[Batch, int], Any] | None = None
    recorded: Callable[[Any, int], Any] = lambda loss, call: loss
    told: Callable[[int], float | None] | None = None
    schedulers: list[Any] = field(default_factory=list)
    positive: bool = True

    def with_loss(self, loss: Callable[[Loss, Batch, int], Tensor]) -> Training:
        """This training with another loss: ``loss(plain, batch, call)``, ``plain`` being the one so far."""
        self.loss = functools.partial(loss, self.loss)
        return self

    def train(self, batch: Batch, call: int) -> Any:
        """One optimizer step: the loss to record, or None."""
        if self.update is not None:
            return self.update(batch, call)
        self.optimizer.zero_grad()
        loss = self.loss(batch, call)
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def validate(self, call: int) -> float | None:
        """What the controller is told after a call."""
        return self.final() if self.told is None else self.told(call)


Factory = Callable[[], Training]
KINDS: dict[str, Factory] = {}


def kind(factory: Factory) -> Factory:
    """Register a factory under its name; the global generator is seeded before it is called."""
    if factory.__name__ in KINDS:
        raise ValueError(f"got a second kind named {factory.__name__!r}, need another name")
    KINDS[factory.__name__] = factory
    return factory
