"""AutoLRS: one LR per stage of training, found by Bayesian optimisation from the stage's start.

Source: AutoLRS (Jin et al., ICLR 2021) and its public code, which talks to a socket server and uses
scikit-optimize, no longer maintained. Here it runs in process, on scikit-learn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from arc.methods.forecast import exponential
from arc.methods.method import Method, State, require
from arc.methods.proposals import best, propose
from arc.methods.run import Run, set_lr

EXPLODED: Final = 2.0
"""While training loss decides, a trial that ever exceeds so many times its first loss is judged by its last
values instead of the forecast. The public code has the rule, commented out, with 10."""
LAST: Final = 10
"""Training losses that such a judgement averages [code]."""


@dataclass
class AutoLRSState(State):
    """What AutoLRS remembers between two steps.

    Attributes:
        tau: length of the next stage; None before the first.
        left: steps left in the stage in progress.
        validating: whether trials are judged by validation loss.
        initial_loss: the very first training loss.
        stages: (step, chosen LR, {LR: forecast}) of every search.
    """

    tau: int | None = None
    left: int = 0
    validating: bool = False
    initial_loss: float | None = None
    stages: list[tuple[int, float, dict[float, float]]] = field(default_factory=list)


@dataclass(kw_only=True)
class AutoLRS(Method):
    """Search the LR of each stage by short trials from its start, then train the stage with it.

    A stage has tau steps. At its start, from one checkpoint, ``trials`` LRs are tried for tau / ``trials``
    steps each; the loss at the stage's end is forecast from each by an exponential, and a Gaussian
    process proposes the next. So a search takes as many steps as the stage. tau doubles from stage to
    stage until ``max_stage``; once a stage of that length is over, trials are judged by validation loss.

    Choices: the last stage is cut to what is left of the run, and so are its trials; where less than
    ``trials`` steps are left the LR stays. While validation decides, a trial that ever exceeds the run's
    very first loss is judged by its last value instead of the forecast [code].

    Attributes:
        min_lr, max_lr: the range to search, the user's to choose as in the paper.
        stage: first tau, in steps.
        max_stage: largest tau.
        trials: LRs tried per stage.
        validations: validations during one trial.
        kappa: exploration constant of the acquisition. The public code's is 1e6, pure exploration
            (:data:`arc.methods.proposals.PUBLISHED_KAPPA`). Measured on 60 random noisy curves with a cliff,
            ten trials each, mean regret as a part of the curve's depth: 0.5 15 %, 1 14 %, 2 9 %, 4 7 %,
            1e6 13 %.
        seed: decides the first LR of every search.
    """

    min_lr: float
    max_lr: float
    stage: int = 1000
    max_stage: int = 8000
    trials: int = 10
    validations: int = 16
    kappa: float = 4.0
    seed: int = 0
    state: AutoLRSState = field(default_factory=AutoLRSState, init=False, repr=False)

    def __post_init__(self) -> None:
        low, high = self.min_lr, self.max_lr
        require(0 < low < high < math.inf, "(min_lr, max_lr)", (low, high), "two ascending positive LRs")
        require(self.trials >= 2, "trials", self.trials, "an integer >= 2")
        require(self.stage >= self.trials, "stage", self.stage, f"at least trials={self.trials} steps")
        require(self.max_stage >= self.stage, "max_stage", self.max_stage, f"at least stage={self.stage}")
        require(self.validations >= 1, "validations", self.validations, "an integer >= 1")
        require(self.kappa >= 0, "kappa", self.kappa, "a number >= 0")

    def advance(self, run: Run, steps: int) -> list[float]:
        """Search if a stage begins, and train to its end at most."""
        if self.state.left == 0:
            self._begin_stage(run)
        losses = run.train(min(steps, self.state.left))
        self.state.left -= len(losses)
        return losses

    def _begin_stage(self, run: Run) -> None:
        state = self.state
        remaining = state.total_steps - (run.step_count - (state.first_step or 0))
        if state.tau is None:
            state.tau = self.stage
        elif state.tau < self.max_stage:
            state.tau = min(2 * state.tau, self.max_stage)
        else:
            state.validating = True
        state.left = min(state.tau, remaining)
        if state.left >= self.trials:
            self._search(run, state.left)

    def _search(self, run: Run, tau: int) -> None:
        state = self.state
        start = run.snapshot()
        tried: dict[float, float] = {}
        for _ in range(self.trials):
            seed = self.seed + 1_000_003 * len(state.stages)
            lr = propose(tried, (self.min_lr, self.max_lr), kappa=self.kappa, seed=seed)
            run.restore(start)
            set_lr(run.optimizer, lr)
            tried[lr] = self._trial(run, tau)
        chosen = best(tried)
        run.restore(start)
        set_lr(run.optimizer, chosen)
        state.stages = [*state.stages, (run.step_count, chosen, tried)]

    def _trial(self, run: Run, tau: int) -> float:
        """Train the part of a stage, and forecast the loss at the stage's end."""
        state, steps = self.state, tau // self.trials
        if not state.validating:
            losses = run.train(steps)
            if state.initial_loss is None:
                state.initial_loss = losses[0]
            if max(losses) > EXPLODED * abs(losses[0]):
                return sum(losses[-LAST:]) / len(losses[-LAST:])
            return exponential(losses, tau)
        every = max(1, steps // self.validations)
        losses = []
        for done in range(every, steps + 1, every):
            run.train(every if done + every <= steps else steps - done + every)
            losses.append(run.validate())
        if state.initial_loss is not None and max(losses) >= state.initial_loss:
            return losses[-1]
        return exponential(losses, tau / every, kind="val")
