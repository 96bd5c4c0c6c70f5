"""A unit of work that works, or fails in one of many ways."""

import os
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import InputError


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
        return 7
