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
from arc.methods.run import Closure, Run, get_lr, set_lr
from tasks.joined import Joined
from tasks.muon import muon_adamw


def is_adaptive(optimizer: torch.optim.Optimizer) -> bool:
    """Whether an optimizer is of Adam's family rather than of SGD's."""
    return not isinstance(optimizer, torch.optim.SGD)


def schedule_free(run: Run) -> Method:
    """Replace the run's optimizer by the Schedule-Free one of its family, at the same LR."""
    import schedulefree

    lr, decay = get_lr(run.optimizer), run.optimizer.param_groups[0].get("weight_decay", 0)
    if is_adaptive(run.optimizer):
        decay = decay if isinstance(run.optimizer, torch.optim.AdamW | Joined) else 0
        run.optimizer = schedulefree.AdamWScheduleFree(run.model.parameters(), lr=lr, weight_decay=decay)
    else:
        run.optimizer = schedulefree.SGDScheduleFree(run.model.parameters(), lr=lr, weight_decay=decay)
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


def schedule_free_plus(run: Run) -> Method:
    """Replace the run's optimizer by ScheduleFree+, with its decay of 0."""
    from proxy_eval.schedule_free_plus import ScheduleFreePlus

    run.optimizer = ScheduleFreePlus(run.model.parameters())
    return AveragedByLoss()


def nadamw(run: Run, constants: NadamWConstants) -> None:
    """Replace the run's optimizer by NadamW at one of the calibrated sets of constants."""
    from proxy_eval.nadamw import NadamW

    run.optimizer = NadamW(
        run.model.parameters(), lr=constants.lr, betas=constants.betas, weight_decay=constants.weight_decay
    )


def muon(run: Run) -> None:
    """Replace the run's optimizer by Muon and AdamW, at the same LR."""
    run.optimizer = muon_adamw(run.model, get_lr(run.optimizer))


@dataclass(frozen=True, kw_only=True)
class NadamWConstants:
    """One NadamW for everything, with linear warm-up and a cosine to 0.

    Attributes:
        lr, betas, weight_decay: as for :class:`proxy_eval.nadamw.NadamW`.
        warm_up: part of the run that warms up.
    """

    lr: float
    betas: tuple[float, float]
    weight_decay: float
    warm_up: float


SELF_TUNING = NadamWConstants(
    lr=0.00190834618600756,
    betas=(1 - 0.09090652249, 0.998898321921855),
    weight_decay=0.08121616522670176,
    warm_up=0.1,
)
"""AlgoPerf's public self-tuning submission ``nadamw``."""
BASELINE = NadamWConstants(
    lr=0.0017486387539278373,
    betas=(1 - 0.06733926164, 0.9955159689799007),
    weight_decay=0.08121616522670176,
    warm_up=0.02,
)
"""AlgoPerf's baseline v0.5; its dropout of 0.1 is left out, since the model is the task's."""


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
class AveragedByLoss(Averaged):
    """The same for an optimizer whose step needs the batch's loss (ScheduleFree+)."""

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train on the one kind of weights, leave the other behind."""
        optimizer: Any = run.optimizer

        def step(closure: Closure) -> float:
            loss = closure.backward()
            optimizer.step(loss=loss)
            return loss

        optimizer.train()
        losses = run.train(steps, step)
        optimizer.eval()
        return losses


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
