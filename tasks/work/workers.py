"""Units of work in local processes, with one progress bar for all.

A worker that dies, raises, hangs or runs out of memory fails its own unit only. The unit may be tried
again (:func:`tasks.work.answers.worth_a_try`), then it is reported with its reason while the others go on.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence

import torch

from tasks.errors import InputError
from tasks.work.answers import Held, Left, Refusal
from tasks.work.cards import Cards, Used
from tasks.work.ledger import Ledger, Outcome, report
from tasks.work.processes import TICK, Tick, Unit, Worker, ready, receive, start

__all__ = ["Outcome", "Tick", "Unit", "cores", "count", "report", "resolve_device", "run_all"]


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count(workers: str | int, device: str = "cpu") -> int:
    """Number of processes for ``workers=auto`` (cores, or GPUs on ``cuda``) or a positive number."""
    if workers == "auto":
        return max(1, torch.cuda.device_count()) if device.startswith("cuda") else cores()
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
    workers: int | Cards,
    title: str,
    unit_name: str = "trials",
    tick_name: str = "rows",
    timeout: float = math.inf,
    threads: int = 1,
    share: float | None = None,
) -> Outcome:
    """Run all units, in the given order, in processes.

    The first interrupt lets running units finish or save for some seconds; what is not finished is left for
    the next call. Progress goes to stderr, and only to a terminal.

    Args:
        units: in the order of running.
        workers: how many processes, or the cards that say so.
        title, unit_name, tick_name: of the bar.
        timeout: seconds that one try of a unit may take.
        threads: of each process.
        share: of its card's memory that each process may take; None: all.
    """
    cards = workers if isinstance(workers, Cards) else Cards((), most=workers)
    pool: list[Worker] = []
    ledger = Ledger(units, title=title, unit_name=unit_name, tick_name=tick_name)

    def feed() -> None:
        """Give every idle worker a unit, starting workers as long as there is work for them."""
        idle = [w for w in pool if w.unit is None and w.process.is_alive()]
        while len(pool) - len(idle) < cards.workers and (unit := ledger.next()) is not None:
            if not idle:
                card = cards.free(w.card for w in pool)
                pool.append(start(threads=threads, card=card, share=share))
                idle.append(pool[-1])
            if not idle.pop(0).send(unit):
                ledger.put_back(unit)
        for worker in idle[: max(0, len(pool) - cards.workers)]:  # a card has less room than was thought
            pool.remove(worker)
            worker.pipe.close()
            worker.process.join()

    def hear(worker: Worker) -> None:
        """Take what a worker says."""
        answer, unit = receive(worker), worker.unit
        if isinstance(answer, Used):
            cards.saw(answer)
        elif unit is None:
            return
        elif answer == TICK:
            ledger.tick(unit)
        else:
            worker.unit = None
            ledger.settle(unit, answer)
            if isinstance(answer, str) and not isinstance(answer, Refusal | Held | Left):
                worker.process.kill()  # what the unit broke must not break the next one
                worker.process.join()

    try:
        while True:
            try:
                feed()
                if not (any(w.unit for w in pool) or ledger.open) or ledger.over:
                    break
                for worker in pool:
                    if worker.unit and time.monotonic() - worker.began > timeout:
                        worker.late = True
                        worker.process.kill()  # it is then ready, with the signal as its reason
                for worker in ready(pool):
                    hear(worker)
                pool[:] = [w for w in pool if w.process.is_alive() or w.unit]
            except KeyboardInterrupt:
                ledger.interrupt()
                for worker in pool:
                    if worker.unit:
                        worker.stop()
    finally:
        ledger.close()
        for worker in pool:
            worker.pipe.close()
            if worker.unit:
                worker.process.kill()
        for worker in pool:
            worker.process.join()
    return ledger.result()
