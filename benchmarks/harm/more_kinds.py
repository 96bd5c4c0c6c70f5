"""Healthy trainings that look ill, part two: schedules, freezing, precision, special nets."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import lr_scheduler

from benchmarks.harm.kinds import adam, classify, kind, regress
from benchmarks.harm.training import Training, classification, mlp, regression

# -- schedules beside the controller ---------------------------------------------------------------------


def scheduled(training: Training, scheduler: Any, *, each: str = "epoch") -> Training:
    """The training with a torch scheduler that the controller knows of."""
    training.settings["scheduler"] = scheduler
    if each == "step":
        training.after_step = scheduler.step
    else:
        training.before_epoch = lambda epoch: scheduler.step() if epoch else None
    return training


@kind
def cyclic_lr(seed: int) -> Training:
    training = regress(seed)
    cycle = lr_scheduler.CyclicLR(training.optimizer, 3e-4, 6e-3, step_size_up=24, cycle_momentum=False)
    return scheduled(training, cycle, each="step")


@kind
def warm_restarts(seed: int) -> Training:
    training = regress(seed)
    return scheduled(training, lr_scheduler.CosineAnnealingWarmRestarts(training.optimizer, 10, eta_min=1e-5))


@kind
def cosine(seed: int) -> Training:
    training = classify(seed)
    return scheduled(training, lr_scheduler.CosineAnnealingLR(training.optimizer, 30))


@kind
def warmup_schedule(seed: int) -> Training:
    training = classify(seed)
    return scheduled(training, lr_scheduler.LinearLR(training.optimizer, 1e-3, total_iters=40), each="step")


@kind
def warmup_from_zero(seed: int) -> Training:
    training = classify(seed)
    ramp = lr_scheduler.LambdaLR(training.optimizer, lambda step: min(1.0, step / 40))
    return scheduled(training, ramp, each="step")


@kind
def groups_lambda_reaches_zero(seed: int) -> Training:
    model = mlp()
    optimizer = torch.optim.Adam(
        [{"params": model[:2].parameters()}, {"params": model[2:].parameters()}], lr=3e-3
    )
    fade = lr_scheduler.LambdaLR(optimizer, [lambda e: max(0.0, 1 - e / 15), lambda e: 1.0])
    return scheduled(Training(regression(seed), model, optimizer), fade)


# -- freezing ---------------------------------------------------------------------------------------------


def two_groups(seed: int, **changes: Any) -> Training:
    """A deep backbone and a small head, each a group of the optimizer."""
    body = [layer for _ in range(4) for layer in (nn.Linear(32, 32), nn.ReLU())]
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), *body, nn.Linear(32, 1))
    optimizer = torch.optim.Adam(
        [{"params": model[:-1].parameters()}, {"params": model[-1].parameters()}], lr=1e-3
    )
    return Training(regression(seed), model, optimizer, **changes)


@kind
def backbone_lr_zero(seed: int) -> Training:
    training = two_groups(seed)

    def freeze(epoch: int) -> None:
        if epoch == 16:
            training.optimizer.param_groups[0]["lr"] = 0.0

    training.before_epoch = freeze
    return training


@kind
def backbone_frozen(seed: int) -> Training:
    training = two_groups(seed)

    def freeze(epoch: int) -> None:
        if epoch == 16:
            training.model[:-1].requires_grad_(False)  # type: ignore[index]

    training.before_epoch = freeze
    return training


@kind
def backbone_unfrozen(seed: int) -> Training:
    training = two_groups(seed)
    training.before_epoch = lambda epoch: training.model[:-1].requires_grad_(epoch >= 6)  # type: ignore[index,assignment,return-value]
    return training


@kind
def head_every_other_epoch(seed: int) -> Training:
    training = two_groups(seed, epochs=40)
    training.before_epoch = lambda epoch: training.model[:-1].requires_grad_(epoch % 2 == 0)  # type: ignore[index,assignment,return-value]
    return training


# -- precision ----------------------------------------------------------------------------------------------


class Bfloat16(nn.Module):
    """A net of bfloat16 parameters, whose updates are rounded away once the LR is small."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(width=64).to(torch.bfloat16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(x.to(torch.bfloat16))
        return out.float()


def bfloat16(seed: int) -> Training:
    model = Bfloat16()
    return Training(regression(seed, noise=0.3), model, torch.optim.AdamW(model.parameters(), lr=3e-3))


@kind
def bfloat16_cosine(seed: int) -> Training:
    training = bfloat16(seed)
    return scheduled(training, lr_scheduler.CosineAnnealingLR(training.optimizer, 30))


@kind
def bfloat16_exponential(seed: int) -> Training:
    training = bfloat16(seed)
    return scheduled(training, lr_scheduler.ExponentialLR(training.optimizer, 0.75))


