"""A run of the comparison on its way: what it is made of, and how it is saved and goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from arc.methods.method import Method
from proxy_eval import memory
from proxy_eval.kept import Kept
from proxy_eval.watched import Epoch, Followed, WatchedRun, follow
from tasks.work import workers
from tasks.work.checkpoint import Checkpoint
from tasks.work.processes import Stopped

T = TypeVar("T")


class Clock:
    """Wall and CPU time of what runs inside it."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.thread_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._wall
        self.cpu += time.thread_time() - self._cpu

    def time(self, iterator: Iterator[T]) -> T | None:
        """The next of an iterator, or None at its end; timed."""
        with self:
            return next(iterator, None)


@dataclass
class Unfinished:
    """Everything that a run consists of but its method, which is there once it is made.

    :meth:`state_dict` and :meth:`load_state_dict` hold all that decides the row: the training and the
    method, what they were charged, the models that are kept for the test split, the curves, the clocks.
    """

    run: WatchedRun
    kept: Kept
    clock: Clock = field(default_factory=Clock)
    followed: Followed = field(default_factory=Followed)
    trace: list[Epoch] = field(default_factory=list)
    began: tuple[float, float] = field(default_factory=lambda: now())
    before: tuple[float, float] = (0.0, 0.0)
    """Wall and CPU seconds that the program spent before the run was cut."""
    peak_before: int = 0

    def finish(self, method: Method, epochs: int, file: Checkpoint, tick: workers.Tick) -> None:
        """Let the method drive the run to its end, from what the file holds on; save on the way."""
        if (saved := file.read()) is not None:
            self.load_state_dict(saved, method)
        told = 0
        going = follow(self.run, method, epochs, self.followed)
        while (epoch := self.clock.time(going)) is not None:
            self.trace[epoch.number - 1 :] = [epoch]
            self.kept.see(epoch)
            if file.due and epoch.number < epochs:
                file.write(self.state_dict(method))
            try:
                for _ in range(told, self.followed.last):
                    tick()
            except Stopped:
                file.write(self.state_dict(method))
                raise
            told = self.followed.last

    @property
    def spent(self) -> tuple[float, float]:
        """Wall and CPU seconds of the program so far."""
        wall, cpu = (a + b - c for a, b, c in zip(self.before, now(), self.began, strict=True))
        return wall, cpu

    @property
    def peak_memory(self) -> int:
        """Bytes, at most so far."""
        return max(self.peak_before, memory.peak(str(self.run.device)))

    def state_dict(self, method: Method) -> dict[str, Any]:
        """Plain types and tensors. The copies are not charged to the run."""
        cost = self.run.cost.as_dict()
        state = {
            "run": self.run.snapshot(),
            "trained_lr": self.run.trained_lr,
            "validated": self.run.validated,
            "cost": cost,
            "method": method.state_dict(),
            "kept": self.kept.state_dict(),
            "clock": (self.clock.wall, self.clock.cpu),
            "followed": vars(self.followed).copy(),
            "trace": [tuple(epoch) for epoch in self.trace],
            "peak": self.peak_memory,
            "spent": self.spent,
        }
        vars(self.run.cost).update(cost)
        return state

    def load_state_dict(self, state: dict[str, Any], method: Method) -> None:
        """Go on from :meth:`state_dict`; ``method`` has just been made for this run."""
        method.load_state_dict(state["method"])
        self.run.restore(state["run"])
        self.run.trained_lr, self.run.validated = state["trained_lr"], state["validated"]
        vars(self.run.cost).update(state["cost"])
        self.kept.load_state_dict(state["kept"])
        self.clock.wall, self.clock.cpu = state["clock"]
        vars(self.followed).update(state["followed"])
        self.trace[:] = [Epoch(*epoch) for epoch in state["trace"]]
        self.peak_before, self.before = state["peak"], state["spent"]


def now() -> tuple[float, float]:
    """Wall clock and CPU time of this thread, in seconds."""
    return time.perf_counter(), time.thread_time()
