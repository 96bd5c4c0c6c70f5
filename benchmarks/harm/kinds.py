"""Healthy trainings that look ill, part one: batches, losses, validation. Each is a function of a seed."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.harm.training import ROWS, Batch, Training, classification, mlp, regression

KINDS: dict[str, Callable[[int], Training]] = {}
"""Name -> the training of a seed; torch's generator is seeded before the call."""


def kind(make: Callable[[int], Training]) -> Callable[[int], Training]:
    """Register a training under its function's name."""
    KINDS[make.__name__] = make
    return make


def adam(model: nn.Module, lr: float = 3e-3) -> torch.optim.Optimizer:
    """Adam at an LR that suits the small nets here."""
    return torch.optim.Adam(model.parameters(), lr=lr)


def regress(
    seed: int, *, lr: float = 3e-3, noise: float = 0.1, rows: int = ROWS, **changes: object
) -> Training:
    """A regression that trains well."""
    model = mlp()
    return Training(regression(seed, noise=noise, rows=rows), model, adam(model, lr), **changes)  # type: ignore[arg-type]


def classify(seed: int, *, wrong: float = 0.0, dropout: float = 0.0, **changes: object) -> Training:
    """A classification that trains well."""
    model = mlp(4, dropout=dropout)
    return Training(classification(seed, wrong=wrong), model, adam(model), **changes)  # type: ignore[arg-type]


# -- batches ------------------------------------------------------------------------------------------


@kind
def batch_1(seed: int) -> Training:
    return regress(seed, lr=1e-3, noise=1.0, batch=1, steps=64)


@kind
def batch_2(seed: int) -> Training:
    return regress(seed, lr=1e-3, noise=1.0, batch=2, steps=48)


@kind
def batch_4(seed: int) -> Training:
    return regress(seed, lr=1e-3, noise=1.0, batch=4, steps=32)


@kind
def batch_4096(seed: int) -> Training:
    return regress(seed, batch=4096, steps=None, epochs=60)


@kind
def one_batch_an_epoch(seed: int) -> Training:
    return regress(seed, rows=32, batch=32, steps=None, epochs=120)


@kind
def one_step_a_call(seed: int) -> Training:
    return regress(seed, lr=1e-3, steps=1, epochs=200)


@kind
def long_calls(seed: int) -> Training:
    return regress(seed, lr=1e-3, steps=500, epochs=9, batch=8, noise=0.5)


@kind
def accumulation_mean_recorded(seed: int) -> Training:
    return regress(seed, batch=8, accumulate=4, steps=32)


@kind
def accumulation_last_scaled_recorded(seed: int) -> Training:
    """As a framework logs it that divides by the items of the group: the last group is a quarter as large."""
    count = 8
    return regress(
        seed,
        batch=8,
        accumulate=4,
        steps=32,
        recorded=lambda i, loss: loss * (4 if i % count == count - 1 else 1),
    )


# -- scales and signs of the loss ------------------------------------------------------------------------


@kind
def scale_1e_6(seed: int) -> Training:
    return classify(seed, recorded=lambda i, loss: 1e-6 * loss, shown=lambda e, loss: 1e-6 * loss)


@kind
def scale_1e6(seed: int) -> Training:
    return classify(seed, recorded=lambda i, loss: 1e6 * loss, shown=lambda e, loss: 1e6 * loss)


@kind
def negative_losses(seed: int) -> Training:
    return classify(seed, recorded=lambda i, loss: loss - 3.0, shown=lambda e, loss: loss - 3.0)


@kind
def losses_around_zero(seed: int) -> Training:
    return classify(seed, recorded=lambda i, loss: loss - 0.5, shown=lambda e, loss: loss - 0.5)


@kind
def constant_losses(seed: int) -> Training:
    return classify(seed, recorded=lambda i, loss: 1.0, shown=lambda e, loss: None)


@kind
def rewards(seed: int) -> Training:
    """Noisy negative returns, as a policy gradient logs them, far noisier than they improve."""
    noise = torch.Generator().manual_seed(seed)
    return regress(
        seed,
        recorded=lambda i, loss: loss + 5 * float(torch.randn((), generator=noise)),
        shown=lambda e, loss: None,
    )


@kind
def stationary_noise(seed: int) -> Training:
    """Nothing left to learn: an ensemble member goes on at its LR."""
    return regress(seed, lr=1e-3, noise=3.0, batch=8, epochs=150, shown=lambda e, loss: None)


@kind
def stationary_noise_validated(seed: int) -> Training:
    return regress(seed, lr=1e-3, noise=3.0, batch=8, epochs=150)


# -- losses that rise by design ------------------------------------------------------------------------


@kind
def targets_three_times_larger(seed: int) -> Training:
    training = regress(seed)
    _, y = training.problem.train

    def change(epoch: int) -> None:
        if epoch == 16:
            y.mul_(3)
            training.problem.val[1].mul_(3)

    training.before_epoch = change
    return training


@kind
def curriculum(seed: int) -> Training:
    """Harder examples come later: the training loss rises while the net learns."""
    training = regress(seed)
    x, y = training.problem.train
    order = y.abs().flatten().argsort()
    x.copy_(x[order].clone())
    y.copy_(y[order].clone())
    whole = (x, y)

    def harder(epoch: int) -> None:
        count = len(x) // 4 * (1 + 3 * min(1, epoch // 3 / 7))
        training.problem.train = (whole[0][: int(count)], whole[1][: int(count)])

    training.before_epoch = harder
    return training


@kind
def annealed_penalty(seed: int) -> Training:
    """A term whose weight rises, as the KL term of a VAE: the sum rises, the net learns."""

    def loss(model: nn.Module, batch: Batch, epoch: int) -> torch.Tensor:
        out = model(batch[0])
        return F.mse_loss(out, batch[1]) + 0.2 * min(1.0, epoch / 15) * (2 + out.square().mean())

    return regress(seed, loss=loss)


@kind
def rising_weight(seed: int) -> Training:
    return regress(seed, weight=lambda epoch: 1.0 + epoch / 3)


@kind
def weight_that_jumps(seed: int) -> Training:
    return regress(seed, weight=lambda epoch: 10.0 if epoch >= 10 else 1.0)


@kind
def adversarial_examples(seed: int) -> Training:
    """The attack grows stronger with the epochs."""

    def loss(model: nn.Module, batch: Batch, epoch: int) -> torch.Tensor:
        x = batch[0].clone().requires_grad_()
        F.cross_entropy(model(x), batch[1]).backward()
        assert x.grad is not None
        attacked = batch[0] + 0.015 * epoch * x.grad.sign()
        model.zero_grad()
        return F.cross_entropy(model(attacked), batch[1])

    return classify(seed, loss=loss)


@kind
def two_players(seed: int) -> Training:
    """A generator's loss against a critic that is trained beside it, as in a GAN: it goes up and down."""
    training = regress(seed, lr=1e-3)
    critic = nn.Sequential(nn.Linear(9, 32), nn.ReLU(), nn.Linear(32, 1))
    other = torch.optim.Adam(critic.parameters(), lr=1e-3)

    def loss(model: nn.Module, batch: Batch, epoch: int) -> torch.Tensor:
        x, y = batch
        made = model(x)
        real, fake = critic(torch.cat([x, y], 1)), critic(torch.cat([x, made.detach()], 1))
        other.zero_grad()
        (F.softplus(-real) + F.softplus(fake)).mean().backward()
        other.step()
        return F.softplus(-critic(torch.cat([x, made], 1))).mean() + F.mse_loss(made, y)

    training.loss = loss
    return training


@kind
def label_noise(seed: int) -> Training:
    return classify(seed, wrong=0.4)


@kind
def heavy_dropout(seed: int) -> Training:
    model = mlp(4, width=128, dropout=0.9)
    return Training(classification(seed), model, adam(model))


@kind
def outliers(seed: int) -> Training:
    training = regress(seed, lr=1e-3, batch=8, steps=32)
    y = training.problem.train[1]
    y[::97] += 20.0
    return training


# -- what is not finite --------------------------------------------------------------------------------


@kind
def one_bad_record_an_epoch(seed: int) -> Training:
    return regress(seed, recorded=lambda i, loss: math.nan if i % 8 == 3 else loss)


@kind
def one_infinite_record(seed: int) -> Training:
    return regress(seed, recorded=lambda i, loss: math.inf if i == 100 else loss)


@kind
def bad_validation_every_other_call(seed: int) -> Training:
    return regress(seed, shown=lambda epoch, loss: math.nan if epoch % 2 else loss)


# -- validation ----------------------------------------------------------------------------------------


@kind
def no_validation(seed: int) -> Training:
    return regress(seed, shown=lambda epoch, loss: None)


@kind
def sparse_validation(seed: int) -> Training:
    return regress(seed, shown=lambda epoch, loss: loss if epoch % 5 == 4 else None)


@kind
def ten_validation_examples(seed: int) -> Training:
    training = classify(seed)
    x, y = training.problem.val

    def shown(epoch: int, loss: float) -> float:
        rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed * 1000 + epoch))[:10]
        with torch.no_grad():
            return float(F.cross_entropy(training.model(x[rows]), y[rows]))

    training.shown = shown
    return training


@kind
def another_validation_loss(seed: int) -> Training:
    """Validation in another unit than training, as a perplexity."""
    return classify(seed, shown=lambda epoch, loss: math.exp(3 * loss))
