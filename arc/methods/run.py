"""What the methods of the literature need of a training run, and how its use is charged.

Two kinds of method exist: some follow the stream of losses (schedules, ARC, AutoDrop), some take
control of the run (AutoLR, AutoLRS, step sampling, line search). Both see the same narrow
:class:`Run`; the zoo's ``TaskRun`` and the adapter for a loop of one's own
(:class:`arc.methods.torch_run.TorchRun`) are two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from arc.methods import random_state
from arc.optimizers import learning_rates


@dataclass
class Cost:
    """What a run used: every forward and backward pass, step, snapshot and second counts.

    Attributes:
        forwards: forward passes of one batch each.
        backwards: backward passes of one batch each.
        steps: optimizer steps, those of a search included.
        snapshots: checkpoints taken.
        snapshot_bytes: bytes copied into them, and into copies of the parameters.
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

    @property
    def passes(self) -> int:
        """The work in forward passes; a backward pass counts as two (AutoLR, appendix C)."""
        return self.forwards + 2 * self.backwards

    def __sub__(self, earlier: Cost) -> Cost:
        return Cost(**{k: v - getattr(earlier, k) for k, v in self.as_dict().items()})


class Closure:
    """The training loss on the current batch, as often as a stepping rule asks.

    Every call sees the same random draws (dropout masks). The first one alone moves the random
    state and the buffers (BatchNorm's statistics): trials leave no trace.
    """

    def __init__(self, model: nn.Module, compute: Callable[[], Tensor], cost: Cost) -> None:
        self._model = model
        self._compute = compute
        self._cost = cost
        self._before: random_state.State | None = None

    def loss(self) -> float:
        """The loss at the parameters as they are; one forward pass."""
        with torch.no_grad():
            return self._call().item()

    def backward(self) -> float:
        """The loss, and fresh gradients in the parameters; one forward and one backward pass."""
        self._model.zero_grad(set_to_none=True)
        loss = self._call()
        loss.backward()
        self._cost.add(backwards=1)
        return loss.item()

    def _call(self) -> Tensor:
        self._cost.add(forwards=1)
        if self._before is None:
            self._before = random_state.capture()
            return self._compute()
        after = random_state.capture()
        random_state.restore(self._before)
        with kept_buffers(self._model):
            loss = self._compute()
        random_state.restore(after)
        return loss


Step = Callable[[Closure], float]
"""A stepping rule in place of ``optimizer.step()``: changes the parameters, returns the batch's loss."""


class Run(Protocol):
    """A training in flight that a method may drive. Every call is charged to ``cost``.

    A method changes the LR through :func:`set_lr` and may write to the model's parameters.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    cost: Cost
    step_count: int
    """Steps behind the run as it stands; ``restore`` takes it back, unlike ``cost.steps``."""

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one pass over the training data."""
        ...

    def train(self, steps: int, step: Step | None = None) -> list[float]:
        """Take optimizer steps on the next batches at the optimizer's LR; the training loss of each.

        ``step`` replaces the optimizer's own step.
        """
        ...

    def validate(self) -> float:
        """The validation loss; changes nothing of the run."""
        ...

    def sample(self, count: int, seed: int) -> Sequence[Any]:
        """``count`` training batches that ``seed`` decides; the order of training stays as it is."""
        ...

    def loss(self, batches: Iterable[Any], *, update_statistics: bool = False) -> float:
        """The mean training loss (training mode, no gradient) on batches of :meth:`sample`.

        The same random draws in every call, and nothing of the run changes; with
        ``update_statistics`` BatchNorm's running statistics do.
        """
        ...

    def snapshot(self) -> Any:
        """A checkpoint of everything that decides the continuation."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Continue from a checkpoint, which stays valid."""
        ...


def get_lr(optimizer: torch.optim.Optimizer) -> float:
    """The LR of the first parameter group, the one that methods speak of."""
    return float(optimizer.param_groups[0]["lr"])


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the first group's LR; the other groups keep their ratios to it. Tensors are filled in place.

    Raises:
        ValueError: an LR that is not positive and finite, now or before.
    """
    before = get_lr(optimizer)
    for value in (lr, before):
        if not 0 < value < float("inf"):
            raise ValueError(f"got lr={value}, need a positive, finite LR in the first parameter group")
    groups = optimizer.param_groups
    learning_rates.write(groups, [lr, *(float(group["lr"]) * (lr / before) for group in groups[1:])])


@contextmanager
def kept_buffers(model: nn.Module) -> Iterator[None]:
    """Put the model's buffers back after the body."""
    kept = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, value in zip(model.buffers(), kept, strict=True):
            buffer.copy_(value)


def size_of(value: Any) -> int:
    """Bytes of all tensors in dicts, lists and tuples."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return sum(map(size_of, values))
