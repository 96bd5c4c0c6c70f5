"""Trainings that are ruined."""

import math
from typing import Any

import torch
from torch import nn

import arc
from tests.arc.helpers import epoch, falling


def net(value: float) -> nn.Linear:
    made = nn.Linear(4, 1, bias=False)
    nn.init.constant_(made.weight, value)
    return made


def trained(model: nn.Linear, optimizer: Any, controller: arc.Controller, calls: int) -> None:
    for e in range(calls):
        optimizer.zero_grad()
        model(torch.ones(1, 4)).sum().backward()
        optimizer.step()
        epoch(controller, falling(e))


def break_(model: nn.Linear, optimizer: Any) -> None:
    optimizer.zero_grad()
    model(torch.full((1, 4), math.inf)).sum().backward()
    optimizer.step()
    assert not model.weight.isfinite().all()


def noisy(level: float) -> list[float]:
    return [level + 0.01 * math.sin(37 * i) for i in range(40)]
