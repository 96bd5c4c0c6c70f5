"""Weights that move, and their exact movement beside the sketched one."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from arc.history.movement import Movement
from tests import reference

NORMS = ("step", "norm", "start", "distance")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weight(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=generator(seed)).to(dtype))


def sgd(*parameters: Tensor, lr: Any = 0.1) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr)


def values_of(parameters: list[nn.Parameter]) -> list[np.ndarray]:
    return [p.detach().double().numpy().copy() for p in parameters]


def move(parameters: list[nn.Parameter], number: int = 0, size: float = 0.1) -> None:
    """Moves them by noise around one direction of each: cosines of one half."""
    with torch.no_grad():
        for i, p in enumerate(parameters):
            both = torch.randn(p.shape, generator=generator(i)) + torch.randn(
                p.shape, generator=generator(1000 * (number + 1) + i)
            )
            p.add_(size * both.to(p.dtype))


def net(width: int = 60) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(30, width), nn.Tanh()]
    for _ in range(4):
        layers += [nn.Linear(width, width), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(width, 3))


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, numbers: torch.Generator) -> None:
    for _ in range(steps):
        x = torch.randn(16, 30, generator=numbers)
        loss = (model(x) - torch.sin(x[:, :3])).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def close(found: Movement, states: list[list[np.ndarray]], *, norms: float, cosines: float) -> None:
    expected = reference.movement(states)
    for name in NORMS:
        assert getattr(found, name) == pytest.approx(expected[name], rel=norms), name
    for name in ("cosine", "cosine2"):
        assert getattr(found, name) == pytest.approx(expected[name], abs=cosines, nan_ok=True), name
    # quantiles may be those of one tensor, whose errors are larger than the net's
    assert found.tensor_cosine == pytest.approx(expected["tensor_cosine"], abs=2 * cosines, nan_ok=True)
    assert found.tensor_step == pytest.approx(expected["tensor_step"], abs=norms, nan_ok=True)
