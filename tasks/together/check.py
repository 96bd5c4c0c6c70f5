"""Whether a task's networks compute in a stack what they compute alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.base import Batch, Task
from tasks.together.stack import stack, twins
from tasks.together.steps import in_turn


def difference(task: Task, batch: Batch, *, count: int = 3, exact: bool = True) -> float:
    """Pass ``count`` networks with shares of a batch through a stack and alone, in training mode.

    Dropout is switched off: a stack draws other numbers.

    Args:
        task: gives networks and loss.
        batch: training examples; a multiple of ``count``.
        count: networks.
        exact: compute in float64, where only a mistake differs; float32 has the kernels of a training, and
            its rounding.

    Returns:
        The largest difference of a gradient or a buffer, in parts of the network's largest one. Below 1e-9
        where ``exact``, some 1e-5 otherwise, is agreement.

    Raises:
        NotStackable: a layer of the network has no twin.
    """
    torch.manual_seed(0)
    networks, alone = ([task.build() for _ in range(count)] for _ in range(2))
    for network, other in zip(networks, alone, strict=True):
        other.load_state_dict(network.state_dict())
    for network in (*networks, *alone):
        _prepare(network, exact)
    shares = [{name: rows[i::count] for name, rows in batch.items()} for i in range(count)]
    stacked = stack(networks).train()
    loss, _ = task.forward(stacked, in_turn(shares))
    (count * loss).backward()
    for twin in twins(stacked):
        twin.hand_over_gradients()
    for network, share in zip(alone, shares, strict=True):
        task.forward(network.train(), share)[0].backward()
    return max(map(_distance, networks, alone))


def _prepare(network: nn.Module, exact: bool) -> None:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    if exact:
        network.double()
        network.register_forward_pre_hook(lambda _, inputs: tuple(map(_double, inputs)))


def _double(x: Tensor) -> Tensor:
    return x.double() if x.is_floating_point() else x


def _distance(network: nn.Module, other: nn.Module) -> float:
    found = 0.0
    for own, expected in ((_gradients(network), _gradients(other)), (_buffers(network), _buffers(other))):
        largest = max((float(e.abs().max()) for e in expected if e is not None), default=0.0)
        for a, b in zip(own, expected, strict=True):
            if a is None or b is None:
                found = max(found, 0.0 if a is b else float("inf"))
            elif b.numel():
                found = max(found, float((a - b).abs().max()) / largest if largest else 0.0)
    return found


def _gradients(network: nn.Module) -> list[Tensor | None]:
    return [parameter.grad for parameter in network.parameters()]


def _buffers(network: nn.Module) -> list[Tensor | None]:
    return [buffer.double() for buffer in network.buffers()]
