"""LRs that move by a schedule of the user's: up, down, to zero, around, several at once."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.optim import lr_scheduler as schedulers

from benchmarks.harm.problems import classification, mlp, regression, sgd
from benchmarks.harm.training import Training, kind


def _scheduled(make: Any, training: Training | None = None) -> Training:
    training = training or regression(noise=0.3)
    training.schedulers = [make(training.optimizer)]
    return training


@kind
def cosine() -> Training:
    """Down to zero by a cosine."""
    return _scheduled(lambda optimizer: schedulers.CosineAnnealingLR(optimizer, 24))


@kind
def exponential() -> Training:
    """Down by a fifth per call, to 1/200."""
    return _scheduled(lambda optimizer: schedulers.ExponentialLR(optimizer, 0.8), classification())


@kind
def steps_down() -> Training:
    """To a tenth every eight calls."""
    return _scheduled(lambda optimizer: schedulers.StepLR(optimizer, 8, 0.1))


@kind
def cyclic() -> Training:
    """Between a tenth of the LR and the LR, every eight calls."""
    model = mlp()

    def make(optimizer: torch.optim.Optimizer) -> Any:
        return schedulers.CyclicLR(optimizer, base_lr=0.002, max_lr=0.02, step_size_up=4)

    return _scheduled(make, regression(model, sgd(model, 0.02), noise=0.3))


@kind
def warm_restarts() -> Training:
    """A cosine that starts anew every eight calls."""
    return _scheduled(lambda optimizer: schedulers.CosineAnnealingWarmRestarts(optimizer, 8))


@kind
def warmup() -> Training:
    """Linearly up over eight calls, from a hundredth."""
    return _scheduled(lambda optimizer: schedulers.LinearLR(optimizer, 0.01, 1.0, 8))


@kind
def warmup_from_0() -> Training:
    """The first call at an LR of zero, then linearly up over six."""
    return _scheduled(lambda o: schedulers.LambdaLR(o, lambda call: min(1.0, call / 6)), classification())


@kind
def one_cycle() -> Training:
    """Up and down once, to nearly nothing."""
    return _scheduled(lambda optimizer: schedulers.OneCycleLR(optimizer, 3e-3, total_steps=25))


@kind
def several() -> Training:
    """A warmup times an exponential decay: two schedulers on one optimizer."""
    training = regression(noise=0.3)
    training.schedulers = [
        schedulers.LinearLR(training.optimizer, 0.1, 1.0, 6),
        schedulers.ExponentialLR(training.optimizer, 0.9),
    ]
    return training


@kind
def sequential() -> Training:
    """A warmup, then a cosine."""

    def make(optimizer: torch.optim.Optimizer) -> Any:
        parts = [schedulers.LinearLR(optimizer, 0.1, 1.0, 6), schedulers.CosineAnnealingLR(optimizer, 18)]
        return schedulers.SequentialLR(optimizer, parts, [6])

    return _scheduled(make)


@kind
def own_cosine() -> Training:
    """The loop multiplies the LR itself, by what its cosine asks for between two calls."""
    training = classification()

    def cosine_at(call: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * call / 26))

    def begin(call: int) -> None:
        for group in training.optimizer.param_groups:
            group["lr"] *= cosine_at(call) / cosine_at(call - 1)

    training.begin = begin
    return training


@kind
def shared_tensor_lr() -> Training:
    """Two groups of one optimizer share the tensor that holds their LR."""
    model = mlp(4)
    groups = [{"params": [*model[:2].parameters()]}, {"params": [*model[2:].parameters()]}]
    return classification(model, torch.optim.AdamW(groups, lr=torch.tensor(1e-3), foreach=False))
