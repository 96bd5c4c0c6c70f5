"""AutoDrop: drop the LR when the angular velocity of the parameters saturates.

Source: AutoDrop (ICLR 2022 submission), algorithm 1 and section 4. :class:`AngleRule` needs no network:
parameter vectors in, LRs out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import torch
from torch import Tensor, nn

from arc.methods.method import Method, State, require
from arc.methods.run import Run, get_lr, set_lr
from arc.torch_private import BatchNorm

EPSILON: Final = 1e-12
"""Keeps the angle's division from 0 (definition 1: "a small positive number")."""
BATCH_NORM_BATCHES: Final = 100
"""At most so many batches refresh the BatchNorm statistics after averaging; enough to estimate a mean
and a variance, where torch's ``update_bn`` reads the whole epoch."""


@dataclass
class AngleState(State):
    """What the rule remembers between two epochs.

    Attributes:
        last: the parameters at the last epoch's end, after averaging.
        displacement: the last epoch's change of the parameters.
        angles: the last angular velocities in degrees, at most ``smoothing`` of them.
        velocity: their mean, one epoch ago.
        epochs: epochs seen.
        threshold: the change of the angular velocity that triggers the next drop; None: the initial one.
        pending: epochs averaged since the trigger; None while no drop is pending.
        weighted_sum: sum of k x_k over those epochs.
        drops: epochs at which the LR dropped.
    """

    last: Tensor | None = None
    displacement: Tensor | None = None
    angles: list[float] = field(default_factory=list)
    velocity: float | None = None
    epochs: int = 0
    threshold: float | None = None
    pending: int | None = None
    weighted_sum: Tensor | None = None
    drops: list[int] = field(default_factory=list)


