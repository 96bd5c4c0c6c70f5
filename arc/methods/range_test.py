"""The LR range test, and the one-cycle schedule (superconvergence) that it feeds.

Source: Smith, Cyclical learning rates (2017) and A disciplined approach (2018); AutoLR, appendix E, and
ARC, section 4, for the settings. :func:`pick` and :func:`one_cycle` need no network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple

from arc.methods.method import Method, State, require
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


class Phase(NamedTuple):
    """Where a cycle stands: LR as a part of its maximum, and momentum (0: highest, 1: lowest)."""

    lr: float
    momentum: float


def one_cycle(progress: float, *, rise: float, fall: float, divisor: float, final: float) -> Phase:
    """The LR of one cycle, up and down in straight lines, then down to nearly nothing.

    Args:
        progress: part of the run that is done, 0 to 1.
        rise, fall: parts of the run that rise and fall; what is left annihilates.
        divisor: the maximum over the first LR.
        final: the first LR over the last.

    Example:
        >>> settings = dict(rise=0.45, fall=0.45, divisor=10.0, final=10.0)
        >>> [round(one_cycle(p, **settings).lr, 3) for p in (0, 0.45, 0.9, 1)]
        [0.1, 1.0, 0.1, 0.01]
    """
    low = 1 / divisor
    if progress < rise:
        part = progress / rise
        return Phase(low + (1 - low) * part, part)
    if progress < rise + fall:
        part = (progress - rise) / fall
        return Phase(1 + (low - 1) * part, 1 - part)
    rest = 1 - rise - fall
    part = (progress - rise - fall) / rest if rest > 0 else 1.0
    return Phase(low * (1 + (1 / final - 1) * min(part, 1.0)), 0.0)


@dataclass
class OneCycleState(State):
    """The maximum LR, and the curve of the test that found it."""

    max_lr: float | None = None
    tested: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())


@dataclass(kw_only=True)
class OneCycle(Method):
    """One-cycle: an LR that rises to its maximum, falls, and vanishes; momentum moves the other way.

    Attributes:
        max_lr: the maximum; None: at the best value of a range test.
        divisor: f, the maximum over the first LR; between 5 and 40 (ARC: 19.8, 10, 23.2; AutoLR: 10).
        rise, fall: parts of the run; the rest ends the run at the first LR over ``final``. AutoLR,
            appendix E: 0.45 each; ARC's CIFAR-10 runs: 13, 13 and 4 epochs of 30 [code].
        final: the first LR over the last, 10 (AutoLR, appendix E).
        momentum: highest and lowest momentum, or first Adam beta (Smith 2018); None leaves it alone.
            Optimizers without momentum are not given any.
        fraction: factor on the test's LR; 1 is its best value, 0.1 AutoLR's "default" row.
        lr_range, test_steps, growth: of the range test.
    """

    max_lr: float | None = None
    divisor: float = 10.0
    rise: float = 0.45
    fall: float = 0.45
    final: float = 10.0
    momentum: tuple[float, float] | None = (0.95, 0.85)
    fraction: float = 1.0
    lr_range: tuple[float, float] = (1e-7, 10.0)
    test_steps: int = 100
    growth: Growth = "exponential"
    state: OneCycleState = field(default_factory=OneCycleState, init=False, repr=False)

    def __post_init__(self) -> None:
        need = "None or a positive LR"
        require(self.max_lr is None or 0 < self.max_lr < math.inf, "max_lr", self.max_lr, need)
        require(self.divisor > 1, "divisor", self.divisor, "a factor > 1")
        require(0 < self.rise < 1, "rise", self.rise, "a part of the run, 0 to 1")
        require(0 < self.fall <= 1 - self.rise, "fall", self.fall, "a part of what rise leaves")
        require(self.final >= 1, "final", self.final, "a factor >= 1")
        require(self.fraction > 0, "fraction", self.fraction, "a positive factor")
        if self.momentum is not None:
            high, low = self.momentum
            require(0 <= low <= high < 1, "momentum", self.momentum, "highest and lowest, both in [0, 1)")

    def start(self, run: Run) -> None:
        """Find the maximum, if none was given."""
        self.state.max_lr = self.max_lr
        if self.max_lr is None:
            found = range_test(run, lr_range=self.lr_range, steps=self.test_steps, growth=self.growth)
            self.state.max_lr = self.fraction * found.lr
            self.state.tested = (found.lrs, found.losses)

    def advance(self, run: Run, steps: int) -> list[float]:
        """One step at the LR of the moment."""
        assert self.state.max_lr is not None
        phase = one_cycle(
            self.progress(run), rise=self.rise, fall=self.fall, divisor=self.divisor, final=self.final
        )
        set_lr(run.optimizer, self.state.max_lr * phase.lr)
        if self.momentum is not None:
            high, low = self.momentum
            for group in run.optimizer.param_groups:
                _set_momentum(group, high + (low - high) * phase.momentum)
        return run.train(1)


def _set_momentum(group: dict[str, Any], value: float) -> None:
    if group.get("momentum"):
        group["momentum"] = value
    elif "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
