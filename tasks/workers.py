"""Units of work in local processes: one torch thread each, one progress bar for all.

A worker that dies, raises or runs out of memory fails its own unit only. The unit is tried again in a
fresh process, at most twice, then reported with its reason while the others go on.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from tqdm import tqdm

from tasks.errors import InputError
from tasks.processes import TICK, Tick, Unit, Worker, feed, ready, receive

__all__ = ["Outcome", "Tick", "Unit", "count", "report", "resolve_device", "run_all"]

RETRIES = 2
GRACE = 5.0
"""Seconds that running units have to finish after an interrupt."""


@dataclass
class Outcome:
    """What became of the units."""

    done: int = 0
    rows: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    left: int = 0


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
    outcome = Outcome()
    queue = deque(units)
    attempts: dict[str, int] = {}
    pool: list[Worker] = []
    deadline: float | None = None
    total = sum(unit.ticks for unit in units)
    bar = tqdm(total=total, desc=title, unit=f" {tick_name}", disable=not sys.stderr.isatty(), smoothing=0.1)

    def settle(worker: Worker, unit: Unit, answer: int | str) -> None:
        """Book the end of a unit: done, to be tried again, or failed."""
        worker.unit = None
        bar.update(-worker.ticks)
        worker.ticks = 0
        if isinstance(answer, int):
            outcome.done += 1
            outcome.rows += answer
        else:
            attempts[unit.name] = attempts.get(unit.name, 0) + 1
            if attempts[unit.name] <= RETRIES or deadline is not None:
                queue.append(unit)
                return
            outcome.failures[unit.name] = answer
        bar.update(unit.ticks)
        shown = {unit_name: f"{outcome.done}/{len(units)}", "failed": len(outcome.failures)}
        bar.set_postfix(shown)

    try:
        while True:
            try:
                if deadline is None:
                    feed(pool, queue, workers)
                if not any(w.unit for w in pool) or (deadline and time.monotonic() > deadline):
                    break
                for worker in pool:
                    if worker.unit and time.monotonic() - worker.began > timeout:
                        worker.process.kill()  # it is then ready, with the signal as its reason
                        worker.late = True
                for worker in ready(pool):
                    answer = receive(worker)
                    if worker.unit is None:
                        continue
                    if answer == TICK:
                        worker.ticks += 1
                        bar.update()
                    else:
                        settle(worker, worker.unit, answer)
                pool = [w for w in pool if w.process.is_alive() or w.unit]
            except KeyboardInterrupt:
                if deadline is not None:
                    break
                deadline = time.monotonic() + GRACE
                print(f"interrupted: finishing for {GRACE:.0f} s", file=sys.stderr)
    finally:
        bar.close()
        for worker in pool:
            worker.pipe.close()
            if worker.unit:
                worker.process.kill()
            worker.process.join()
    outcome.left = len(units) - outcome.done - len(outcome.failures)
    if deadline is not None:
        print(f"{outcome.done} of {len(units)} {unit_name} done, {outcome.left} left", file=sys.stderr)
        raise KeyboardInterrupt
    return outcome


def report(outcome: Outcome, *, unit_name: str = "trials", stream: Any = None) -> int:
    """Say what failed and why; the stage's exit code, 1 where something did."""
    for name, reason in outcome.failures.items():
        print(f"failed: {name}: {reason}", file=stream or sys.stderr)
    if outcome.failures:
        print(
            f"{len(outcome.failures)} of {outcome.done + len(outcome.failures)} {unit_name} failed after "
            f"{RETRIES + 1} tries each; the same command tries them again",
            file=stream or sys.stderr,
        )
    return 1 if outcome.failures else 0
