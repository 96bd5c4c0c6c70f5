"""A loop of Accelerate's with a prepared arc.Scheduler, in one process or two."""

import json
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import arc


def train(accelerator: Accelerator, network: arc.Network) -> arc.Scheduler:
    """Four epochs; the scheduler inside Accelerate's wrapper."""
    torch.manual_seed(0)
    rows = torch.randn(64, 4)
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    scheduler = arc.Scheduler(optimizer, network=network, policy="paper", period=2)
    data = DataLoader(TensorDataset(rows), batch_size=8)
    net, optimizer, data, prepared = accelerator.prepare(net, optimizer, data, scheduler)
    for _ in range(4):
        for (batch,) in data:
            with accelerator.accumulate(net):
                loss = (net(batch) - batch.sum(1, keepdim=True)).square().mean()
                accelerator.backward(loss)
                optimizer.step()
                optimizer.zero_grad()
        with torch.no_grad():
            val_loss = (net(rows) - rows.sum(1, keepdim=True)).square().mean()
        prepared.step(val_loss)
    return scheduler


def in_two_processes(network: arc.Network, folder: Path) -> None:
    """For Accelerate's launcher: each process writes what it did."""
    AcceleratorState._reset_state(reset_partial_state=True)  # a forked process has that of the tests before
    GradientState._reset_state()
    accelerator = Accelerator(cpu=True)
    assert accelerator.num_processes == 2
    scheduler = train(accelerator, network)
    found = {"lr": scheduler.get_last_lr(), "calls": len(scheduler.controller._log)}
    (folder / f"{accelerator.process_index}.json").write_text(json.dumps(found))
