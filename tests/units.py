"""A unit of work that works, or fails in one of many ways; and what tells one to stop."""

import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from tasks.errors import InputError
from tasks.work.answers import Stopped


def stops_after(ticks: int) -> Callable[[], None]:
    """A ``tick`` that raises Stopped when it is called so often."""
    numbers = iter(range(1, 100))

    def tick() -> None:
        if next(numbers) == ticks:
            raise Stopped

    return tick


@dataclass(frozen=True)
class Unit:
    name: str
    kind: str = "works"
    mark: str = ""
    ticks: int = 2

    def run(self, tick) -> int:
        tick()
        if self.kind == "raises":
            raise RuntimeError("a loss that nobody expected")
        if self.kind == "refuses":
            raise InputError("the disk is full")
        if self.kind == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "dies once" and not Path(self.mark).exists():
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "wants memory":
            size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (size + 2**26, resource.RLIM_INFINITY))
            bytearray(2**30)
        if self.kind == "sleeps":
            time.sleep(60)
        if self.kind == "ticks for a minute":
            try:
                for _ in range(600):
                    time.sleep(0.1)
                    tick()
            except Stopped:
                Path(self.mark).touch()
                raise
        if self.kind == "says what it sees":
            time.sleep(1)  # so that the others need workers of their own
            words = f"{os.environ['CUDA_VISIBLE_DEVICES']} {torch.get_num_threads()}"
            Path(self.mark, self.name).write_text(words)
        return 7


@dataclass(frozen=True)
class Part:
    """A unit that makes a file, and says so in another one; it waits until so many have been begun."""

    path: str
    seconds: float = 0.1
    ticks: int = 1
    begun: int = 1

    @property
    def name(self) -> str:
        return Path(self.path).name

    def run(self, tick) -> int:
        made, began = Path(self.path).with_name("made"), time.monotonic()
        with made.open("a") as file:
            file.write(f"{self.name}\n")
        while len(made.read_text().split()) < self.begun and time.monotonic() < began + 240:
            time.sleep(0.02)
        time.sleep(self.seconds)
        Path(self.path).write_text("whole")
        return 1
