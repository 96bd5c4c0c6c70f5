"""A controller on what ``accelerator.prepare`` returns."""

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

import arc


def test_the_prepared_optimizer_is_taken_as_it_is(network: arc.Network) -> None:
    """Accelerate's wrapper is an optimizer by type only: it takes no hooks, and its step has no marks."""
    optimizer = torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
    prepared = Accelerator(cpu=True).prepare(optimizer)
    assert prepared is not optimizer
    assert arc.Controller(prepared, network=network).optimizers == (optimizer,)
    with pytest.raises(TypeError, match="twice"):
        arc.Controller([prepared, optimizer], network=network)


def test_a_schedule_on_the_prepared_optimizer_is_noticed(network: arc.Network) -> None:
    optimizer = torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)
    scheduler = LambdaLR(optimizer, lambda step: 0.5**step)
    prepared, schedule = Accelerator(cpu=True).prepare(optimizer, scheduler)
    with pytest.raises(RuntimeError, match="scheduler="):
        arc.Controller(prepared, network=network)
    arc.Controller(prepared, network=network, scheduler=schedule)
