"""Noise of the losses: batches from 1 to 4,096, noise that stays, few examples, very short and long calls."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from benchmarks.harm.problems import INPUTS, adam, classification, mlp, regression, sgd
from benchmarks.harm.training import Batch, Training, kind


def _small(batch: int, steps: int) -> Training:
    model = mlp()
    return regression(model, adam(model, 1e-3), batch=batch, steps=steps)


@kind
def batch_1() -> Training:
    """Regression with Gaussian noise, one example a step."""
    return _small(1, 24)


@kind
def batch_2() -> Training:
    """Two examples a step."""
    return _small(2, 16)


@kind
def batch_4() -> Training:
    """Four examples a step."""
    return _small(4, 12)


@kind
def batch_4096() -> Training:
    """Nearly no noise in the losses."""
    return regression(batch=4096, steps=4, rows=4096)


@kind
def one_batch_of_all_data() -> Training:
    """Thirty-two examples, all in one batch, one step a call."""
    training = regression(rows=32, steps=1, calls=40)
    x, y = next(iter(training.batches(0)))
    training.batches = lambda call: [(x, y)]
    return training


@kind
def one_step_a_call() -> Training:
    """A call after every step."""
    return regression(steps=1, calls=90)


@kind
def long_calls() -> Training:
    """Two thousand losses a call, more than a period keeps."""
    training = regression(steps=80, calls=10)
    training.recorded = lambda loss, call: [loss] * 25  # many records, little time
    return training


def _stationary(told: bool) -> Training:
    """A linear model that has learned what there is; what is left is noise."""
    model = nn.Linear(INPUTS, 1)
    training = regression(model, sgd(model, 1e-3), batch=4, steps=4, calls=150)
    for call in range(30):
        for batch in training.batches(call):
            training.train(batch, call)
    if not told:
        training.told = lambda call: None
    return training


@kind
def stationary() -> Training:
    """Noise around a level, no validation."""
    return _stationary(told=False)


@kind
def stationary_validated() -> Training:
    """Noise around a level, validated at every call."""
    return _stationary(told=True)


@kind
def label_noise() -> Training:
    """Forty per cent of the labels are wrong."""
    return classification(wrong=0.4)


@kind
def ten_examples_validate() -> Training:
    """The controller is told the validation loss of ten examples."""
    training = classification()
    few = classification(training.model, training.optimizer, held_out=10)
    training.told = lambda call: few.final()
    return training


@kind
def sparse_validation() -> Training:
    """A validation loss at every fifth call."""
    training = regression()
    training.told = lambda call: training.final() if call % 5 == 0 else None
    return training


@kind
def dropout() -> Training:
    """Nine units of ten are left out."""
    return classification(mlp(4, hidden=64, dropout=0.9))


@kind
def heavy_tails() -> Training:
    """Targets with noise of infinite variance, absolute errors."""
    training = regression(noise=0.0, batch=4)
    generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
    clean = training.batches

    def noisy(call: int) -> Iterator[Batch]:
        for x, y in clean(call):
            yield x, y + 0.3 * torch.empty(y.shape).cauchy_(generator=generator)

    training.batches = noisy
    training.loss = lambda b, call: (training.model(b[0]) - b[1]).abs().mean()
    return training
