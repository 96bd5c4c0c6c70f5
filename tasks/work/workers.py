"""Units of work in local processes: one torch thread each, one progress bar for all.

A worker that dies, raises, hangs or runs out of memory fails its own unit only. The unit is tried
again in a fresh process, at most twice, then reported with its reason while the others go on.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Sequence

import torch

from tasks.errors import InputError
from tasks.work.ledger import Ledger, Outcome, report
from tasks.work.processes import TICK, Refusal, Tick, Unit, Worker, feed, ready, receive

__all__ = ["Outcome", "Tick", "Unit", "count", "report", "resolve_device", "run_all"]


def count(workers: str | int, device: str = "cpu") -> int:
    """Number of processes for ``workers=auto`` (cores, or GPUs on ``cuda``) or a positive number."""
    if workers == "auto":
        if device.startswith("cuda"):
            return max(1, torch.cuda.device_count())
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        number = int(workers)
    except ValueError:
        number = 0
    if number < 1:
        raise InputError(f"got workers={workers}, need auto or an integer >= 1")
    return number


def resolve_device(device: str) -> str:
    """``auto`` as ``cuda`` or ``cpu``; InputError for a device that is not there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" or (device.startswith("cuda") and torch.cuda.is_available()):
        return device
    raise InputError(f"got device={device}, this machine has cpu{', cuda' * torch.cuda.is_available()}")


def run_all(
    units: Sequence[Unit],
    *,
    workers: int,
    title: str,
    unit_name: str = "trials",
    tick_name: str = "rows",
    timeout: float = math.inf,
) -> Outcome:
    """Run all units, in the given order, in ``workers`` processes.

    The first interrupt lets running units finish for some seconds; what is not finished is left for
    the next call. Progress goes to stderr, and only to a terminal.
    """
    queue = deque(units)
    pool: list[Worker] = []
    ledger = Ledger(units, title=title, unit_name=unit_name, tick_name=tick_name)
    try:
        while True:
            try:
                if ledger.deadline is None:
                    feed(pool, queue, workers)
                if not any(w.unit for w in pool) or ledger.over:
                    break
                for worker in pool:
                    if worker.unit and time.monotonic() - worker.began > timeout:
                        worker.process.kill()  # it is then ready, with the signal as its reason
                        worker.late = True
                for worker in ready(pool):
                    answer = receive(worker)
                    unit = worker.unit
                    if unit is None:
                        continue
                    if answer == TICK:
                        ledger.tick(unit)
                        continue
                    worker.unit = None
                    if ledger.settle(unit, answer):
                        queue.append(unit)
                    if isinstance(answer, str) and not isinstance(answer, Refusal):
                        worker.process.kill()  # what the unit broke must not break the next one
                        worker.process.join()
                pool = [w for w in pool if w.process.is_alive() or w.unit]
            except KeyboardInterrupt:
                ledger.interrupt()
    finally:
        ledger.close()
        for worker in pool:
            worker.pipe.close()
            if worker.unit:
                worker.process.kill()
            worker.process.join()
    return ledger.result()
