"""One seed of a kind in all arms, as a unit of work."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harm import arms
from tasks.work import workers


@dataclass(frozen=True)
class RunUnit:
    """One seed of a kind in all arms; its outcomes are lines of a file for each process."""

    kind: str
    seed: int
    out: str

    ticks = len(arms.ARMS)

    @property
    def name(self) -> str:
        """Kind and seed."""
        return f"{self.kind}, seed {self.seed}"

    def run(self, tick: workers.Tick = lambda: None) -> int:
        """Run it; the number of lines."""
        lines = []
        for arm in arms.ARMS:
            lines.append(json.dumps(arms.plain(arms.run(self.kind, self.seed, arm))) + "\n")
            tick()
        with Path(self.out, f"{os.getpid()}.jsonl").open("a") as log:
            log.write("".join(lines))  # at once: a unit is there whole or not at all
        return len(lines)
