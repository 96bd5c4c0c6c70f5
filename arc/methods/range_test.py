"""The LR range test: the training loss over an LR that grows with every step.

Source: Smith, Cyclical learning rates (2017); ARC, section 4, for the settings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from arc.methods.method import require
from arc.methods.run import Cost, Run, set_lr

WINDOW: Final = 9
"""Losses averaged around each step of the test. fast.ai's running average over 50 steps lags by decades of
LR in a test of 100 steps, and would put the best value far into the divergence; a centred one does not."""
STOP_AT: Final = 4.0
"""The test ends when the average exceeds this many times its lowest value (fast.ai's LR finder)."""
START_FRACTION: Final = 1e-6
"""First LR of a linear test, as a part of the last: 0 is no LR."""

Growth = Literal["exponential", "linear"]


@dataclass(frozen=True, kw_only=True)
class RangeTest:
    """What a range test saw.

    Attributes:
        lr: the LR at the best value of the test.
        lrs, losses: every LR tried, and the training loss of its step.
        cost: what the test used.
    """

    lr: float
    lrs: tuple[float, ...]
    losses: tuple[float, ...]
    cost: Cost


def range_test(
    run: Run,
    *,
    lr_range: tuple[float, float] = (1e-7, 10.0),
    steps: int = 100,
    growth: Growth = "exponential",
) -> RangeTest:
    """Train with an LR that grows every step, until the loss explodes; the run is left as it was.

    Args:
        run: where to train.
        lr_range: first and last LR. A linear test begins at a millionth of the last one.
        steps: steps of the whole test.
        growth: ``exponential`` (fast.ai's form, for ranges of many decades) or ``linear`` (Smith's; ARC's
            runs rose from 0 to 3, 1 and 100 in 5000 steps).

    Raises:
        ValueError: an impossible setting, or a loss that is never finite.
    """
    low, high = lr_range
    require(0 < low < high < math.inf, "lr_range", lr_range, "two ascending positive LRs")
    require(steps >= 2, "steps", steps, "an integer >= 2")
    require(growth in ("exponential", "linear"), "growth", growth, "exponential or linear")
    before = replace(run.cost)
    start = run.snapshot()
    lrs: list[float] = []
    losses: list[float] = []
    try:
        for i in range(steps):
            part = i / (steps - 1)
            lr = low * (high / low) ** part if growth == "exponential" else high * max(part, START_FRACTION)
            set_lr(run.optimizer, lr)
            losses += run.train(1)
            lrs.append(lr)
            averages = average(losses)
            if not averages[-1] <= STOP_AT * abs(min(averages)):
                break
    finally:
        run.restore(start)
    return RangeTest(lr=pick(lrs, losses), lrs=tuple(lrs), losses=tuple(losses), cost=run.cost - before)


def average(losses: Sequence[float]) -> list[float]:
    """The mean over each step's neighbours, fewer of them at the ends; infinite beside what diverged."""
    half = WINDOW // 2
    around = [losses[max(0, i - half) : i + half + 1] for i in range(len(losses))]
    means = [sum(near) / len(near) for near in around]
    return [mean if math.isfinite(mean) else math.inf for mean in means]


def pick(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """The LR at which the averaged loss was lowest.

    Example:
        >>> lrs = [10 ** (i / 10 - 5) for i in range(50)]
        >>> 0.01 < pick(lrs, [abs(i - 35) for i in range(50)]) < 0.1
        True
    """
    finite = [(loss, lr) for loss, lr in zip(average(losses), lrs, strict=True) if math.isfinite(loss)]
    if not finite:
        raise ValueError("the loss was never finite: begin the range test at a lower LR")
    return min(finite)[1]
