"""What the methods of the literature need of a training run, and how its use is charged."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch import nn


@dataclass
class Cost:
    """What a run used: every forward and backward pass, step, snapshot and second counts.

    Attributes:
        forwards: forward passes of one batch each.
        backwards: backward passes of one batch each.
        steps: optimizer steps, those of a search included.
        snapshots: checkpoints taken.
        snapshot_bytes: bytes copied into them.
        seconds: wall time spent in the charged calls.
    """

    forwards: int = 0
    backwards: int = 0
    steps: int = 0
    snapshots: int = 0
    snapshot_bytes: int = 0
    seconds: float = 0.0

    def add(self, **amounts: float) -> None:
        """Add to some of the counters."""
        for name, amount in amounts.items():
            setattr(self, name, getattr(self, name) + amount)

    def as_dict(self) -> dict[str, float]:
        """The counters by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


class Run(Protocol):
    """A training in flight that a method may drive; the zoo's ``TaskRun`` is one.

    ``train`` moves the run forward on its next batches; ``validate`` measures it; ``snapshot`` and
    ``restore`` go back to an earlier state, random states and data position included.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    cost: Cost
    step_count: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one pass over the training data."""
        ...

    def train(self, steps: int) -> list[float]:
        """Take optimizer steps at the optimizer's LR; the training loss of each."""
        ...

    def validate(self) -> float:
        """The validation loss."""
        ...

    def snapshot(self) -> Any:
        """A checkpoint of everything that decides the continuation."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Continue from a checkpoint, which stays valid."""
        ...
