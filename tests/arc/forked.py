"""Ranks of a test as forks of one process, and the training that each of them does."""

import os
import sys
import traceback
from collections.abc import Callable

import torch
from torch import nn


def train(net: nn.Module, optimizer: torch.optim.Optimizer, call: int) -> list[float]:
    """Three steps towards the first of twenty inputs, which the call's number draws; their losses."""
    generator = torch.Generator().manual_seed(call)
    losses = []
    for _ in range(3):
        x = torch.randn(16, 20, generator=generator)
        optimizer.zero_grad()
        loss = (net(x) - x[:, :1]).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def run(world: int, rank: Callable[[int], None]) -> None:
    """Run ``rank(0)`` to ``rank(world - 1)`` side by side, and exit with the number of those that failed."""
    torch.set_num_threads(1)
    children = []
    for number in range(world):
        child = os.fork()  # torch is imported once for all ranks
        if not child:
            try:
                rank(number)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
