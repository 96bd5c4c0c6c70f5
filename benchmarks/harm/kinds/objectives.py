"""Losses that rise or wander by design: curricula, adversaries, annealed weights, returns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.harm.problems import INPUTS, adam, classification, mlp, regression
from benchmarks.harm.training import Batch, Loss, Training, kind


@kind
def curriculum() -> Training:
    """Easy examples first: small inputs, growing to their full size over sixteen calls."""

    def loss(plain: Loss, batch: Batch, call: int) -> Tensor:
        x, y = batch
        keep = y.abs().flatten() <= 0.3 + 0.3 * call
        return plain((x[keep], y[keep]) if keep.any() else batch, call)

    return regression(noise=0.1).with_loss(loss)


@kind
def adversarial() -> Training:
    """Inputs are moved against the net, further with every call."""

    def loss(plain: Loss, batch: Batch, call: int) -> Tensor:
        x = batch[0].clone().requires_grad_()
        (slope,) = torch.autograd.grad(plain((x, batch[1]), call), x)
        return plain((batch[0] + 0.03 * call * slope.sign(), batch[1]), call)

    return classification().with_loss(loss)


@kind
def multi_task_weights() -> Training:
    """A second task's weight grows from 0 to 5."""
    model = mlp(2)
    training = regression(model, noise=0.3)

    def parts(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        out = model(x)
        second = torch.sin(3 * x[:, :1]) * 2
        return F.mse_loss(out[:, :1], y), F.mse_loss(out[:, 1:], second)

    def loss(batch: Batch, call: int) -> Tensor:
        first, second = parts(*batch)
        return first + 5.0 * min(1.0, call / 20) * second

    x, y = (torch.cat(part) for part in zip(*training.batches(0), strict=True))

    def final() -> float:
        with torch.no_grad():
            first, second = parts(x, y)
        return float(first + 5.0 * second)

    training.loss, training.final = loss, final
    return training


class Autoencoder(nn.Module):
    """Mean and log variance of two latent numbers, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.decode = mlp(4), mlp(INPUTS, inputs=2)

    def parts(self, x: Tensor, noise: Tensor | float) -> tuple[Tensor, Tensor]:
        """Squared error, and divergence from the prior."""
        mean, spread = self.encode(x).chunk(2, dim=1)
        out = self.decode(mean + noise * (0.5 * spread).exp())
        divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread).sum(1).mean()
        return (out - x).square().sum(1).mean(), divergence


@kind
def kl_annealing() -> Training:
    """A variational autoencoder whose divergence weighs nothing at first and 3 at the end."""
    model = Autoencoder()
    mixing = torch.randn(INPUTS, INPUTS)
    mixing[2:] *= 0.2
    training = regression(mlp(), adam(model))

    def loss(batch: Batch, call: int) -> Tensor:
        x = batch[0] @ mixing
        error, divergence = model.parts(x, torch.randn(len(x), 2))
        return error + 3.0 * min(1.0, call / 20) * divergence

    x_val = torch.randn(256, INPUTS) @ mixing

    def final() -> float:
        with torch.no_grad():
            error, divergence = model.parts(x_val, 0.0)
        return float(error + 3.0 * divergence)

    training.model, training.loss, training.final = model, loss, final
    return training


@kind
def returns() -> Training:
    """Policy gradients on a contextual bandit: the loss is minus reward times log-probability."""
    model = mlp(4)
    training = classification(model, adam(model, 2e-3), batch=32, positive=False)

    def loss(batch: Batch, call: int) -> Tensor:
        x, y = batch
        choice = torch.distributions.Categorical(logits=model(x))
        action = choice.sample()
        reward = (action == y).float() - 0.25
        return -(reward * choice.log_prob(action)).mean()

    x, y = (torch.cat(part) for part in zip(*training.batches(0), strict=True))

    def final() -> float:
        with torch.no_grad():
            return -float(model(x).softmax(1).gather(1, y[:, None]).mean())

    training.loss, training.final = loss, final
    return training


@kind
def gan() -> Training:
    """A generator and a discriminator in turns; the generator's optimizer is controlled."""
    model, judge = mlp(2, inputs=2), mlp(1, inputs=2)
    critic = torch.optim.Adam(judge.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4, betas=(0.5, 0.999))
    training = regression(mlp(), optimizer, batch=64, steps=12)
    centre = torch.tensor([2.0, -1.0])

    def update(batch: Batch, call: int) -> Any:
        real = centre + torch.randn(64, 2) * torch.tensor([0.5, 1.0])
        made = model(torch.randn(64, 2))
        critic.zero_grad()
        (F.softplus(-judge(real)) + F.softplus(judge(made.detach()))).mean().backward()
        critic.step()
        optimizer.zero_grad()
        loss = F.softplus(-judge(made)).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    z = torch.randn(1024, 2)

    def final() -> float:
        with torch.no_grad():
            made = model(z)
        return float((made.mean(0) - centre).square().sum() + (made.std(0) - 1).square().sum())

    training.model, training.update, training.final = model, update, final
    return training


@kind
def focal_then_plain() -> Training:
    """A loss of another kind, and of another size, from call 10 on."""
    training = classification()

    def loss(plain: Loss, batch: Batch, call: int) -> Tensor:
        if call >= 10:
            return plain(batch, call)
        logp = training.model(batch[0]).log_softmax(1).gather(1, batch[1][:, None])
        return -((1 - logp.exp()).square() * logp).mean()

    return training.with_loss(loss)


@kind
def harder_data_from_12() -> Training:
    """Noise comes onto the inputs at call 12."""
    training = classification()
    whole = training.batches
    generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))

    def batches(call: int) -> Any:
        for x, y in whole(call):
            yield x + (2.0 * torch.randn(x.shape, generator=generator) if call >= 12 else 0.0), y

    training.batches = batches
    return training
