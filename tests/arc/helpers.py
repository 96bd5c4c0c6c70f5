"""Optimizers without a model, losses without a training, and programs of several ranks."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

import arc


def optimizer(*lr: float, cls: Any = torch.optim.SGD, **settings: Any) -> torch.optim.Optimizer:
    """An optimizer with one parameter group per LR."""
    groups = [{"params": [nn.Parameter(torch.ones(2))], "lr": value} for value in lr]
    made: torch.optim.Optimizer = cls(groups, **settings)
    return made


def seeded_network() -> arc.Network:
    """Untrained but for its seed: its answers are arbitrary, and always the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return arc.Network().eval().requires_grad_(False)


def lr_of(optimizer: torch.optim.Optimizer) -> float:
    """The first group's LR."""
    return float(optimizer.param_groups[0]["lr"])


def epoch(
    controller: arc.Controller, losses: Sequence[Any], val_loss: float | None = None
) -> arc.Decision | None:
    """Record and step."""
    for loss in losses:
        controller.record(loss)
    return controller.step(val_loss=val_loss)


def fit_sums(
    layer: nn.Linear,
    optimizer: torch.optim.Optimizer,
    x: torch.Tensor,
    steps: int,
    say: Callable[[Any], None],
) -> torch.Tensor:
    """Steps towards the sum of each row of ``x``; ``say`` gets every loss. The last one."""
    for _ in range(steps):
        loss = (layer(x) - x.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        say(loss)
    return loss


def falling(number: int) -> list[float]:
    """Ten losses of the epoch ``number``, going on from the epoch before."""
    return [2.0 / (1 + number + i / 10) for i in range(10)]


def run_module(name: str, *arguments: Any, timeout: float = 180) -> None:
    """Run ``python -m tests.arc.NAME ARGUMENTS``, a thread for each of its processes, without an error."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.arc.{name}", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr
