"""Updates of another kind: clipped, ascending first, decayed to nothing, with a teacher."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.harm.problems import classification, mlp, regression, sgd
from benchmarks.harm.training import Batch, Training, kind


@kind
def clipped() -> Training:
    """Gradients clipped at a norm of a tenth."""
    model = mlp()
    training = regression(model, sgd(model, 0.1), noise=0.3)

    def update(batch: Batch, call: int) -> Any:
        training.optimizer.zero_grad()
        loss = training.loss(batch, call)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        training.optimizer.step()
        return loss.detach()

    training.update = update
    return training


@kind
def sharpness_aware() -> Training:
    """Up along the gradient, then down by the gradient found there; both losses are recorded."""
    model = mlp(4)
    training = classification(model, sgd(model, 0.02))

    def update(batch: Batch, call: int) -> Any:
        training.optimizer.zero_grad()
        first = training.loss(batch, call)
        first.backward()
        parameters = list(model.parameters())
        slopes = [p.grad.clone() for p in parameters if p.grad is not None]
        norm = torch.stack([s.norm() for s in slopes]).norm() + 1e-12
        with torch.no_grad():
            for p, s in zip(parameters, slopes, strict=True):
                p.add_(s, alpha=float(0.1 / norm))
        training.optimizer.zero_grad()
        second = training.loss(batch, call)
        second.backward()
        with torch.no_grad():
            for p, s in zip(parameters, slopes, strict=True):
                p.sub_(s, alpha=float(0.1 / norm))
        training.optimizer.step()
        return [first.detach(), second.detach()]

    training.update = update
    return training


def _teacher(weight: float) -> Training:
    """A slow copy of the net teaches it; what is validated is the copy."""
    model = mlp(4)
    teacher = copy.deepcopy(model).requires_grad_(False)
    training = classification(model)
    plain = training.loss

    def update(batch: Batch, call: int) -> Any:
        training.optimizer.zero_grad()
        away = F.mse_loss(model(batch[0]), teacher(batch[0]))
        loss = plain(batch, call) + weight * away
        loss.backward()
        training.optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(teacher.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 0.02)
        return loss.detach()

    x, y = (torch.cat(part) for part in zip(*training.batches(0), strict=True))

    def told(call: int) -> float:
        with torch.no_grad():
            return float(F.cross_entropy(teacher(x), y))

    training.update, training.told = update, told
    return training


@kind
def ema_teacher() -> Training:
    """An exponential moving average as teacher and as what is validated."""
    return _teacher(0.5)


@kind
def ema_teacher_strong() -> Training:
    """The same, with a consistency that outweighs the labels."""
    return _teacher(5.0)


@kind
def weight_decay() -> Training:
    """A decay that shrinks the weights while the loss falls."""
    model = mlp(4)
    return classification(model, torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1.0))


@kind
def nearly_converged() -> Training:
    """A fine-tuning that starts where nearly all is learned."""
    training = classification()
    for call in range(12):
        for batch in training.batches(call):
            training.train(batch, call)
    return training


@kind
def noiseless() -> Training:
    """A linear target without noise: the loss falls by many decades."""
    model = torch.nn.Linear(8, 1)
    training = regression(model, sgd(model, 0.03, momentum=0.0), noise=0.0)
    weight = torch.randn(8, 1)

    def exact(batch: Batch, call: int) -> Tensor:
        return F.mse_loss(model(batch[0]), batch[0] @ weight)

    x = torch.randn(512, 8)

    def final() -> float:
        with torch.no_grad():
            return float(F.mse_loss(model(x), x @ weight))

    training.loss, training.final = exact, final
    return training
