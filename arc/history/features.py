"""History to network input. The only preprocessing there is: training and the controller both call it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

PERIOD_LENGTH: Final = 100
"""Feature values per period and channel."""
MAX_PERIODS: Final = 3
"""Periods that a window holds."""
LENGTH: Final = MAX_PERIODS * PERIOD_LENGTH
"""Feature values per channel."""
STD_FLOOR: Final = 1e-7
"""Smallest deviation that a z-score divides by."""

Window = npt.NDArray[np.float32]
"""Features: shape (300, 3), channels train loss, validation loss, LR."""
Values = float | Sequence[float] | npt.ArrayLike


@dataclass(frozen=True, kw_only=True)
class Period:
    """What was seen between two decisions.

    Attributes:
        train_loss: training loss of every step, oldest first; at least one value.
        val_loss: validation loss of every evaluation, oldest first; None or empty if there was none.
        lr: the LR in force, one value or one for each step.

    Raises:
        ValueError: an empty or multi-dimensional loss, a value that is not finite, an LR that is not
            positive.
        TypeError: values that are not numbers.
    """

    train_loss: Values
    val_loss: Values | None = None
    lr: Values

    def __post_init__(self) -> None:
        object.__setattr__(self, "train_loss", _numbers(self.train_loss, "train_loss"))
        val_loss = None if self.val_loss is None else _numbers(self.val_loss, "val_loss", allow_empty=True)
        object.__setattr__(self, "val_loss", val_loss if val_loss is not None and val_loss.size else None)
        lr = _numbers(self.lr, "lr")
        if (lr <= 0).any():
            raise ValueError(f"got lr={lr[lr <= 0][0]}, need a positive LR")
        object.__setattr__(self, "lr", lr)


def featurise(history: Sequence[Period]) -> Window:
    """Turn one to three periods into the classifier's input.

    Args:
        history: oldest first; one to three periods (``ValueError`` otherwise, and where an LR is more
            than 1e30 times the window's first or less than 1e-30 of it; ``TypeError`` for anything else).

    Returns:
        float32 array of shape (300, 3): train loss, validation loss, LR. The k periods fill the last
        100k rows. Losses are z-scored over the window, 0 before it and 0 where nothing varied or no
        validation loss was seen; the LR is relative to the window's first LR, 1 before it.

    Source: ARC (Dong et al., 2021), section 3.4; the order of resizing and scaling is its public code's.

    Example:
        >>> window = featurise([Period(train_loss=[3.0, 2.0, 1.0], val_loss=[2.5], lr=0.1)])
        >>> window.shape, window[0].tolist(), bool(window[200, 0] > window[299, 0])
        ((300, 3), [0.0, 0.0, 1.0], True)
    """
    if not isinstance(history, Sequence) or not all(isinstance(p, Period) for p in history):
        raise TypeError(f"got history={history!r:.80}, need a list of arc.Period")
    if not 1 <= len(history) <= MAX_PERIODS:
        raise ValueError(f"got a history of {len(history)} periods, need 1 to {MAX_PERIODS}")
    length = PERIOD_LENGTH * len(history)
    train_loss = np.concatenate([np.asarray(p.train_loss) for p in history])
    val_losses = [np.asarray(p.val_loss) for p in history if p.val_loss is not None]
    lr = np.concatenate([np.asarray(p.lr) for p in history])

    window = np.zeros((LENGTH, 3), np.float32)
    window[:, 2] = 1.0
    window[-length:, 0] = _z_score(_linear(train_loss, length))
    if val_losses:
        window[-length:, 1] = _nearest(_z_score(np.concatenate(val_losses)), length)
    window[-length:, 2] = _nearest(_relative(lr), length)
    return window


Array = npt.NDArray[np.float64]


def _nearest(values: Array, length: int) -> Array:
    return values[_floors(len(values), length)]


def _linear(values: Array, length: int) -> Array:
    """Linear interpolation at pixel centres, without antialiasing."""
    return np.interp(_centres(len(values), length), np.arange(len(values)), values)  # clips to the ends


@functools.lru_cache(maxsize=16)  # the same few lengths come back at every decision
def _floors(count: int, length: int) -> npt.NDArray[np.int64]:
    return np.arange(length) * count // length


@functools.lru_cache(maxsize=16)
def _centres(count: int, length: int) -> Array:
    return (np.arange(length) + 0.5) * count / length - 0.5


def _relative(lr: Array) -> Array:
    if lr.max() / 1e30 > lr[0] or lr.min() < lr[0] / 1e30:  # float32 would make infinity or 0 of it
        raise ValueError(f"got lr from {lr.min()} to {lr.max()} in one window, need a ratio below 1e30")
    relative: Array = lr / lr[0]
    return relative


def _z_score(values: Array) -> Array:
    low, high = float(values.min()), float(values.max())
    # A mean rounds, and the floor would blow its rounding error up: equal values are 0 by definition.
    if low == high:
        return np.zeros_like(values)
    if max(-low, high) > 1e100:  # squares would overflow
        values = values / max(-low, high)
    centred: Array = values - values.sum() / len(values)
    centred /= max(math.sqrt(centred @ centred / len(values)), STD_FLOOR)
    return centred


def _numbers(values: Values, name: str, *, allow_empty: bool = False) -> Array:
    """``values`` as a float64 vector of finite numbers, or an error that shows what is wrong."""
    array = np.asarray(values)
    if array.dtype.kind not in "iuf" and array.size:
        raise TypeError(f"got {name}={values!r:.80}, need numbers")
    array = np.atleast_1d(array).astype(np.float64)
    if array.ndim != 1:
        raise ValueError(f"got {name} of shape {array.shape}, need a number or one dimension")
    if not array.size:
        if not allow_empty:
            raise ValueError(f"got an empty {name}, need at least one value")
    elif not (math.isfinite(array.min()) and math.isfinite(array.max())):  # both pass a NaN on
        raise ValueError(f"got {name} with {array[~np.isfinite(array)][0]}, need finite values")
    return array
