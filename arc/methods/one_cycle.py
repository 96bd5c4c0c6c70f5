"""One-cycle: up to the LR of a range test, down, and to nearly nothing; momentum moves the other way.

Source: Smith, A disciplined approach to neural network hyper-parameters (2018); AutoLR, appendix E, and ARC,
section 4, for the settings. :func:`one_cycle` needs no network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from arc.methods.method import Method, State, require
from arc.methods.range_test import Growth, range_test
from arc.methods.run import Run, set_lr


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
