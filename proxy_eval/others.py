"""Methods for the comparison alone: others' optimizers in place of the run's, and ARC's random control."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from arc.actions import Action
from arc.methods.autodrop import refresh_batch_norm
from arc.methods.method import Method, State, require
from arc.methods.run import Run, get_lr, set_lr


def is_adaptive(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer is of Adam's family rather than of SGD's."""
    return not isinstance(optimizer, torch.optim.SGD)


def schedule_free(run: Run) -> Method:
    """Replace the run's optimizer by the Schedule-Free one of its family, at the same LR."""
    import schedulefree

    lr, group = get_lr(run.optimizer), run.optimizer.param_groups[0]
    if is_adaptive(run.optimizer):
        decay = group["weight_decay"] if isinstance(run.optimizer, torch.optim.AdamW) else 0
        run.optimizer = schedulefree.AdamWScheduleFree(run.model.parameters(), lr=lr, weight_decay=decay)
    else:
        run.optimizer = schedulefree.SGDScheduleFree(run.model.parameters(), lr=lr)
    return Averaged()


def prodigy(run: Run) -> None:
    """Replace the run's optimizer by Prodigy at its default LR of 1."""
    import prodigyopt

    run.optimizer = prodigyopt.Prodigy(run.model.parameters(), lr=1.0)


def d_adaptation(run: Run) -> None:
    """Replace the run's optimizer by the D-Adaptation of its family at its default LR of 1."""
    import dadaptation

    if is_adaptive(run.optimizer):
        run.optimizer = dadaptation.DAdaptAdam(run.model.parameters(), lr=1.0)
    else:
        momentum = run.optimizer.param_groups[0]["momentum"]
        run.optimizer = dadaptation.DAdaptSGD(run.model.parameters(), lr=1.0, momentum=momentum)


@dataclass(kw_only=True)
class Averaged(Method):
    """Trains with an optimizer that measures on other weights than it trains (Schedule-Free).

    Between two calls the model holds the weights to measure, and BatchNorm's statistics of them.
    """

    state: State = field(default_factory=State, init=False, repr=False)

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train on the one kind of weights, leave the other behind."""
        optimizer: Any = run.optimizer
        optimizer.train()
        losses = run.train(steps)
        optimizer.eval()
        return losses

    def epoch_end(self, run: Run) -> None:
        """The statistics were gathered with the weights that train."""
        refresh_batch_norm(run)


@dataclass(kw_only=True)
class RandomActions(Method):
    """ARC without a network: actions drawn with given frequencies.

    Attributes:
        frequencies: of raise, keep and lower; the trained controller's, to be a control.
        period: epochs from one action to the next.
        seed: decides the actions.
    """

    frequencies: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3)
    period: int = 3
    seed: int = 0
    state: State = field(default_factory=State, init=False, repr=False)

    def __post_init__(self) -> None:
        total = sum(self.frequencies)
        ok = len(self.frequencies) == 3 and min(self.frequencies) >= 0 and math.isclose(total, 1)
        require(ok, "frequencies", self.frequencies, "three parts that sum to 1")
        require(self.period >= 1, "period", self.period, "an integer >= 1")

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train."""
        return run.train(steps)

    def epoch_end(self, run: Run) -> None:
        """Act when the period is over."""
        epoch = run.step_count // run.steps_per_epoch
        if epoch % self.period == 0:
            action = Action(int(np.random.default_rng([self.seed, epoch]).choice(3, p=self.frequencies)))
            set_lr(run.optimizer, get_lr(run.optimizer) * action.multiplier)
