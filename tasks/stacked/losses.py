"""Loss and predictions of each network of a stack, from one pass of all."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from tasks.base import Batch, Predictions, Task
from tasks.together.twin import NotStackable


def each(task: Task, stacked: nn.Module, batch: Batch, count: int) -> tuple[Tensor, Predictions]:
    """Losses (k,) and predictions (k, n, ...) of ``count`` networks.

    The task's forward pass is run twice: on all rows, for the networks' outputs; then on these outputs alone,
    network by network by :func:`torch.func.vmap`, for the losses.

    Args:
        task: what is trained.
        stacked: of :func:`tasks.together.stack.stack`.
        batch: the networks' rows in turn (n k, ...).
        count: networks.

    Raises:
        NotStackable: the loss cannot be had of the outputs alone.
    """
    seen = _Seen(stacked)
    task.forward(cast(nn.Module, seen), batch)
    outputs = [_apart(output, count) for output in seen.outputs]
    rows = {name: _apart(tensor, count) for name, tensor in batch.items()}

    def of_one(outputs: list[Any], rows: Batch) -> tuple[Tensor, Predictions]:
        return task.forward(cast(nn.Module, _Replay(outputs, stacked)), rows)

    try:
        losses, predictions = torch.func.vmap(of_one)(outputs, rows)
    except (RuntimeError, AttributeError, TypeError, ValueError, IndexError) as error:
        words = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotStackable(f"the loss of {type(task).__name__} needs more than outputs: {words}") from error
    return losses, predictions


def _apart(value: Any, count: int) -> Any:
    """(n k, ...) -> (k, n, ...)."""
    if isinstance(value, tuple):
        return tuple(_apart(part, count) for part in value)
    return value.unflatten(0, (-1, count)).transpose(0, 1)


class _Seen:
    """The network, and what it answered. Whatever else a loss asks of a network is the network's own."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self.outputs: list[Any] = []

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        output = self._network(*inputs, **named)
        self.outputs.append(output)
        return output

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)


class _Replay(_Seen):
    """Answers what was answered before, in turn."""

    def __init__(self, outputs: list[Any], network: nn.Module) -> None:
        super().__init__(network)
        self._left = list(outputs)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self._left.pop(0)
