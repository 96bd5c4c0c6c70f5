"""AutoLR: explore at an LR that only rises, then follow a local quadratic in the LR.

Source: AutoLR (ICLR 2020 submission). The arithmetic is in :mod:`arc.methods.quadratic`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from arc.methods.method import Method, State, require
from arc.methods.quadratic import MAX_CUT, Saturation, best_change, trust_radius
from arc.methods.run import Run, get_lr, set_lr


@dataclass
class AutoLRState(State):
    """What AutoLR remembers between two steps.

    Attributes:
        window: first and last step of the window in progress; None between two windows.
        start_loss: superbatch loss when the window began.
        rate: loss-drop rate (loss per step) of the last window that stands; None before the first.
        began, absolute: see :class:`arc.methods.quadratic.Saturation`.
        adjust: whether the next window begins with a new LR.
        checkpoint: the run before the change that is on trial; None without one.
        changes: (step, LR before, LR after) of every change, rolled back or not.
        rollbacks: steps at which a change was undone.
    """

    window: tuple[int, int] | None = None
    start_loss: float = math.nan
    rate: float | None = None
    began: float | None = None
    absolute: float | None = None
    adjust: bool = False
    checkpoint: Any = None
    changes: list[tuple[int, float, float]] = field(default_factory=list)
    rollbacks: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class AutoLR(Method):
    """Explore, then exploit, by a quadratic fit of the loss over small changes of the LR.

    Along the step d that the optimizer takes, L(theta - (lr + e) d) ~ k0 + k1 e + k2 e^2. Every
    ``window`` steps the loss is measured at ``samples`` changes e on one superbatch, and the LR moves to
    the minimum of the fit within the trust region |e|^3 < ``error`` L(theta). The first ``explore`` of the
    run only ever raises it; afterwards it changes only when the loss-drop rate has saturated. A change
    that makes the loss-drop rate worse is undone, model, optimizer and LR.

    Choices where the paper is silent:

    - d is read off the first optimizer step of the window, which counts as training: the parameters go
      on from theta - (lr + e*) d;
    - the changes tried are evenly spaced in [-h, h], h the smaller of the LR and the trust radius;
    - one change never cuts the LR to less than a tenth;
    - a superbatch is never larger than an epoch;
    - the answer stays within ``extrapolation`` times h. The paper lets the trust region alone decide, which
      allows an LR of 1e-3 to become 0.15 at once, on a fit to changes of 1e-3: on our small problems
      (three optimizers, LRs 1e-3 to 1) a limit of 1 ended lower than 2 or none in most runs;
    - after a rollback one window passes without a change.

    Attributes:
        explore: part of the run that explores; CIFAR-10 0.5, others 0.16 to 0.28 (table 8).
        error: r, the relative error threshold of the trust region: 5e-3 CIFAR-10; 1e-3 MNIST,
            Fashion-MNIST, ImageNet; 1e-9 IWSLT; 1e-12 SQuAD (table 8).
        saturation: relative saturation threshold: 100; 500 ImageNet, 5 IWSLT, 2 SQuAD (table 8).
        window: steps between two looks; None: half an epoch (appendix C; 1000 steps on CIFAR-10).
        superbatch: batches of one measurement (section 2.2).
        samples: changes tried for one fit; 3 usually do (appendix C).
        rollback: undo changes that make the loss-drop rate worse (section 2.2).
        extrapolation: how far beyond the changes tried the fit is believed; ``math.inf``: as far as the
            trust region reaches.
    """

    explore: float = 0.5
    error: float = 5e-3
    saturation: float = 100.0
    window: int | None = None
    superbatch: int = 100
    samples: int = 5
    rollback: bool = True
    extrapolation: float = 1.0
    state: AutoLRState = field(default_factory=AutoLRState, init=False, repr=False)

    def __post_init__(self) -> None:
        require(0 <= self.explore <= 1, "explore", self.explore, "a part of the run, 0 to 1")
        require(0 < self.error < math.inf, "error", self.error, "a positive number")
        require(self.saturation > 1, "saturation", self.saturation, "a ratio > 1")
        require(self.window is None or self.window >= 2, "window", self.window, "None or an integer >= 2")
        require(self.superbatch >= 1, "superbatch", self.superbatch, "an integer >= 1")
        require(self.samples >= 3, "samples", self.samples, "an integer >= 3")
        require(self.extrapolation >= 1, "extrapolation", self.extrapolation, "a factor >= 1")
        self._batches: tuple[int, Sequence[Any]] | None = None

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train to the end of the window at most, changing the LR at its first step if it is time."""
        state = self.state
        if state.window is None:
            window = self.window or max(2, run.steps_per_epoch // 2)
            state.window = (run.step_count, run.step_count + window)
            state.start_loss = self._loss(run)
            if state.adjust:
                return self._adjusted_step(run)
        losses = run.train(min(steps, state.window[1] - run.step_count))
        if run.step_count >= state.window[1]:
            self._end_window(run)
        return losses

    def _adjusted_step(self, run: Run) -> list[float]:
        """Take a step, fit, move the parameters to where the new LR would have taken them."""
        state, lr = self.state, get_lr(run.optimizer)
        state.adjust = False
        checkpoint = run.snapshot()
        parameters = [p for p in run.model.parameters() if p.requires_grad]
        before = [p.detach().clone() for p in parameters]
        run.cost.add(snapshot_bytes=sum(p.numel() * p.element_size() for p in before))
        losses = run.train(1)
        after = [p.detach().clone() for p in parameters]

        def move(change: float) -> None:
            with torch.no_grad():
                for p, old, new in zip(parameters, before, after, strict=True):
                    p.copy_(torch.lerp(old, new, 1 + change / lr))

        trust = trust_radius(state.start_loss, self.error)
        reach = min(lr, trust)
        change = 0.0
        if reach > 0:
            changes = np.linspace(-reach, reach, self.samples).tolist()
            measured = []
            for e in changes:
                move(e)
                measured.append(self._loss(run))
            radius = min(trust, self.extrapolation * reach)
            change = max(best_change(changes, measured, radius=radius), (MAX_CUT - 1) * lr)
        if self.exploring(run):
            change = max(change, 0.0)
        move(change)
        if change:
            set_lr(run.optimizer, lr + change)
            state.checkpoint = checkpoint
            state.changes = [*state.changes, (run.step_count, lr, lr + change)]
        return losses

    def _end_window(self, run: Run) -> None:
        state = self.state
        assert state.window is not None
        rate = (state.start_loss - self._loss(run)) / (state.window[1] - state.window[0])
        rate = rate if math.isfinite(rate) else -math.inf
        changed, state.window = state.checkpoint is not None, None
        if (
            changed
            and self.rollback
            and (rate == -math.inf or (state.rate is not None and rate < state.rate))
        ):
            state.rollbacks = [*state.rollbacks, run.step_count]
            run.restore(state.checkpoint)
            state.checkpoint = None
            return  # the window is done again as it was, without a change
        state.checkpoint = None
        state.rate = rate
        if changed or state.began is None:
            state.began = rate
        state.adjust = self.exploring(run) or self._saturated(rate)

    def _saturated(self, rate: float) -> bool:
        state = self.state
        rule = Saturation(began=state.began, absolute=state.absolute)
        if not rule.crossed(rate, self.saturation):
            return False
        if state.absolute is None:
            state.absolute = rule.fixed(rate, self.saturation)
        return True

    def exploring(self, run: Run) -> bool:
        """Whether the LR may only rise."""
        return self.progress(run) < self.explore

    def _loss(self, run: Run) -> float:
        """The loss on the window's superbatch, which the window's first step decides."""
        assert self.state.window is not None
        seed = self.state.window[0]
        if self._batches is None or self._batches[0] != seed:
            self._batches = (seed, run.sample(min(self.superbatch, run.steps_per_epoch), seed))
        return run.loss(self._batches[1])
