"""What ARC costs a training on a card: records, calls, sketches, copies."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

import arc
from arc.decision import RecoveryWarning
from arc.history.sketch import Sketches
from arc.recovery.copies import Copies
from arc.recovery.room import free_memory, nbytes
from benchmarks import rescue
from benchmarks.gpu.job import Tell
from tests.arc import cuda_checks

CALLS = 12
RECORDS = 100


def run(tell: Tell, device: str, millions: int) -> None:
    """Records alone where there are no parameters, else calls, sketches and copies."""
    if millions:
        _calls(tell, device, millions)
    else:
        _records(tell, device)


def _records(tell: Tell, device: str) -> None:
    """Host time, and the time that the device needs or waits for the host."""
    controller = arc.Controller(torch.optim.SGD([torch.ones(1, device=device).requires_grad_()], lr=0.1))
    loss = torch.ones((), device=device)

    def records() -> None:
        for _ in range(1000):
            controller.record(loss)

    records()
    host = []
    for _ in range(9):
        began = time.perf_counter()
        records()
        host.append(1e3 * (time.perf_counter() - began))
    values: dict[str, Any] = {"host_us": statistics.median(host)}
    said = f"{values['host_us']:.1f} us on the host"
    if device == "cuda":
        values["events_us"] = 1e3 * cuda_checks.record_milliseconds(device)
        values["synchronisations"] = synchronisations(records)
        said += f", {values['events_us']:.1f} us by events, {values['synchronisations']} synchronisations"
    tell("record", said, **values)


def _calls(tell: Tell, device: str, millions: int) -> None:
    name = f"{millions} M parameters"
    net, adam = rescue.trained(millions, device)
    size, free = nbytes(adam, net), free_memory()
    sketches = Sketches([adam])
    sketches.movement()
    values: dict[str, Any] = {
        "sketch_ms": milliseconds(sketches.take, device),
        "movement_ms": 1e3 * rescue.seconds(sketches.movement, device, 5),
        "bytes": size,
    }
    said = f"{values['sketch_ms']:.2f} ms on the device, {values['movement_ms']:.2f} ms with its one read"
    tell(f"sketch, {name}", said, **values)
    del sketches
    if free is not None and free < 3 * size:
        raise RuntimeError(
            f"two copies take {2 * size >> 30} GiB, of {free >> 30} GiB of host memory that are free"
        )
    copies = Copies(adam, net)
    found = rescue.costs(copies, device, 3)
    said = (
        f"{size / 2**20:,.0f} MiB hold the training up for {1e3 * found.copy:.1f} ms, are on the host after "
        f"{1e3 * found.complete:.0f} (at first {1e3 * found.first:.0f}), back in {1e3 * found.restore:.0f}"
    )
    tell(f"copies, {name}", said, **found._asdict())
    copies.drop("good")
    del copies
    _step(tell, device, name, net, adam)


def _step(tell: Tell, device: str, name: str, net: torch.nn.Module, adam: torch.optim.Optimizer) -> None:
    """``controller.step()`` as a training sees it, while the weights move and the loss falls."""
    warnings.simplefilter("ignore", RecoveryWarning)
    controller = arc.Controller(adam, model=net, rollback=True)
    parameters = [p.detach() for p in net.parameters()]
    generator = torch.Generator().manual_seed(0)
    taken, waited = [], 0
    for call in range(CALLS):
        losses = torch.rand(RECORDS, generator=generator) / 10 + 2 / (call + 1)
        for loss in losses.to(device).unbind():
            controller.record(loss)
        for parameter in parameters:
            parameter.mul_(1.01)
        _wait(device)

        def step(call: int = call) -> None:
            controller.step(val_loss=2 / (call + 1))

        if call == CALLS - 1 and device == "cuda":
            waited = synchronisations(step)
            continue
        began = time.perf_counter()
        step()
        taken.append(1e3 * (time.perf_counter() - began))
    usual, most = statistics.median(taken[2:]), max(taken[2:])
    share = usual / (1e3 * rescue.CALL_SECONDS)
    said = f"{usual:.1f} ms a call ({share:.2%} of one of {rescue.CALL_SECONDS:g} s), at most {most:.1f}"
    if device == "cuda":
        said += f", {waited} synchronisations"
    restores = sum(decision.restored is not None for decision in controller.decisions)
    tell(f"step, {name}", said, calls_ms=taken, synchronisations=waited, restores=restores)


def milliseconds(action: Callable[[], object], device: str, repeats: int = 5) -> float:
    """Median time of an action: by events on a card, else wall time."""
    if device != "cuda":
        return 1e3 * rescue.seconds(action, device, repeats)
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    found = []
    for _ in range(repeats):
        start.record()
        action()
        end.record()
        end.synchronize()
        found.append(start.elapsed_time(end))
    return statistics.median(found)


def synchronisations(action: Callable[[], object]) -> int:
    """How often an action makes the host wait for the card, as far as torch notices."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            action()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum(
        "synchroniz" in str(one.message).lower() and "prototype" not in str(one.message) for one in caught
    )


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
