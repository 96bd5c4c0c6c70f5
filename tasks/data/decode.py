"""Encoded images to tensors of one size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from tasks.base import TaskError


def opened(encoded: Path | bytes, name: str | None = None) -> Image.Image:
    """The image in a file or in its bytes; TaskError names a missing or damaged one.

    Args:
        encoded: a path, or the contents of a PNG, JPEG, ... file.
        name: what the message calls it; the path by default.
    """
    name = name or str(encoded)
    if isinstance(encoded, Path) and not encoded.is_file():
        raise TaskError(f"no image file {name}")
    try:
        image = Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded)
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise TaskError(f"{name} is damaged, expected a PNG or JPEG image ({error})") from error
    return image


def pixels(image: Image.Image, *, size: int, mode: str) -> Tensor:
    """(channels, size, size) uint8, resized bilinearly; ``mode`` RGB has three channels and L has one."""
    resized = image.convert(mode).resize((size, size), Image.Resampling.BILINEAR)
    array = np.array(resized, dtype=np.uint8)
    return torch.from_numpy(array.reshape(size, size, -1).transpose(2, 0, 1).copy())


def class_map(image: Image.Image, *, size: int) -> Tensor:
    """(size, size) uint8: the values of a mask's first channel, resized to the nearest pixel."""
    resized = image.resize((size, size), Image.Resampling.NEAREST)
    array = np.array(resized, dtype=np.uint8)
    return torch.from_numpy(array if array.ndim == 2 else array[..., 0].copy())
