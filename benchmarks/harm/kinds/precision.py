"""bfloat16 weights, autocast, scaled gradients, skipped steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import lr_scheduler as schedulers

from benchmarks.harm.problems import classification, evaluation, mlp, regression
from benchmarks.harm.training import Batch, Loss, Training, kind


def _bf16(make: Any = None) -> Training:
    """Weights in bfloat16, AdamW."""
    model = mlp().bfloat16()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    training = regression(model, optimizer, noise=0.3, calls=30)
    training.with_loss(lambda plain, b, call: plain((b[0].bfloat16(), b[1]), call))
    x, y = (torch.cat(part) for part in zip(*training.batches(0), strict=True))
    training.final = evaluation(model, lambda out, goal: (out - goal).square().mean(), x.bfloat16(), y)
    if make is not None:
        training.schedulers = [make(optimizer)]
    return training


@kind
def bf16() -> Training:
    """bfloat16 weights at a constant LR."""
    return _bf16()


@kind
def bf16_cosine() -> Training:
    """bfloat16 weights under a cosine: late steps are too small to move most of them."""
    return _bf16(lambda optimizer: schedulers.CosineAnnealingLR(optimizer, 30))


@kind
def bf16_exponential() -> Training:
    """bfloat16 weights under an exponential decay."""
    return _bf16(lambda optimizer: schedulers.ExponentialLR(optimizer, 0.8))


@kind
def bf16_steps_down() -> Training:
    """bfloat16 weights, a tenth of the LR every ten calls."""
    return _bf16(lambda optimizer: schedulers.StepLR(optimizer, 10, 0.1))


@kind
def autocast() -> Training:
    """Forward passes in bfloat16."""

    def loss(plain: Loss, batch: Batch, call: int) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return plain(batch, call)

    return classification().with_loss(loss)


def _scaled(records_skipped: bool) -> Training:
    """Dynamic loss scaling as a GradScaler does it: a scale too large skips the step and is halved."""
    training = classification()
    state = {"scale": 2.0**16, "good": 0}

    def update(batch: Batch, call: int) -> Any:
        training.optimizer.zero_grad()
        loss = training.loss(batch, call)
        (loss * state["scale"]).backward()
        if state["scale"] > 2.0**12:  # where the gradients of half precision would overflow
            state["scale"] /= 2
            state["good"] = 0
            return loss.detach() if records_skipped else None
        for parameter in training.model.parameters():
            assert parameter.grad is not None
            parameter.grad /= state["scale"]
        training.optimizer.step()
        state["good"] += 1
        if state["good"] % 40 == 0:
            state["scale"] *= 2
        return loss.detach()

    training.update = update
    return training


@kind
def grad_scaler() -> Training:
    """Skipped steps are not recorded."""
    return _scaled(records_skipped=False)


@kind
def grad_scaler_all_recorded() -> Training:
    """Skipped steps are recorded too."""
    return _scaled(records_skipped=True)
