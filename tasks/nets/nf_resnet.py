"""A residual network without normalisation of activations: NF-ResNet (Brock et al., 2021)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_GAIN = 1.7139588594436646
"""Makes ReLU keep the variance of a normal input."""


class ScaledConv(nn.Conv2d):
    """A convolution whose weights have mean 0 and variance 1 / fan-in for each output, times a gain."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, kernel, stride, padding=kernel // 2)
        self.gain = nn.Parameter(torch.ones(channels_out, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve with the standardised weights."""
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), keepdim=True)
        scale = torch.rsqrt((variance * self.weight[0].numel()).clamp(min=1e-4)) * self.gain
        weight = (self.weight - mean) * scale
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class _Block(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int, alpha: float, beta: float) -> None:
        super().__init__()
        self.first = ScaledConv(channels_in, channels_out, 3, stride)
        self.second = ScaledConv(channels_out, channels_out, 3)
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same else ScaledConv(channels_in, channels_out, 1, stride)
        self.same, self.alpha, self.beta = same, alpha, beta
        self.skip = nn.Parameter(torch.zeros(()))  # SkipInit: the block begins as its shortcut

    def forward(self, x: Tensor) -> Tensor:
        active = _GAIN * F.relu(x / self.beta)
        y = self.second(_GAIN * F.relu(self.first(active)))
        found: Tensor = (x if self.same else self.shortcut(active)) + self.alpha * self.skip * y
        return found


class NFResNet(nn.Module):
    """Images (n, 3, size, size) to logits (n, outputs).

    Args:
        widths: channels of each stage; every one but the first halves the resolution.
        blocks: of each stage.
        outputs: logits.
        alpha: scale of what a block adds.
    """

    def __init__(self, *, widths: Sequence[int], blocks: int, outputs: int, alpha: float = 0.2) -> None:
        super().__init__()
        self.stem = ScaledConv(3, widths[0], 3)
        stages: list[nn.Module] = []
        channels, variance = widths[0], 1.0
        for i, width in enumerate(widths):
            for j in range(blocks):
                first = j == 0 and i > 0
                stages.append(_Block(channels, width, 2 if first else 1, alpha, variance**0.5))
                variance = (1.0 if first else variance) + alpha**2
                channels = width
        self.stages = nn.Sequential(*stages)
        self.head = nn.Linear(channels, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each image."""
        logits: Tensor = self.head(F.relu(self.stages(self.stem(x))).mean((2, 3)))
        return logits
