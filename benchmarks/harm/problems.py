"""The problems that the kinds are made of: tiny, drawn anew for each seed, learned in tens of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.harm.training import Batch, Training

INPUTS = 8


def mlp(outputs: int = 1, *, hidden: int = 32, inputs: int = INPUTS, dropout: float = 0.0) -> nn.Sequential:
    """Three layers with ReLUs; modules 0, 2 (3 with dropout) and the last are linear."""
    between = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(
        nn.Linear(inputs, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        *between,
        nn.Linear(hidden, outputs),
    )


def draws(x: Tensor, y: Tensor, batch: int, steps: int) -> Callable[[int], Iterator[Batch]]:
    """``steps`` batches a call, drawn from a generator of their own: the same in every arm."""
    generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))

    def batches(call: int) -> Iterator[Batch]:
        for _ in range(steps):
            rows = torch.randint(len(x), (batch,), generator=generator)
            yield x[rows], y[rows]

    return batches


def evaluation(
    model: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
) -> Callable[[], float]:
    """The mean loss on ``x, y`` without dropout."""

    def final() -> float:
        model.eval()
        with torch.no_grad():
            value = float(loss(model(x).float(), y))
        model.train()
        return value

    return final


def _training(
    model: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    train: Batch,
    held_out: Batch,
    optimizer: torch.optim.Optimizer | None,
    batch: int,
    steps: int,
    **more: Any,
) -> Training:
    settings: dict[str, Any] = {
        "model": model,
        "optimizer": optimizer or adam(model),
        "batches": draws(*train, batch, steps),
        "loss": lambda b, call: loss(model(b[0]), b[1]),
        "final": evaluation(model, loss, *held_out),
    }
    return Training(**(settings | more))


def regression(
    model: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    noise: float = 1.0,
    batch: int = 16,
    steps: int = 10,
    rows: int = 2048,
    scale: float = 1.0,
    **more: Any,
) -> Training:
    """A smooth function of eight inputs with Gaussian noise, mean squared error times ``scale``."""
    model = model or mlp()
    x, x_val = torch.randn(rows, INPUTS), torch.randn(512, INPUTS)
    direction = torch.randn(INPUTS, 2) / INPUTS**0.5

    def target(at: Tensor) -> Tensor:
        hidden = at @ direction
        return (hidden[:, :1] + torch.tanh(2 * hidden[:, 1:])) * 1.5

    y = target(x) + noise * torch.randn(rows, 1)
    y_val = target(x_val) + noise * torch.randn(512, 1)

    def loss(out: Tensor, goal: Tensor) -> Tensor:
        return scale * F.mse_loss(out.float(), goal)

    return _training(model, loss, (x, y), (x_val, y_val), optimizer, batch, steps, **more)


def classification(
    model: nn.Module | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    wrong: float = 0.0,
    batch: int = 16,
    steps: int = 10,
    rows: int = 2048,
    held_out: int = 512,
    **more: Any,
) -> Training:
    """Four overlapping clouds in eight dimensions; a share of the training labels is drawn at random."""
    model = model or mlp(4)
    centres = 1.2 * torch.randn(4, INPUTS)

    def draw(n: int) -> Batch:
        y = torch.randint(4, (n,))
        return centres[y] + torch.randn(n, INPUTS), y

    (x, y), (x_val, y_val) = draw(rows), draw(held_out)
    y = torch.where(torch.rand(rows) < wrong, torch.randint(4, (rows,)), y)

    def loss(out: Tensor, goal: Tensor) -> Tensor:
        return F.cross_entropy(out.float(), goal)

    return _training(model, loss, (x, y), (x_val, y_val), optimizer, batch, steps, **more)


def adam(model: nn.Module, lr: float = 2e-3) -> torch.optim.Optimizer:
    """Adam on all parameters."""
    return torch.optim.Adam(model.parameters(), lr=lr, fused=True)  # twice as fast on a CPU


def sgd(model: nn.Module, lr: float = 0.05, **more: Any) -> torch.optim.Optimizer:
    """SGD with momentum on all parameters."""
    return torch.optim.SGD(model.parameters(), lr=lr, **({"momentum": 0.9} | more))
