"""SLS: stochastic gradient descent whose step size satisfies the Armijo condition at every step.

Source: Painless stochastic gradient (Vaswani et al., NeurIPS 2019), algorithm 1, and its public code
for the constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor

from arc.methods.method import Method, State, require
from arc.methods.run import Closure, Run, set_lr

FALLBACK: Final = 1e-6
"""The step size of a step whose search found none [code]."""
MIN_GRADIENT: Final = 1e-8
"""Gradients of a smaller norm take no step [code]."""


def backtrack(
    trial: Callable[[float], float],
    loss: float,
    slope: float,
    first: float,
    *,
    c: float,
    beta: float,
    most: int,
) -> tuple[float, bool]:
    """The first eta of ``first``, ``beta first``, ``beta^2 first``, ... with enough decrease.

    That is Armijo's condition ``f(w - eta g) <= f(w) - c eta |g|^2``.

    Args:
        trial: step size to the loss after the step.
        loss: the loss before it.
        slope: squared norm of the gradient.
        first: step size to begin with.
        c, beta: constants of the condition and of the reduction.
        most: trials.

    Returns:
        the step size, and whether it satisfies the condition; the last one tried if none does. A loss
        that is not finite fails.

    Example:
        >>> backtrack(lambda eta: (1 - eta) ** 2, 1.0, 1.0, 4.0, c=0.5, beta=0.5, most=9)  # (w - eta)^2 at 1
        (1.0, True)
    """
    eta = first
    for _ in range(most):
        if trial(eta) <= loss - c * eta * slope:
            return eta, True
        eta *= beta
    return eta, False


@dataclass
class LineSearchState(State):
    """The step size that the last step ended with; None before the first."""

    step_size: float | None = None


@dataclass(kw_only=True)
class LineSearch(Method):
    """Back off from the last step size until the loss of the batch falls enough.

    Per step, on the same batch with the same dropout masks: begin with the last step size times
    ``gamma^(1 / steps per epoch)``, multiply by ``beta`` until
    ``f(w - eta g) <= f(w) - c eta |g|^2``. No initial LR.

    It takes plain gradient steps: of the optimizer only the parameter groups and their LR fields are
    used. Groups of unequal LRs keep their ratios, |g|^2 then weighs each group by its ratio.

    Choices: BatchNorm statistics move with the first forward pass of a step only; the growth of the step
    size stops at ``max_step``, as in the public code's bound for it; a batch whose own loss is not finite
    takes no step.

    Attributes:
        c: sufficient decrease [code].
        beta: reduction of a rejected step size [code].
        gamma: growth of the step size per epoch [code].
        initial_step: step size before the first growth [code].
        max_step: bound of the growth [code].
        max_trials: trials of one step; then the step size is 1e-6 [code].
    """

    c: float = 0.1
    beta: float = 0.9
    gamma: float = 2.0
    initial_step: float = 1.0
    max_step: float = 10.0
    max_trials: int = 100
    state: LineSearchState = field(default_factory=LineSearchState, init=False, repr=False)

    def __post_init__(self) -> None:
        require(0 < self.c < 1, "c", self.c, "a number between 0 and 1")
        require(0 < self.beta < 1, "beta", self.beta, "a number between 0 and 1")
        require(self.gamma >= 1, "gamma", self.gamma, "a factor >= 1")
        require(0 < self.initial_step < math.inf, "initial_step", self.initial_step, "a positive number")
        require(0 < self.max_step < math.inf, "max_step", self.max_step, "a positive number")
        require(self.max_trials >= 1, "max_trials", self.max_trials, "an integer >= 1")

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train with the search in place of the optimizer's step."""
        growth = self.gamma ** (1 / run.steps_per_epoch)
        return run.train(steps, lambda closure: self._step(run.optimizer, closure, growth))

    def _step(self, optimizer: torch.optim.Optimizer, closure: Closure, growth: float) -> float:
        """One step; the optimizer's LR is set to the step size taken."""
        loss = closure.backward()
        first = min((self.state.step_size or self.initial_step) * growth, self.max_step)
        moves = _moves(optimizer)
        slope = float(sum(ratio * g.double().square().sum() for _, _, g, ratio in moves))
        if not (math.isfinite(loss) and math.isfinite(slope) and math.sqrt(slope) >= MIN_GRADIENT):
            set_lr(optimizer, first)
            self.state.step_size = first
            return loss

        def trial(eta: float) -> float:
            with torch.no_grad():
                for p, before, g, ratio in moves:
                    torch.sub(before, g, alpha=eta * ratio, out=p)
            return closure.loss()

        eta, found = backtrack(trial, loss, slope, first, c=self.c, beta=self.beta, most=self.max_trials)
        self.state.step_size = eta
        if not found:
            eta = FALLBACK
            with torch.no_grad():
                for p, before, g, ratio in moves:
                    torch.sub(before, g, alpha=eta * ratio, out=p)
        set_lr(optimizer, eta)
        return loss


Move = tuple[Tensor, Tensor, Tensor, float]


def _moves(optimizer: torch.optim.Optimizer) -> list[Move]:
    """Parameter, its value before the step, gradient, and its group's LR over the first group's."""
    first = float(optimizer.param_groups[0]["lr"])
    return [
        (p.detach(), p.detach().clone(), p.grad, float(group["lr"]) / first)
        for group in optimizer.param_groups
        for p in group["params"]
        if p.grad is not None
    ]
