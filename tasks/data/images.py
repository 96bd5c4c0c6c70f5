"""What all image data share."""

from __future__ import annotations

import torch
from torch import Tensor


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
    shift, scale = (  # a new_tensor would wait for the device
        torch.tensor(of, dtype=torch.float32, device="cpu")
        .to(images.device, non_blocking=True)
        .view(1, 3, 1, 1)
        for of in (mean, deviation)
    )
    return ((images.contiguous(memory_format=torch.channels_last) / 255) - shift) / scale
