"""Units of work in local processes: one torch thread each, one progress bar for all.

A worker that dies, raises or runs out of memory fails its own unit only. The unit is tried again in a
fresh process, at most twice, then reported with its reason while the others go on.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import torch
from tqdm import tqdm

from tasks.errors import InputError

RETRIES = 2
GRACE = 5.0
"""Seconds that running units have to finish after an interrupt."""


Tick = Callable[[], None]
TICK = "tick"


class Unit(Protocol):
    """A picklable piece of work whose result lies in a file when ``run`` returns."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def ticks(self) -> int:
        """How far the progress bar moves for it."""
        ...

    def run(self, tick: Tick) -> int:
        """Do it, calling ``tick`` at most ``ticks`` times on the way; the number of rows made."""
        ...


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


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    unit: Unit | None = None
    ticks: int = 0


def run_all(
    units: Sequence[Unit], *, workers: int, title: str, unit_name: str = "trials", tick_name: str = "rows"
) -> Outcome:
    """Run all units, in the given order, in ``workers`` processes.

    The first interrupt lets running units finish for some seconds; what is not finished is left for
    the next call. Progress goes to stderr, and only to a terminal.
    """
    outcome = Outcome()
    queue = deque(units)
    attempts: dict[str, int] = {}
    pool: list[_Worker] = []
    deadline: float | None = None
    bar = tqdm(
        total=len(units), desc=title, unit=f" {unit_name}", disable=not sys.stderr.isatty(), smoothing=0.1
    )

    def settle(worker: _Worker, unit: Unit, answer: int | str) -> None:
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
                    _feed(pool, queue, workers)
                if not any(w.unit for w in pool) or (deadline and time.monotonic() > deadline):
                    break
                for worker in _ready(pool):
                    answer = _receive(worker)
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


def _feed(pool: list[_Worker], queue: deque[Unit], workers: int) -> None:
    """Give every idle worker a unit, starting workers as long as there is work for them."""
    for worker in pool:
        if worker.unit is None and queue and worker.process.is_alive():
            _send(worker, queue)
    while queue and len(pool) < workers:
        ours, theirs = mp.Pipe()
        # spawn: a fork would copy torch's threads and the pipes of the other workers
        process = mp.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
        with _one_thread():
            process.start()
        theirs.close()
        pool.append(_Worker(process, ours))
        _send(pool[-1], queue)


def _send(worker: _Worker, queue: deque[Unit]) -> None:
    unit = queue.popleft()
    try:
        worker.pipe.send(unit)
        worker.unit = unit
    except (BrokenPipeError, OSError):  # died while idle: _ready() will see it
        queue.appendleft(unit)


def _ready(pool: list[_Worker]) -> list[_Worker]:
    handles: list[Any] = [w.pipe for w in pool] + [w.process.sentinel for w in pool]
    signalled = set(wait(handles, timeout=0.5))
    return [w for w in pool if w.pipe in signalled or w.process.sentinel in signalled]


def _receive(worker: _Worker) -> int | str:
    """The worker's answer: rows made, or why the unit failed."""
    try:
        if worker.pipe.poll():
            answer: int | str = worker.pipe.recv()
            return answer
    except (EOFError, OSError):
        pass
    worker.process.join()
    code = worker.process.exitcode or 0
    if code < 0:
        return f"the worker was killed by {signal.Signals(-code).name}" + " (out of memory?)" * (code == -9)
    return f"the worker ended with exit code {code}"


class _one_thread:
    """Environment of a worker: thread pools read it when their library is loaded."""

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in self.names}
        os.environ.update(dict.fromkeys(self.names, "1"))

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection) -> None:
    """The worker's life: a unit in, an answer out, until the parent closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    torch.set_num_threads(1)
    while True:
        try:
            unit: Unit = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        except Exception as error:  # the unit's module does not import here
            answer: int | str = _reason(error)
        else:
            answer = _answer(unit, lambda: pipe.send(TICK))
        try:
            pipe.send(answer)
        except OSError:
            return


def _answer(unit: Unit, tick: Tick) -> int | str:
    try:
        return unit.run(tick)
    except Exception as error:
        return _reason(error)


def _reason(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
