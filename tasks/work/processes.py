"""Worker processes: started with one torch thread each, given one unit at a time, and listened to."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, ClassVar, Protocol

import torch

from tasks.errors import InputError

Tick = Callable[[], None]
TICK = "tick"
LATE = "it took longer than its time-out"


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


class Refusal(str):
    """The message of an InputError: the unit failed, the worker is as good as new."""


@dataclass
class Worker:
    """A process, our end of its pipe, and its unit: its ticks, when it began, whether it is too late."""

    process: BaseProcess
    pipe: Connection
    unit: Unit | None = None
    ticks: int = 0
    began: float = 0.0
    late: bool = False


def feed(pool: list[Worker], queue: deque[Unit], workers: int) -> None:
    """Give every idle worker a unit, starting workers as long as there is work for them."""
    for worker in pool:
        if worker.unit is None and queue and worker.process.is_alive():
            _send(worker, queue)
    while queue and len(pool) < workers:
        ours, theirs = mp.Pipe()
        # spawn: a fork would copy torch's threads and the pipes of the other workers
        process = mp.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
        with _OneThread(), _interrupts_held():
            process.start()
        theirs.close()
        pool.append(Worker(process, ours))
        _send(pool[-1], queue)


def _send(worker: Worker, queue: deque[Unit]) -> None:
    unit = queue.popleft()
    try:
        worker.pipe.send(unit)
        worker.unit, worker.began = unit, time.monotonic()
    except (BrokenPipeError, OSError):  # died while idle: ready() will see it
        queue.appendleft(unit)


def ready(pool: list[Worker]) -> list[Worker]:
    """The workers that said something or died, within half a second."""
    handles: list[Any] = [w.pipe for w in pool] + [w.process.sentinel for w in pool]
    signalled = set(wait(handles, timeout=0.5))
    return [w for w in pool if w.pipe in signalled or w.process.sentinel in signalled]


def receive(worker: Worker) -> int | str:
    """The worker's answer: rows made, or why the unit failed."""
    try:
        if worker.pipe.poll():
            answer: int | str = worker.pipe.recv()
            return answer
    except (EOFError, OSError):
        pass
    worker.process.join()
    if worker.late:
        return LATE
    code = worker.process.exitcode or 0
    if code < 0:
        return f"the worker was killed by {signal.Signals(-code).name}" + " (out of memory?)" * (code == -9)
    return f"the worker ended with exit code {code}"


class _OneThread:
    """Environment of a worker: thread pools and glibc's allocator read it when they are loaded.

    The allocator is told to keep what is freed. It would give every tensor of some hundred kilobytes back
    to the kernel and fault its pages in again at the next step, a fifth of a training's time.
    """

    settings: ClassVar = {
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_MMAP_THRESHOLD_": str(2**32),
        "MALLOC_TRIM_THRESHOLD_": str(2**32),
    }

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in self.settings}
        os.environ.update(self.settings)

    def __exit__(self, *_: object) -> None:
        for name, value in self.before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """SIGINT waits, and the process started here never sees one: not even while it still imports."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(pipe: Connection) -> None:
    """The worker's life: a unit in, an answer out, until the parent closes the pipe or is gone."""
    torch.set_num_threads(1)
    while True:
        try:
            unit: Unit = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        except Exception as error:  # the unit's module does not import here
            answer: int | str = reason(error)
        else:
            answer = attempt(unit, lambda: pipe.send(TICK))
        try:
            pipe.send(answer)
        except OSError:
            return


def attempt(unit: Unit, tick: Tick) -> int | str:
    """Rows made, or why the unit failed."""
    try:
        return unit.run(tick)
    except Exception as error:
        return reason(error)


def reason(error: Exception) -> str:
    """Why a unit failed, in one line."""
    if isinstance(error, InputError):
        return Refusal(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"
