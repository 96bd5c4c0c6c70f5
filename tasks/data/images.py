"""What all image data share."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable

import torch
from torch import Tensor

from tasks.base import Batch, Splits
from tasks.data.cache import cached

Uniform = Callable[..., Tensor]
r"""``uniform(low, high, *shape)``: numbers from low to high, float32 (images, \*shape)."""


def standardised(
    images: Tensor,
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
    deviation: tuple[float, float, float] = (0.5, 0.5, 0.5),
) -> Tensor:
    """Images as a network takes them: uint8 (n, 3, h, w) -> float32 with ``mean`` and ``deviation`` removed.

    The defaults map [0, 255] to [-1, 1]. The channels are last in memory, which is faster on CPUs;
    convolutions pass the order on. (Strided 1 x 1 convolutions of fewer than eight channels must be
    avoided behind it: oneDNN's write past their buffers, seen with torch 2.13.)
    """
    shift, scale = (_constant(tuple(of), images.device) for of in (mean, deviation))
    with contextlib.suppress(RuntimeError):  # inside torch.func.vmap, which does not know the order
        images = images.contiguous(memory_format=torch.channels_last)
    return ((images / 255) - shift) / scale


@functools.lru_cache(maxsize=64)
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """(1, 3, 1, 1) on the device; once, for a copy makes the host wait and cannot be part of a CUDA graph."""
    with torch.inference_mode(False):
        return torch.tensor(values, dtype=torch.float32, device="cpu").to(device).view(1, 3, 1, 1)


def composed(
    name: str,
    version: int,
    examples: tuple[int, int, int],
    size: int,
    compose: Callable[[int, int, str], Batch],
) -> Splits:
    """Made-up images, once per machine.

    Args:
        name: of the data set.
        version: raise it with every change of ``compose``.
        examples: training, validation and test images.
        size: their height and width in pixels.
        compose: takes the number of images, ``size`` and the split's name; gives the images and their labels.
    """

    def build() -> Splits:
        return Splits(*(compose(n, size, split) for n, split in zip(examples, Splits._fields, strict=True)))

    return cached(f"{name}-{'-'.join(map(str, examples))}-{size}px", version, build)


def places(size: int, uniform: Uniform, most: float = 0.2) -> tuple[Tensor, Tensor]:
    """Where each pixel lies from an image's middle, which is moved by up to ``most``: x (n, 1, size) and
    y (n, size, 1), in units of half an image."""
    axis = (torch.arange(size) + 0.5) / size * 2 - 1
    x = axis.view(1, 1, size) - uniform(-most, most, 1, 1)
    return x, axis.view(1, size, 1) - uniform(-most, most, 1, 1)


def pixels(image: Tensor) -> Tensor:
    """Values from 0 to 1 as uint8; what lies beyond is cut off."""
    return (image * 255).round().clamp(0, 255).to(torch.uint8)


def uniforms(count: int, generator: torch.Generator) -> Uniform:
    """What draws ``count`` images' numbers."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    return uniform
