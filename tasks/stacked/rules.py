"""The optimizers' steps on vectors, with torch's formulas and defaults (:mod:`tasks.optimizers`).

A rule takes parameters, gradients, LRs and weight decays, all of one value for every element, how many steps
were taken with this one (for every element), and its own states; it returns new parameters and new states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from torch import Tensor

Moved = tuple[Tensor, tuple[Tensor, ...]]
Update = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Sequence[Tensor]], Moved]

BETA1: Final = 0.9
BETA2: Final = 0.999
EPS: Final = 1e-8
MOMENTUM: Final = 0.9
ALPHA: Final = 0.99


class Rule(NamedTuple):
    """An update, and how many vectors it remembers."""

    update: Update
    states: int


def _adam(x: Tensor, g: Tensor, lr: Tensor, decay: Tensor, t: Tensor, states: Sequence[Tensor]) -> Moved:
    return _adapted(x, g + decay * x, lr, t, states)


def _adamw(x: Tensor, g: Tensor, lr: Tensor, decay: Tensor, t: Tensor, states: Sequence[Tensor]) -> Moved:
    return _adapted(x * (1 - lr * decay), g, lr, t, states)


def _adapted(x: Tensor, g: Tensor, lr: Tensor, t: Tensor, states: Sequence[Tensor]) -> Moved:
    mean = states[0].lerp(g, 1 - BETA1)
    square = states[1] * BETA2 + (1 - BETA2) * g * g
    scale = square.sqrt() / (1 - BETA2**t).sqrt() + EPS
    return x - lr / (1 - BETA1**t) * mean / scale, (mean, square)


def _sgd(x: Tensor, g: Tensor, lr: Tensor, decay: Tensor, t: Tensor, states: Sequence[Tensor]) -> Moved:
    return x - lr * (g + decay * x), ()


def _momentum(x: Tensor, g: Tensor, lr: Tensor, decay: Tensor, t: Tensor, states: Sequence[Tensor]) -> Moved:
    speed = MOMENTUM * states[0] + g + decay * x
    return x - lr * speed, (speed,)


def _rmsprop(x: Tensor, g: Tensor, lr: Tensor, decay: Tensor, t: Tensor, states: Sequence[Tensor]) -> Moved:
    g = g + decay * x
    square = ALPHA * states[0] + (1 - ALPHA) * g * g
    return x - lr * g / (square.sqrt() + EPS), (square,)


RULES: Final = {
    "adam": Rule(_adam, 2),
    "adamw": Rule(_adamw, 2),
    "sgd": Rule(_sgd, 0),
    "momentum": Rule(_momentum, 1),
    "rmsprop": Rule(_rmsprop, 1),
}
