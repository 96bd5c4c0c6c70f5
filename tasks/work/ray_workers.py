"""The same units on a Ray cluster, with the same tries, reasons and bar as in local processes."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from tasks.work.answers import LATE, Answer, Death
from tasks.work.ledger import Ledger, Outcome
from tasks.work.processes import Unit
from tasks.work.ray_cluster import Board, connected, work_on

AHEAD = 1000
"""Units handed to the cluster before it has room: what waits there is what an autoscaler sees."""
POLL = 0.2
"""Seconds between looks."""


@dataclass
class _Try:
    """A unit on the cluster, and when it began there."""

    unit: Unit
    began: float | None = None
    late: bool = False


def run_all(
    units: Sequence[Unit],
    *,
    workers: str,
    num_cpus: float,
    num_gpus: float,
    title: str,
    unit_name: str = "trials",
    tick_name: str = "rows",
    timeout: float = math.inf,
) -> Outcome:
    """Run all units on the cluster that ``RAY_ADDRESS`` names or that runs here, else on a local Ray.

    Args:
        units: in the given order.
        workers: the most units at once (and the size of a local Ray), or ``auto``.
        num_cpus: cores that one unit occupies; as many threads work on it.
        num_gpus: GPUs, or the share of one, that one unit occupies.
        title, unit_name, tick_name: of the bar.
        timeout: seconds that one unit may take.
    """
    with connected(workers, num_cpus) as ray:
        job = _Job(ray, Ledger(units, title=title, unit_name=unit_name, tick_name=tick_name), timeout)
        work = ray.remote(work_on).options(num_cpus=num_cpus, num_gpus=num_gpus, max_retries=0)
        settings = (max(1, int(num_cpus)), num_gpus)
        job.run(work, settings, AHEAD if workers == "auto" else int(workers))
    return job.ledger.result()


class _Job:
    """The driver's side of one call of :func:`run_all`."""

    def __init__(self, ray: ModuleType, ledger: Ledger, timeout: float) -> None:
        self.ray, self.ledger, self.timeout = ray, ledger, timeout
        self.board = ray.remote(Board).options(num_cpus=0, max_restarts=-1).remote()
        self.tries: dict[int, _Try] = {}
        self.refs: dict[Any, int] = {}

    def run(self, work: Any, settings: tuple[int, float], ahead: int) -> None:
        """Hand out units, listen and book, until all are settled or the user has waited long enough."""
        try:
            while True:
                try:
                    while len(self.refs) < ahead and (unit := self.ledger.next()) is not None:
                        number = len(self.tries)
                        self.tries[number] = _Try(unit)
                        self.refs[work.remote(unit, number, self.board, *settings)] = number
                    if not (self.refs or self.ledger.open) or self.ledger.over:
                        return
                    ended: list[Any] = []
                    if self.refs:
                        ended, _ = self.ray.wait(list(self.refs), num_returns=len(self.refs), timeout=POLL)
                    else:
                        time.sleep(POLL)
                    self._listen()
                    for ref in ended:
                        found = self.tries[self.refs.pop(ref)]
                        self.ledger.settle(found.unit, self._answer(ref, found))
                    self._end_the_late()
                except KeyboardInterrupt:
                    self.ledger.interrupt()
                    self.board.stop.remote()
        finally:
            self.ledger.close()
            for ref in self.refs:
                self.ray.cancel(ref, force=True)

    def _listen(self) -> None:
        """Hear which tries began and how far they are."""
        with contextlib.suppress(self.ray.exceptions.RayActorError):  # it restarts; the bar waits
            for number in self.ray.get(self.board.take.remote()):
                found = self.tries[number]
                if found.began is None:
                    found.began = time.monotonic()
                else:
                    self.ledger.tick(found.unit)

    def _end_the_late(self) -> None:
        """End tries beyond the time-out and, after an interrupt, those that wait for room."""
        for ref, number in list(self.refs.items()):
            found = self.tries[number]
            if found.began is None:
                if self.ledger.deadline is not None:
                    self.ray.cancel(ref)
                    del self.refs[ref]
            elif time.monotonic() - found.began > self.timeout and not found.late:
                found.late = True
                self.ray.cancel(ref, force=True)

    def _answer(self, ref: Any, found: _Try) -> Answer:
        try:
            answer: Answer = self.ray.get(ref)
            return answer
        except self.ray.exceptions.RayError as error:
            if found.late:
                return LATE
            words = (line.strip() for line in str(error).splitlines() if line.strip())
            return Death(f"{type(error).__name__}: {next(words, 'no reason given')}")
