"""A twin: ``k`` layers of one kind as one layer.

The batch of a stack holds the networks' examples in turn: row ``b k + i`` is example ``b`` of network ``i``.
So whatever has no parameters and treats examples alike (activations, losses, dropout, the concatenation of
two batches) runs on it unchanged. Maps between convolutions hold the networks as groups of channels instead,
``(n, k channels, height, width)``: grouped convolutions are the fast ones, and pooling, means over pixels
and flattening run on that, too. ``n`` stands for the examples of one network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from arc.torch_private import buffers_of, parameters_of
from tasks.base import TaskError


class NotStackable(TaskError):
    """The networks hold a layer that has no twin, or one with a setting that its twin does not know."""


class Twin(nn.Module):
    """Layers whose parameters and buffers become views of the twin's, which have ``k`` as a first dimension.

    A step of a network's own optimizer therefore moves the twin, and the twin's running statistics are the
    networks'. Subclasses add ``forward``.

    Args:
        layers: of the same type, settings and sizes.
        supported: whether ``forward`` knows the layers' settings (NotStackable otherwise).
    """

    def __init__(self, layers: Sequence[nn.Module], *, supported: bool = True) -> None:
        super().__init__()
        if not supported:
            raise NotStackable(f"no twin of {layers[0]}")
        self.count = len(layers)
        self._layers = tuple(layers)  # no submodules: their tensors are ours
        self._own: list[tuple[nn.Parameter, list[nn.Parameter]]] = []
        for name, parameter in parameters_of(layers[0]).items():
            if parameter is None:
                self.register_parameter(name, None)
                continue
            own = [layer.get_parameter(name) for layer in layers]
            stacked = nn.Parameter(torch.stack([p.detach() for p in own]), parameter.requires_grad)
            self.register_parameter(name, stacked)
            self._own.append((stacked, own))
        for name, buffer in buffers_of(layers[0]).items():
            self.register_buffer(
                name, None if buffer is None else torch.stack([layer.get_buffer(name) for layer in layers])
            )
        self.point_at_parts()

    def point_at_parts(self) -> None:
        """Let the layers' tensors be views of the twin's, wherever those lie."""
        for stacked, own in self._own:
            for p, view in zip(own, stacked.detach(), strict=True):
                p.data = view
        for name, buffer in buffers_of(self._layers[0]).items():
            if buffer is not None:
                for layer, view in zip(self._layers, self.get_buffer(name), strict=True):
                    setattr(layer, name, view)

    def hand_over_gradients(self) -> None:
        """Give each layer its part of the twin's gradients, and forget them here."""
        for stacked, own in self._own:
            gradients = [None] * self.count if stacked.grad is None else stacked.grad.unbind()
            for parameter, gradient in zip(own, gradients, strict=True):
                parameter.grad = gradient
            stacked.grad = None


def products(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias`` of each network: (k, rows, in), (k, out, in), (k, out) -> (k, rows, out)."""
    if bias is None:
        return torch.bmm(x, weight.transpose(1, 2))
    return torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
