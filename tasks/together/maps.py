"""Twins of the layers that work on maps: convolutions, batch normalisation, concatenation.

All of them give maps with the networks as groups of channels, (n, k channels, height, width), channels last
in memory: so a convolution of three groups takes 0.5 to 0.8 of three convolutions' time (docs/speed.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.nets.concat import Concat as Concatenation
from tasks.together.twin import Twin


def grouped(maps: Tensor, k: int, channels: int) -> Tensor:
    """(n k, channels, h, w) -> (n, k channels, h, w), channels last in memory; what is so already stays."""
    if maps.shape[1] != channels:
        return maps
    apart: Tensor = maps.unflatten(0, (-1, k))
    # Of one channel each, flattening alone would be a view of maps whose channels come first.
    return apart.permute(0, 3, 4, 1, 2).flatten(3).contiguous().permute(0, 3, 1, 2)


def in_turn(maps: Tensor, k: int) -> Tensor:
    """The way back: (n, k channels, ...) -> (n k, channels, ...), channels last in memory."""
    apart: Tensor = maps.movedim(1, -1).unflatten(-1, (k, -1))
    return apart.movedim(-2, 1).flatten(0, 1).movedim(-1, 1)


class Convolution(Twin):
    """(n k, in, h, w) or (n, k in, h, w) -> (n, k out, h, w)."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(self, layers: Sequence[nn.Conv2d | nn.ConvTranspose2d]) -> None:
        first = layers[0]
        super().__init__(layers, supported=first.padding_mode == "zeros")
        self.channels = first.in_channels
        self.stride, self.dilation = first.stride, first.dilation
        self.padding, self.output_padding = first.padding, first.output_padding
        self.groups = self.count * first.groups

    def forward(self, maps: Tensor) -> Tensor:
        """One convolution of ``k`` groups."""
        maps, weight, bias = self._operands(maps)
        return F.conv2d(maps, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def _operands(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The maps, the weights and the biases of all networks as those of one."""
        maps = grouped(maps, self.count, self.channels)
        return maps, self.weight.flatten(0, 1), None if self.bias is None else self.bias.flatten()


class TransposedConvolution(Convolution):
    """(n k, in, h, w) or (n, k in, h, w) -> (n, k out, h, w)."""

    def forward(self, maps: Tensor) -> Tensor:
        """One transposed convolution of ``k`` groups."""
        assert not isinstance(self.padding, str)
        maps, weight, bias = self._operands(maps)
        sizes = self.stride, self.padding, self.output_padding
        return F.conv_transpose2d(maps, weight, bias, *sizes, self.groups, self.dilation)


class BatchNorm(Twin):
    """(n k, channels, h, w) or (n, k channels, h, w) -> (n, k channels, h, w)."""

    weight: nn.Parameter
    bias: nn.Parameter
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, layers: Sequence[nn.BatchNorm2d]) -> None:
        first = layers[0]
        super().__init__(
            layers, supported=first.affine and first.track_running_stats and first.momentum is not None
        )
        self.channels, self.eps = first.num_features, first.eps
        self.momentum = first.momentum or 0.0

    def forward(self, maps: Tensor) -> Tensor:
        """Normalised per network and channel; the running statistics move in training."""
        if self.training:
            self.num_batches_tracked += 1
        return F.batch_norm(
            grouped(maps, self.count, self.channels),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.flatten(),
            self.bias.flatten(),
            self.training,
            self.momentum,
            self.eps,
        )


class Concat(Twin):
    """(n, k channels of each, h, w) -> (n, k (sum of the channels), h, w)."""

    def __init__(self, layers: Sequence[Concatenation]) -> None:
        super().__init__(layers)

    def forward(self, *maps: Tensor) -> Tensor:
        """Network after network, so that a network's channels lie together."""
        # With the channels last from the start: five dimensions would be laid out with the pixels last.
        apart = [m.permute(0, 2, 3, 1).unflatten(3, (self.count, -1)) for m in maps]
        return torch.cat(apart, dim=4).flatten(3).permute(0, 3, 1, 2)


class Flatten(Twin):
    """(n, k channels, h, w) -> (n, k channels h w)."""

    def __init__(self, layers: Sequence[nn.Flatten]) -> None:
        super().__init__(layers, supported=(layers[0].start_dim, layers[0].end_dim) == (1, -1))

    def forward(self, maps: Tensor) -> Tensor:
        """The rows; the gradient goes back with the channels last, as the maps in front expect it."""
        if maps.requires_grad and maps.dim() == 4:
            maps.register_hook(_channels_last)
        return maps.flatten(1)


def _channels_last(maps: Tensor) -> Tensor:
    return maps.contiguous(memory_format=torch.channels_last)
