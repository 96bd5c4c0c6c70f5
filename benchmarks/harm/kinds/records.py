"""What the controller is told is not what one would expect: odd scales, holes, non-finite values."""

from __future__ import annotations

import math
from typing import Any

import torch

from benchmarks.harm.problems import classification, mlp, regression, sgd
from benchmarks.harm.training import Batch, Training, kind

MICRO = 4
"""Micro-batches of an optimizer step."""


def _accumulated(recorded: str) -> Training:
    """33 micro-batches, four a step: the last step has one only. Each is weighed by its share of the step."""
    training = classification(batch=8, steps=33)
    state: dict[str, list[Any]] = {"group": []}

    def update(batch: Batch, call: int) -> Any:
        group = state["group"]
        group.append(batch)
        n = len(group)
        seen = state.setdefault("seen", [])
        seen.append(1)
        last = len(seen) % 33 == 0
        if n < MICRO and not last:
            return None
        training.optimizer.zero_grad()
        losses = [training.loss(b, call) / n for b in group]
        torch.stack(losses).sum().backward()
        training.optimizer.step()
        group.clear()
        told = losses[-1] if recorded == "last" else torch.stack(losses).sum()
        return told.detach()

    training.update = update
    return training


@kind
def accumulation() -> Training:
    """Gradient accumulation, the mean over a step is recorded."""
    return _accumulated("mean")


@kind
def accumulation_last_share() -> Training:
    """Only the last micro-batch's share is recorded: a quarter of the loss eight times, then all of it."""
    return _accumulated("last")


@kind
def one_nan_record_a_call() -> Training:
    """One record per call is NaN; the step was healthy."""
    training = regression(noise=0.3)
    seen = {"call": 0}

    def recorded(loss: Any, call: int) -> Any:
        first, seen["call"] = seen["call"] != call, call
        return math.nan if first else loss

    training.recorded = recorded
    return training


@kind
def one_nan_record_of_all() -> Training:
    """One record of the whole run is NaN, in call 10."""
    training = classification()
    seen = {"done": False}

    def recorded(loss: Any, call: int) -> Any:
        hit = call == 10 and not seen["done"]
        seen["done"] = seen["done"] or hit
        return math.nan if hit else loss

    training.recorded = recorded
    return training


@kind
def inf_validation_every_other_call() -> Training:
    """The validation loss overflows at every other call."""
    training = regression(noise=0.3)
    training.told = lambda call: math.inf if call % 2 == 0 else training.final()
    return training


@kind
def targets_three_times_from_16() -> Training:
    """The targets are three times as large from call 16 on."""
    training = regression(noise=0.3, calls=30)
    plain = training.loss
    now = {"factor": 1.0}

    def begin(call: int) -> None:
        now["factor"] = 3.0 if call >= 16 else 1.0

    training.begin = begin
    training.loss = lambda b, call: plain((b[0], now["factor"] * b[1]), call)
    x, y = (torch.cat(part) for part in zip(*training.batches(0), strict=True))

    def final() -> float:
        with torch.no_grad():
            return float(plain((x, now["factor"] * y), 0))

    training.final = final
    return training


@kind
def constant_records() -> Training:
    """The loss that is recorded is the same number all the time, and nothing is validated."""
    training = classification()
    training.recorded = lambda loss, call: 1.0
    training.told = lambda call: None
    return training


@kind
def sum_of_short_last_batch() -> Training:
    """Losses are sums over a batch, and the last batch of a call has three examples."""
    model = mlp()
    training = regression(model, sgd(model, 1e-3), noise=0.3)
    plain, whole = training.loss, training.batches

    def batches(call: int) -> Any:
        parts = list(whole(call))
        return [*parts[:-1], (parts[-1][0][:3], parts[-1][1][:3])]

    training.batches = batches
    training.loss = lambda b, call: len(b[0]) * plain(b, call)
    return training


@kind
def loss_scale_1e_6() -> Training:
    """Losses of a millionth, Adam."""
    return regression(noise=0.3, scale=1e-6, optimizer=None)


@kind
def loss_scale_1e6() -> Training:
    """Losses of a million, Adam."""
    return regression(noise=0.3, scale=1e6)


@kind
def negative_losses() -> Training:
    """A log-likelihood that is all below zero, and falls."""
    training = regression(noise=0.3, positive=False)
    plain, positive = training.loss, training.final
    training.loss = lambda b, call: plain(b, call) - 20.0
    training.final = lambda: positive() - 20.0
    return training


@kind
def outlier_batches() -> Training:
    """One batch of twenty has targets ten times as large, and gradients are clipped."""
    training = regression(noise=0.3, steps=20)
    whole = training.batches

    def batches(call: int) -> Any:
        for i, (x, y) in enumerate(whole(call)):
            yield x, (10.0 * y if i == 13 else y)

    def update(batch: Batch, call: int) -> Any:
        training.optimizer.zero_grad()
        loss = training.loss(batch, call)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(training.model.parameters(), 1.0)
        training.optimizer.step()
        return loss.detach()

    training.batches, training.update = batches, update
    return training
