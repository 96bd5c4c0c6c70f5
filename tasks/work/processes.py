"""Worker processes: started with their threads and their card, given one unit at a time, and listened to."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import torch

from tasks.work import cards, interrupts, machine
from tasks.work.answers import LATE, Answer, Death, Held, Left, Refusal, Stopped, Taken, reason

__all__ = [
    "LATE",
    "TICK",
    "Refusal",
    "Stopped",
    "Tick",
    "Unit",
    "Worker",
    "attempt",
    "ready",
    "reason",
    "receive",
]

Tick = Callable[[], None]
TICK = "tick"
STOP = "stop"


class Unit(Protocol):
    """A picklable piece of work whose result lies in a file when ``run`` returns.

    A unit whose file or directory is its attribute ``path`` (a string) is made by one program at a time,
    however many are asked for it (:mod:`tasks.work.claims`).
    """

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def ticks(self) -> int:
        """How far the progress bar moves for it."""
        ...

    def run(self, tick: Tick) -> int:
        """Do it, calling ``tick`` at most ``ticks`` times on the way; the number of rows made.

        ``tick`` may raise :class:`~tasks.work.answers.Stopped`: a unit that can be gone on with saves what
        there is before that passes.
        """
        ...


@dataclass
class Worker:
    """A process, our end of its pipe, its card, and its unit: when it began, whether it is too late."""

    process: BaseProcess
    pipe: Connection
    card: str | None = None
    unit: Unit | None = None
    began: float = 0.0
    late: bool = False

    def send(self, unit: Unit) -> bool:
        """Give it a unit; False where it has died while idle, which :func:`ready` will see."""
        try:
            self.pipe.send(unit)
        except OSError:
            return False
        self.unit, self.began = unit, time.monotonic()
        return True

    def stop(self) -> None:
        """Ask its unit to stop at its next tick."""
        with contextlib.suppress(OSError):
            self.pipe.send(STOP)


def start(*, threads: int = 1, card: str | None = None, share: float | None = None) -> Worker:
    """A worker in a process of its own.

    Args:
        threads: of torch and of the libraries under it.
        card: the one GPU that it sees, as ``CUDA_VISIBLE_DEVICES`` names it; None: what this process sees.
        share: of the card's memory that it may take; None: all.
    """
    ours, theirs = mp.Pipe()
    # spawn: a fork would copy torch's threads and the pipes of the other workers
    process = mp.get_context("spawn").Process(target=_serve, args=(theirs, threads, share), daemon=True)
    with machine.environment(_settings(threads, card)), interrupts.held():
        process.start()
    theirs.close()
    return Worker(process, ours, card)


def ready(pool: list[Worker]) -> list[Worker]:
    """The workers that said something or died, within half a second."""
    handles: list[Any] = [w.pipe for w in pool] + [w.process.sentinel for w in pool]
    signalled = set(wait(handles, timeout=0.5))
    return [w for w in pool if w.pipe in signalled or w.process.sentinel in signalled]


def receive(worker: Worker) -> Answer | cards.Used:
    """What the worker says: a tick, the memory that it took, rows made, or why the unit failed."""
    try:
        if worker.pipe.poll():
            answer: Answer | cards.Used = worker.pipe.recv()
            return answer
    except (EOFError, OSError):
        pass
    worker.process.join()
    if worker.late:
        return LATE
    code = worker.process.exitcode or 0
    if code < 0:
        killed = f"the worker was killed by {signal.Signals(-code).name}"
        return Death(killed + " (out of memory?)" * (code == -9))
    return Death(f"the worker ended with exit code {code}")


def _settings(threads: int, card: str | None) -> dict[str, str]:
    """Environment of a worker: thread pools and glibc's allocator read it when they are loaded.

    The allocator is told to keep what is freed. It would give every tensor of some hundred kilobytes back
    to the kernel and fault its pages in again at the next step, a fifth of a training's time.
    """
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    kept = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
    found = dict.fromkeys(pools, str(threads)) | dict.fromkeys(kept, str(2**32))
    return found if card is None else found | {"CUDA_VISIBLE_DEVICES": card}


def _serve(pipe: Connection, threads: int, share: float | None) -> None:
    """The worker's life: a unit in, an answer out, until the parent closes the pipe or is gone."""
    torch.set_num_threads(threads)
    cards.limit(share)

    def tick() -> None:
        try:
            pipe.send(TICK)
            stop = pipe.poll() and pipe.recv() == STOP
        except (EOFError, OSError):  # the parent is gone
            stop = True
        if stop:
            raise Stopped

    while True:
        try:
            unit: Unit | str = pipe.recv()
        except (EOFError, ConnectionResetError):
            return
        except Exception as error:  # the unit's module does not import here
            answer: Answer = reason(error)
        else:
            if isinstance(unit, str):  # told to stop what has just ended
                continue
            answer = attempt(unit, tick)
        try:
            if (used := cards.used()) is not None:
                pipe.send(used)
            pipe.send(answer)
        except OSError:
            return


def attempt(unit: Unit, tick: Tick) -> Answer:
    """Rows made, or why the unit failed."""
    try:
        return unit.run(tick)
    except Stopped:
        return Left("it was told to stop")
    except Taken as other:
        return Held(other.mark)
    except Exception as error:
        return reason(error)