@kind
def bfloat16_steps(seed: int) -> Training:
    training = bfloat16(seed)
    return scheduled(training, lr_scheduler.StepLR(training.optimizer, 8, 0.1))


@kind
def skipped_steps(seed: int) -> Training:
    """A gradient scaler that skips steps whose gradients overflow: their losses are infinite."""
    training = classify(seed)
    count = [0]

    def step(loss: torch.Tensor) -> None:
        count[0] += 1
        training.optimizer.zero_grad()
        if count[0] > 5 and count[0] % 60:
            loss.backward()
            training.optimizer.step()

    training.step = step
    training.recorded = lambda i, loss: loss if i >= 5 and (i + 1) % 60 else float("inf")
    return training


@kind
def autocast(seed: int) -> Training:
    def loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], epoch: int) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            out = model(batch[0])
        return F.cross_entropy(out.float(), batch[1])

    return classify(seed, loss=loss)


# -- nets and optimizers ------------------------------------------------------------------------------------


@kind
def zero_initialised_head(seed: int) -> Training:
    model = mlp()
    nn.init.zeros_(model[-1].weight)  # type: ignore[arg-type]
    return Training(regression(seed), model, adam(model))


@kind
def zero_initialised_net(seed: int) -> Training:
    """A linear model that starts at 0, as a logistic regression does: its distance is infinite."""
    model = nn.Linear(8, 4)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    return Training(classification(seed), model, adam(model, 1e-2))


class Adapted(nn.Module):
    """A frozen net with a tiny trained detour that starts at 0 (LoRA)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = mlp(width=64).requires_grad_(False)
        self.down, self.up = nn.Linear(8, 4, bias=False), nn.Linear(4, 64, bias=False)
        nn.init.zeros_(self.up.weight)
        self.out = nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.net[:-1](x) + self.up(torch.tanh(self.down(x)))
        out: torch.Tensor = self.out(torch.relu(hidden))
        return out


@kind
def adapters(seed: int) -> Training:
    model = Adapted()
    trained = [p for p in model.parameters() if p.requires_grad]
    return Training(regression(seed), model, torch.optim.AdamW(trained, lr=3e-3))


@kind
def adapters_alone(seed: int) -> Training:
    model = Adapted()
    return Training(
        regression(seed), model, torch.optim.Adam([*model.down.parameters(), *model.up.parameters()], lr=1e-3)
    )


@kind
def averaged_teacher(seed: int) -> Training:
    """The target is a moving average of the net itself, and moves away as the net learns."""
    training = regress(seed)
    teacher = copy.deepcopy(training.model)

    def follow() -> None:
        with torch.no_grad():
            for slow, fast in zip(teacher.parameters(), training.model.parameters(), strict=True):
                slow.lerp_(fast, 0.05)

    def loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor], epoch: int) -> torch.Tensor:
        with torch.no_grad():
            target = teacher(batch[0] + 0.1)
        out = model(batch[0])
        return F.mse_loss(out, batch[1]) + (1 + epoch / 10) * F.mse_loss(out, target)

    training.loss, training.after_step = loss, follow
    return training


@kind
def tensor_lr_shared(seed: int) -> Training:
    model = mlp()
    lr = torch.tensor(3e-3)
    groups = [{"params": model[:2].parameters()}, {"params": model[2:].parameters()}]
    return Training(regression(seed), model, torch.optim.AdamW(groups, lr=lr))


@kind
def clipped(seed: int) -> Training:
    training = regress(seed)

    def step(loss: torch.Tensor) -> None:
        training.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(training.model.parameters(), 0.1)
        training.optimizer.step()

    training.step = step
    return training


@kind
def momentum_sgd(seed: int) -> Training:
    model = mlp(4)
    return Training(classification(seed), model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9))


@kind
def weight_decay(seed: int) -> Training:
    model = mlp(4)
    return Training(
        classification(seed, wrong=0.2),
        model,
        torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1.0),
    )


@kind
def batch_norm_small_batches(seed: int) -> Training:
    model = nn.Sequential(
        *(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU()),
        nn.Linear(32, 4),
    )
    return Training(classification(seed), model, adam(model), batch=8, steps=32)


@kind
def overfits(seed: int) -> Training:
    """Validation rises for a long time while training falls; a lower LR would not help either."""
    model = mlp(4, width=128)
    return Training(
        classification(seed, wrong=0.2, rows=64), model, adam(model), batch=16, steps=4, epochs=60
    )


@kind
def plateau_then_falls(seed: int) -> Training:
    """A loss that stays where it was for a while and falls then, as parity problems do."""
    training = classify(seed, epochs=60)
    for inputs, labels in (training.problem.train, training.problem.val):
        labels.copy_(((inputs[:, 0] > 0) ^ (inputs[:, 1] > 0)).long() + 2 * (inputs[:, 2] > 0).long())
    return training
