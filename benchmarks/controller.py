"""What the controller costs: ``python -m benchmarks.controller [--tasks svhn_vgg,...]``.

Prints each cost beside its bound and exits with 1 where one is exceeded. Shares are ratios within one
process on one thread, in CPU time, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

import arc
from arc.history.losses import CAPACITY, Loss, LossBuffer
from arc.history.sketch import Sketches
from arc.network import numpy as numpy_network
from arc.network import weights
from arc.network.estimator import Estimator
from tasks import registry
from tasks.base import Source
from tasks.loop import TaskRun

PERIOD = 3
SLOW_EPOCH = 0.3
"""Seconds; from here on an epoch's bound is tighter."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One measured cost and the bound of the project's brief, in the unit of both."""

    name: str
    value: float
    bound: float
    unit: str

    def line(self) -> str:
        """For the table."""
        verdict = "" if self.value <= self.bound else "  EXCEEDED"
        return f"{self.name:<44} {self.value:10.3f} {self.bound:10.3f} {self.unit}{verdict}"


def _median_seconds(call: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        began = time.thread_time()
        call()
        seconds.append(time.thread_time() - began)
    return statistics.median(seconds)


def _controller(network: arc.Network | Estimator) -> arc.Controller:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    return arc.Controller(optimizer, network=network, period=PERIOD, rollback=False, verbose=False)


def decisions(network: arc.Network | Estimator) -> list[Cost]:
    """A decision of the network, and one of the paper's with NumPy on three periods of 1,000 steps.

    Features are included, and with the former how its one weight has moved; copies are not.
    """
    controller = _controller(network)
    losses = np.random.default_rng(0).normal(size=1000).tolist()
    seconds = []
    for call in range(20 * PERIOD):
        for loss in losses[: 1000 // PERIOD]:
            controller.record(loss)
        with torch.no_grad():  # weights that stand still are asked nothing
            controller.optimizer.param_groups[0]["params"][0].add_(losses[call])
        began = time.thread_time()
        decision = controller.step(val_loss=1.0 / (call + 1))
        asked = decision is not None or isinstance(network, Estimator)
        if asked and call > 3 * PERIOD:
            seconds.append(time.thread_time() - began)
    window = [arc.Period(train_loss=losses, val_loss=[1.0, 0.9, 0.8], lr=0.1)] * 3
    arrays = weights.load_arrays(weights.paper())
    plain = _median_seconds(lambda: numpy_network.probabilities(arrays, arc.featurise(window)), 50)
    return [
        Cost(name="decision, torch", value=1e3 * statistics.median(seconds), bound=0.8, unit="ms"),
        Cost(name="decision, NumPy", value=1e3 * plain, bound=5.0, unit="ms"),
    ]


def records(network: arc.Network | Estimator) -> list[Cost]:
    """One record, while the buffer fills and once it is full; also as on a device, without its controller."""
    costs = []
    tensor = torch.tensor(1.0, requires_grad=True) * 2
    for kind, loss, bound in (
        ("float", 1.0, 3.0),
        ("tensor", tensor, 10.0),
        ("device's tensor", tensor, 10.0),
    ):
        for state, before in (("filling", 1), ("full", 5 * CAPACITY)):
            on_device = kind.startswith("device")
            record = LossBuffer(read_host=False).add if on_device else _controller(network).record
            for _ in range(before):
                record(loss)

            def many(record: Callable[[Loss], None] = record, loss: float | torch.Tensor = loss) -> None:
                for _ in range(100):
                    record(loss)

            value = 1e4 * _median_seconds(many, 9)
            costs.append(Cost(name=f"record a {kind}, buffer {state}", value=value, bound=bound, unit="us"))
    return costs


def memory(network: arc.Network | Estimator) -> Cost:
    """Python's and the buffer's memory at its peak over 100,000 steps; torch's tensors are counted apart."""
    loss = torch.tensor(1.0)
    tracemalloc.start()
    controller = _controller(network)
    for _ in range(3 * PERIOD):
        for _ in range(11_000):
            controller.record(loss)
        controller.step(val_loss=1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    slots = CAPACITY * 512  # a view of the buffer: at most half a kilobyte outside Python's allocator
    return Cost(
        name="memory beyond the network", value=(peak + slots + 4 * CAPACITY) / 1e6, bound=2.0, unit="MB"
    )


def movement() -> Iterator[Cost]:
    """What looking at the weights costs a call: of matrices of 512 x 512, each with a vector, in float32."""
    for millions, bound in ((1, 4.0), (10, 20.0), (100, 200.0)):
        sizes = [(512, 512), (512,)] * round(millions * 1e6 / (512 * 513))
        sketches = Sketches([torch.optim.SGD([nn.Parameter(torch.rand(size)) for size in sizes], lr=0.1)])
        sketches.movement()
        value = 1e3 * _median_seconds(sketches.movement, 9)
        name = f"movement of {millions} M parameters, {len(sizes)} tensors"
        yield Cost(name=name, value=value, bound=bound, unit="ms")


def share(name: str, network: arc.Network | Estimator, epochs: int = 4 * PERIOD) -> Cost:
    """Share of the controller in the CPU time of a mini task with Adam."""
    task = registry.get(name)
    run = TaskRun(task, task.load(Source()), optimizer="adam", lr=task.lr_range["adam"][0], seed=0)
    controller = arc.Controller(run.optimizer, network=network, period=PERIOD, verbose=False)
    run.train(run.steps_per_epoch)  # warms up
    training = controlling = 0.0
    for _ in range(epochs):
        began = time.thread_time()
        losses = torch.tensor(run.train(run.steps_per_epoch)).unbind()
        val_loss = run.validate()
        middle = time.thread_time()
        for loss in losses:
            controller.record(loss)
        controller.step(val_loss=val_loss)
        training += middle - began
        controlling += time.thread_time() - middle
    bound = 0.5 if training / epochs >= SLOW_EPOCH else 1.5
    label = f"share in {name} ({training / epochs:.3f} s an epoch)"
    return Cost(name=label, value=100 * controlling / (training + controlling), bound=bound, unit="%")


def main() -> int:
    """Measure, print, and tell by the exit code whether every bound holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", default=",".join(registry.names()), help="names, default: all")
    parser.add_argument("--controller", type=Path, help="a controller directory, default: the shipped one")
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = weights.load(options.controller)
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, CPU time")
    print(f"{'':<44} {'measured':>10} {'bound':>10}")
    costs = []
    for measured in (
        decisions(network),
        records(network),
        [memory(network)],
        list(movement()),
    ):
        costs += measured
        print("\n".join(cost.line() for cost in measured), flush=True)
    for name in filter(None, options.tasks.split(",")):
        costs.append(share(name, network))
        print(costs[-1].line(), flush=True)
    return int(any(cost.value > cost.bound for cost in costs))


if __name__ == "__main__":
    sys.exit(main())