@dataclass(kw_only=True)
class AutoDrop(Method):
    """Multiply the LR by ``drop_factor`` when the angular velocity stops changing.

    With x_t the parameters at the end of epoch t and s_t = x_t - x_(t-1), the angular velocity is
    w_t = angle(s_t, s_(t-1)) in degrees per epoch. When t > 2 and |w_t - w_(t-1)| < threshold, train
    ``delay`` more epochs, set the parameters to their average weighted 1, 2, ..., ``delay``, multiply
    the LR by ``drop_factor`` and divide the threshold by it.

    Choices where the paper is garbled or silent:

    - its listing counts the trigger's epoch as k = 1 and lets a new trigger start over; its text says
      "another n_d epochs". We follow the text: k = 1 is the first epoch after the trigger, and
      triggers are ignored while a drop is pending;
    - "exponential average" is what it calls these linear weights; the formula is followed;
    - an LR below ``min_lr`` is never raised to it: it stays;
    - momentum buffers stay as they are; BatchNorm statistics are recomputed for the averaged
      parameters (at most 100 batches);
    - ``smoothing`` averages the angular velocity over the last epochs; 1 in algorithm 1, 20 iterations
      in the noisy quadratic of section 3.

    Attributes:
        drop_factor: rho, as in the hand-made schedule; the paper's CIFAR runs use 0.2.
        delay: n_d, epochs between the trigger and the drop.
        threshold: theta_0, degrees per epoch.
        max_threshold: the largest threshold, degrees per epoch.
        min_lr: the lowest LR.
        smoothing: angular velocities averaged.
    """

    drop_factor: float = 0.2
    delay: int = 20
    threshold: float = 0.01
    max_threshold: float = 1.0
    min_lr: float = 1e-4
    smoothing: int = 1
    state: AngleState = field(default_factory=AngleState, init=False, repr=False)

    def __post_init__(self) -> None:
        require(0 < self.drop_factor < 1, "drop_factor", self.drop_factor, "a number between 0 and 1")
        require(self.delay >= 1, "delay", self.delay, "an integer >= 1 (epochs)")
        require(self.smoothing >= 1, "smoothing", self.smoothing, "an integer >= 1 (epochs)")
        require(
            0 < self.threshold <= self.max_threshold,
            "threshold",
            self.threshold,
            "0 < threshold <= max_threshold",
        )
        require(0 < self.min_lr < math.inf, "min_lr", self.min_lr, "a positive LR")

    def start(self, run: Run) -> None:
        """Remember the initial parameters."""
        self.begin(self._parameters(run))

    def advance(self, run: Run, steps: int) -> list[float]:
        """Train."""
        return run.train(steps)

    def epoch_end(self, run: Run) -> None:
        """Look at the angle; average and drop when it is time."""
        lr = get_lr(run.optimizer)
        average, new_lr = self.observe(self._parameters(run), lr)
        if average is not None:
            _set_parameters(run.model, average)
            refresh_batch_norm(run)
        if new_lr != lr:
            set_lr(run.optimizer, new_lr)

    def _parameters(self, run: Run) -> Tensor:
        vector = nn.utils.parameters_to_vector(run.model.parameters()).detach()
        run.cost.add(snapshot_bytes=vector.numel() * vector.element_size())
        return vector

    # -- the rule, without a run ---------------------------------------------------------------

    def begin(self, parameters: Tensor) -> None:
        """Start from these parameters, a vector."""
        self.state.last = parameters
        self.state.displacement = torch.zeros_like(parameters)

    def observe(self, parameters: Tensor, lr: float) -> tuple[Tensor | None, float]:
        """End an epoch.

        Returns:
            the vector to set the parameters to (None: leave them), and the LR of the next epoch.
        """
        state = self.state
        assert state.last is not None and state.displacement is not None
        state.epochs += 1
        displacement = parameters - state.last
        state.angles = [*state.angles, angle(displacement, state.displacement)][-self.smoothing :]
        before, state.velocity = state.velocity, sum(state.angles) / len(state.angles)
        state.last, state.displacement = parameters, displacement
        if state.pending is not None:
            return self._average(parameters, lr)
        threshold = self.threshold if state.threshold is None else state.threshold
        if state.epochs > 2 and before is not None and abs(state.velocity - before) < threshold:
            state.pending, state.weighted_sum = 0, torch.zeros_like(parameters)
        return None, lr

    def _average(self, parameters: Tensor, lr: float) -> tuple[Tensor | None, float]:
        state = self.state
        assert state.pending is not None and state.weighted_sum is not None
        state.pending += 1
        state.weighted_sum = state.weighted_sum + state.pending * parameters
        if state.pending < self.delay:
            return None, lr
        state.last = state.weighted_sum * (2 / (self.delay * (self.delay + 1)))
        threshold = self.threshold if state.threshold is None else state.threshold
        state.threshold = min(self.max_threshold, threshold / self.drop_factor)
        state.pending = state.weighted_sum = None
        state.drops = [*state.drops, state.epochs]
        return state.last, min(lr, max(self.min_lr, self.drop_factor * lr))


def _set_parameters(model: nn.Module, vector: Tensor) -> None:
    """Copy a vector into the parameters; torch's ``vector_to_parameters`` would make them views of it."""
    parameters = list(model.parameters())
    with torch.no_grad():
        for p, values in zip(parameters, vector.split([p.numel() for p in parameters]), strict=True):
            p.copy_(values.view_as(p))


def angle(first: Tensor, second: Tensor) -> float:
    """The angle between two vectors in degrees; 90 where one of them is 0 (definition 1)."""
    first, second = first.double(), second.double()
    cosine = torch.dot(first, second) / (first.norm() * second.norm() + EPSILON)
    return math.degrees(torch.arccos(cosine.clamp(-1, 1)).item())


def refresh_batch_norm(run: Run) -> None:
    """Recompute the running statistics of BatchNorm layers as plain means over training batches."""
    layers = [m for m in run.model.modules() if isinstance(m, BatchNorm) and m.track_running_stats]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a cumulative mean
    batches = run.sample(min(run.steps_per_epoch, BATCH_NORM_BATCHES), seed=run.step_count)
    run.loss(batches, update_statistics=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
